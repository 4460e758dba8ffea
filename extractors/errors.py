"""Errors named by what to do next. Every message says who, what was expected, what came, and the remedy."""

from __future__ import annotations

from datetime import datetime


def printable(text: str) -> str:
    """Return a text that no terminal and no log obeys: control, invisible and bidi characters become escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class PipelineError(Exception):
    """Base of all expected failures: `what` happened, and the `remedy` a person or the scheduler can apply.

    Both are one line each, whatever a platform said.
    """

    #: One word for `status` and the Airflow UI: wait, renew, fix the permission, look at the contract...
    action = "look"

    def __init__(self, what: str, remedy: str) -> None:
        self.what, self.remedy = printable(what), printable(remedy)
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


class RetryLater(PipelineError):
    """A limit is used up until a known instant; calling before it is useless or makes it worse."""

    action = "wait"

    def __init__(self, what: str, at: datetime) -> None:
        super().__init__(what, f"the next call is allowed at {at:%Y-%m-%d %H:%M:%S %Z}; the next run waits for it")
        self.at = at


class TokenDead(PipelineError):
    """The access token is expired, revoked, malformed or missing; only a person can renew it."""

    action = "renew the token"


class PermissionLost(PipelineError):
    """The token is alive but may not read this; a permission or role must be granted."""

    action = "fix the permission"


class ObjectGone(PipelineError):
    """The object asked for does not exist (any more) or is invisible to this token."""

    action = "check the account id"


class ContractBroken(PipelineError):
    """The answer is not what the platform documents; docs/runbook.md#contract says how to look at it."""

    action = "look at the contract"
    #: The bytes that could not be read, for the quarantine; never part of a message.
    body: bytes = b""


class Refused(PipelineError):
    """We refused to go on for safety: a redirect, a foreign host, a body over the cap."""

    action = "look at the contract"


class AlreadyRunning(PipelineError):
    """Another process is reading this stream of this account at this moment."""

    action = "wait"


class LeaseLost(PipelineError):
    """A newer process took this run over; this one must write nothing any more."""

    action = "wait"


class Mended(PipelineError):
    """A record landed, but not letter by letter as it came; no failure, only a note in the quarantine."""

    action = "nothing"
