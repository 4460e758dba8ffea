"""No secret leaves in a text, and no text from outside writes lines or moves the terminal."""

from __future__ import annotations

import io
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import redaction
from extractors.errors import PipelineError, RetryLater, TokenDead
from tests.extractors.conftest import ANCHOR

LOOKALIKES = [
    "https://graph.facebook.com/me?access_token=SECRETSECRET&x=1",
    "Authorization: Bearer SECRETSECRET1",
    "authorization: basic SECRETSECRET==",
    '{"refresh_token": "SECRETSECRET", "a": 1}',
    "client_secret=SECRETSECRET",
    "fb_exchange_token=SECRETSECRET",
    "the token EAAGsystemSECRETSECRETSECRET",
    "the token AQXdSP_SECRETSECRETSECRET1234567",
    "password=SECRETSECRET",
]


@pytest.mark.fault("G01")
@pytest.mark.parametrize("text", LOOKALIKES)
def test_what_looks_like_a_secret_is_hidden_though_nobody_told_us(text: str):
    assert "SECRETSECRET" not in redaction.without_secrets(text)
    assert "SECRETSECRET" not in f"{PipelineError(text, text)}{PipelineError(text, text)!r}"


@pytest.mark.fault("G01")
def test_a_secret_that_is_known_is_hidden_also_percent_encoded():
    redaction.remember("canary/of+the=day")
    hidden = redaction.without_secrets("GET /x?t=canary%2Fof%2Bthe%3Dday and canary/of+the=day")
    assert hidden == "GET /x?t=*** and ***"


def test_ordinary_words_stay_as_they_are():
    text = "twitter__posts, account 2244994001: X answered 401, a basic organization; renew the token of twitter_acme"
    assert redaction.one_line(text) == text


@pytest.mark.fault("G15")
@given(st.text())
def test_an_error_is_one_line_that_moves_no_terminal_whatever_it_quotes(text: str):
    for error in (TokenDead(f"X said {text!s}", text), RetryLater(text, ANCHOR)):
        for shown in (str(error), repr(error), error.what, error.remedy):
            assert len(shown.splitlines()) <= 1
            assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)


@pytest.mark.fault("G15", "G01")
def test_a_log_record_of_anybody_passes_through(request: pytest.FixtureRequest):
    redaction.remember("canary-5f1c22aa")
    before = logging.getLogRecordFactory()
    request.addfinalizer(lambda: logging.setLogRecordFactory(before))
    redaction.install()
    redaction.install()
    written = io.StringIO()
    log = logging.Logger("somebody else's")  # outside the tree that pytest listens to
    log.addHandler(logging.StreamHandler(written))
    log.warning("GET %s\r\x1b[31m", "/x?access_token=canary-5f1c22aa")
    try:
        raise ValueError("canary-5f1c22aa")
    except ValueError:
        log.exception("it broke")
    assert "canary" not in written.getvalue()
    assert "ValueError: ***" in written.getvalue()
    assert not re.search("[\r\x1b]", written.getvalue())


def test_a_listener_hears_of_every_secret_before_and_after():
    heard: list[str] = []
    redaction.remember("canary-before-1")
    redaction.tell(heard.append)
    redaction.remember("canary-after-1", None, "short")
    assert {"canary-before-1", "canary-after-1"} <= set(heard)
    assert "short" not in heard
