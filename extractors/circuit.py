"""Calls of a platform that answers nobody: after a few failures in a row nobody calls it until a named instant.

One row per platform, shared by every process, in `ops.rate_budgets`. When the pause is over one call tries the platform
out: an answer, be it a refusal, closes the circuit for all; another failure doubles the pause. A maintenance of six
hours costs 16 calls, and as many as were on their way: docs/adr/0008-exact-windows.md.
"""

from __future__ import annotations

from extractors.errors import PipelineError, Transient, VersionSunset
from extractors.limiter import Limiter
from extractors.spec import Platform

# So many unanswered calls in a row, of all processes together, open the circuit for this long; then twice as long.
FAILURES = 8
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 300, 3600

# A failure while the circuit is open was on its way already and tells nothing new.
FAILED = """
insert into ops.rate_budgets as gate (budget, failures) values (%(gate)s, 1)
on conflict (budget) do update set
    failures = gate.failures + 1,
    probe_until = null,
    blocked_until = case when gate.failures + 1 >= %(most)s
        then clock_timestamp() + make_interval(secs => least(
            %(first)s * 2 ^ least(gate.failures + 1 - %(most)s, 20), %(longest)s
        )) end,
    blocked_reason = format('%%s left %%s calls in a row unanswered', %(platform)s::text, gate.failures + 1),
    updated_at = clock_timestamp()
where gate.blocked_until is null or gate.blocked_until <= clock_timestamp()
returning blocked_until is not null, failures
"""

ANSWERED = """
update ops.rate_budgets set
    failures = 0, probe_until = null, blocked_until = null, blocked_reason = null, updated_at = clock_timestamp()
where budget = %(gate)s
"""

# A verdict that was wrong heals within a day; a new version has a row of its own.
SUNSET = """
insert into ops.rate_budgets (budget, blocked_until, blocked_reason)
values (%(gate)s, clock_timestamp() + interval '1 day', %(reason)s)
on conflict (budget) do update set
    blocked_until = excluded.blocked_until, blocked_reason = excluded.blocked_reason, updated_at = clock_timestamp()
"""


def settle(limiter: Limiter, platform: Platform, error: PipelineError | None) -> int:
    """Note how a call ended, and return how many in a row the platform left unanswered, of all processes.

    Costs a statement only when the call failed, or calls before it did.
    """
    in_a_row = 0
    match error:
        case Transient():
            in_a_row = _note_failure(limiter, platform)
        case VersionSunset():
            reason = f"{platform.key} serves version {platform.version or 'v2'} of its API no more"
            limiter.connection.execute(SUNSET, {"gate": platform.sunset, "reason": reason})
            limiter.learned.add(platform.sunset)
    if limiter.is_troubled and not isinstance(error, Transient):
        limiter.connection.execute(ANSWERED, {"gate": platform.circuit})
    return in_a_row


def _note_failure(limiter: Limiter, platform: Platform) -> int:
    # Whose call it was stays out of the reason: every tenant's ledger may quote it.
    values = {"gate": platform.circuit, "most": FAILURES, "platform": platform.key}
    pauses = {"first": FIRST_PAUSE_SECONDS, "longest": LONGEST_PAUSE_SECONDS}
    row = limiter.connection.execute(FAILED, {**values, **pauses}).fetchone()
    is_open, failures = row or (True, FAILURES)
    if row is not None and is_open:
        limiter.learned.add(platform.circuit)
    return int(failures)
