"""Nothing that opens a door leaves the process in a text, and no text from outside moves the reader's terminal.

Secrets are known in two ways: by value, once they are loaded (`remember`), and by their look, for those nobody told us.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
#: Shorter values would hide half of every text; no platform issues one.
SHORTEST = 8
# How tokens look: https://developers.facebook.com/docs/facebook-login/guides/access-tokens (EAA...), LinkedIn's AQ...,
# and wherever a name announces a value.
LOOKS = re.compile(
    r"(?i:(?P<name>\b(?:access_token|refresh_token|client_secret|fb_exchange_token|input_token|appsecret_proof|password)"
    r"[\"']?\s*[=:]\s*[\"']?))[^\s\"'&,;}]+"
    r"|(?i:(?P<scheme>\b(?:bearer|basic)\s+))(?=\S*[\d=])[A-Za-z0-9._~+/=-]{8,}"
    r"|\b(?:EAA[A-Za-z0-9]{16,}|AQ[A-Za-z0-9_-]{24,})"
)
BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")

_lock = threading.Lock()
_known: set[str] = set()
_told: list[Callable[[str], None]] = []


def remember(*secrets: object) -> None:
    """Hide these values from now on, in every text that passes here, also percent-encoded."""
    for secret in secrets:
        if isinstance(secret, str) and len(secret) >= SHORTEST:
            with _lock:
                is_new = secret not in _known
                _known.update({secret, quote(secret, safe="")})
                listeners = list(_told) if is_new else []
            for tell in listeners:
                tell(secret)


def tell(listener: Callable[[str], None]) -> None:
    """Call the listener with every secret, those known already included (Airflow's `mask_secret`)."""
    with _lock:
        known = sorted(_known) if listener not in _told else []
        if listener not in _told:
            _told.append(listener)
    for secret in known:
        listener(secret)


def without_secrets(text: str) -> str:
    """Return the text with every secret replaced by three asterisks."""
    with _lock:
        found = sorted((secret for secret in _known if secret in text), key=len, reverse=True)
    for secret in found:
        text = text.replace(secret, HIDDEN)
    return LOOKS.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    return (found["name"] or found["scheme"] or "") + HIDDEN


def printable(text: str) -> str:
    """Return a text that no terminal and no log obeys: control, invisible and bidi characters become escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def one_line(text: str) -> str:
    """Return the text without secrets on one line; what cannot be seen is shown as its escape."""
    return printable(BREAKS.sub(" ", without_secrets(text)))


def screen(text: str) -> str:
    """Return a text of several lines of ours for the screen: as `one_line`, except that its lines stay."""
    return "\n".join(map(one_line, text.split("\n")))


def install() -> None:
    """Let every log record of this process, whoever writes it, pass through here; safe to repeat."""
    make = logging.getLogRecordFactory()
    if not getattr(make, "hides_secrets", False):
        logging.setLogRecordFactory(_hiding(make))


def _hiding(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def record(*arguments: Any, **named: Any) -> logging.LogRecord:
        made = make(*arguments, **named)
        text = made.getMessage()
        if made.exc_info and made.exc_info[0] is not None:
            # As words of the message: a handler that wrote the exception itself would write it unread.
            text += "\n" + "".join(traceback.format_exception(*made.exc_info)).rstrip("\n")
            made.exc_info = None
        made.msg, made.args = screen(text), ()
        return made

    record.hides_secrets = True  # type: ignore[attr-defined]
    return record
