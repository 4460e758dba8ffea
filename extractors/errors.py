"""Errors named by what to do next. Every message says who, what was expected, what came, and the remedy."""

from __future__ import annotations

from datetime import datetime

from extractors.redaction import one_line


class PipelineError(Exception):
    """Base of all expected failures: `what` happened, and the `remedy` a person or the scheduler can apply.

    Both are one line without secrets, whatever a platform put into the words that they quote.
    """

    #: One word for `status` and the Airflow UI: wait, renew, fix the permission, look at the contract...
    action = "look"

    def __init__(self, what: str, remedy: str) -> None:
        self.what = one_line(what)
        self.remedy = one_line(remedy)
        super().__init__(self.what, self.remedy)

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


class ConfigurationError(PipelineError):
    """The command, a file or an environment variable is wrong; nothing was touched."""

    action = "fix the configuration"


class WarehouseUnavailable(PipelineError):
    """The warehouse cannot be reached or is not migrated."""

    action = "check the warehouse"


class Transient(PipelineError):
    """The platform or the network hiccuped; trying again soon is right."""

    action = "wait"


class Unreadable(Transient):
    """Something came with a good status, but no JSON: a page of HTML, nothing, or half an answer; `body` is what."""

    def __init__(self, what: str, body: bytes) -> None:
        super().__init__(what, "try again later")
        self.body = body


class RetryLater(PipelineError):
    """A limit is used up until a known instant; calling before it is useless or makes it worse."""

    action = "wait"

    def __init__(self, what: str, at: datetime, *, scope: str = "") -> None:
        super().__init__(what, f"the next call is allowed at {at:%Y-%m-%d %H:%M:%S %Z}; the next run waits for it")
        self.at = at
        #: Whose limit it is, where a call has several: the `scope` of a Budget.
        self.scope = scope


class EmptyPages(RetryLater):
    """A list goes on and on with nothing in it; it may be whole again later."""


class SteppedAside(RetryLater):
    """A backfill made room for a scheduled run, or left it its share of a budget; it goes on at its page later."""


class TokenDead(PipelineError):
    """The access token is expired, revoked, malformed or missing; only a person can renew it."""

    action = "renew the token"


class PermissionLost(PipelineError):
    """The token is alive but may not read this; a permission or role must be granted."""

    action = "fix the permission"


class ObjectGone(PipelineError):
    """The object asked for does not exist (any more) or is invisible to this token."""

    action = "check the account id"


class AccountMoved(PipelineError):
    """The account has another id by now, after a merge or a move; only a person can say that it is the same one."""

    action = "write the new account id"
    #: Nothing in an error that the ledger remembers.
    new_id = ""

    def __init__(self, what: str, remedy: str, new_id: str) -> None:
        super().__init__(what, remedy)
        self.new_id = new_id


class Disconnected(PipelineError):
    """The account was disabled while it was read, by its tenant or an erasure: nothing more of it is stored."""

    action = "nothing, unless the account should be read"


class ContractBroken(PipelineError):
    """The answer is not what the platform documents; docs/runbook.md#contract says how to look at it."""

    action = "look at the contract"
    #: The bytes that could not be read, for the quarantine; never part of a message.
    body: bytes = b""


class VersionSunset(ContractBroken):
    """The platform serves this version of its API no more, to anybody; only a newer release of ours helps."""


class CursorExpired(ContractBroken):
    """The platform does not know the place in a list any more; the list can be read from its beginning."""


class PageLoop(ContractBroken):
    """A list leads back to pages already read, or to more pages than any list has."""


class Refused(PipelineError):
    """We refused to go on for safety: a redirect, a foreign host, a body over the cap."""

    action = "look at the contract"


class AlreadyRunning(PipelineError):
    """Another process is reading this stream of this account at this moment."""

    action = "wait"


class LeaseLost(PipelineError):
    """A newer process took this run over; this one must write nothing any more."""

    action = "wait"


class Stopped(PipelineError):
    """The process was asked to end (SIGTERM, a deploy); what it landed is kept and the page cursor with it."""

    action = "wait"


class PutOff(PipelineError):
    """A wait is not to be slept here but somewhere else; no answer of a platform, so nothing to try again for."""

    action = "wait"

    def __init__(self, later: RetryLater) -> None:
        super().__init__(later.what, later.remedy)
        self.later = later


class Mended(PipelineError):
    """A record landed, but not letter by letter as it came; no failure, only a note in the quarantine."""

    action = "nothing"


#: What passes by itself: the same work, tried again soon, may well succeed.
PASSING = (Transient, WarehouseUnavailable, AlreadyRunning, LeaseLost, Stopped)


def named(name: str | None) -> type[PipelineError]:
    """Return the class of an error that the ledger remembers by name; PipelineError itself for one nobody knows."""
    waiting: list[type[PipelineError]] = [PipelineError]
    for kind in waiting:
        if kind.__name__ == name:
            return kind
        waiting += kind.__subclasses__()
    return PipelineError


def remembered(name: str, message: str, next_allowed_at: datetime | None) -> PipelineError:
    """Return the error that the ledger kept, as it was raised."""
    kind = named(name)
    what, _, remedy = message.partition("; ")
    if issubclass(kind, RetryLater) and next_allowed_at is not None:
        return RetryLater(what, next_allowed_at)
    # A class may ask for more than these two; what it says and what to do are the same all the same.
    error = kind.__new__(kind)
    PipelineError.__init__(error, what, remedy)
    return error
