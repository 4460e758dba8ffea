"""Configuration: libpq's names, Airflow's connection forms, and one clear error for everything else."""

import json
from datetime import UTC, datetime

import pytest

from extractors.clock import Clock
from extractors.errors import ConfigurationError
from extractors.settings import Settings, Warehouse


def test_the_defaults_are_the_real_platforms():
    settings = Settings.from_environment({})
    assert settings.base_urls["linkedin"] == "https://api.linkedin.com"
    assert settings.base_urls["instagram"] == "https://graph.facebook.com"


@pytest.mark.parametrize(
    "url", ["api.x.com", "ftp://api.x.com", "https://api.x.com/2", "https://api.x.com?a=1", "http://"]
)
def test_a_base_url_with_more_or_less_than_a_host_is_refused(url):
    with pytest.raises(ConfigurationError, match="TWITTER_BASE_URL"):
        Settings.from_environment({"TWITTER_BASE_URL": url})


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({"conn_type": "http", "password": "t/ok+en", "extra": {"client_id": "c"}}),
        json.dumps({"conn_type": "http", "password": "t/ok+en", "extra": '{"client_id": "c"}'}),
        "http://:t%2Fok%2Ben@host/?client_id=c",
        "http://:t%2Fok%2Ben@host/?__extra__=%7B%22client_id%22%3A%20%22c%22%7D",
    ],
)
def test_a_credential_is_read_in_airflows_json_and_uri_forms(value):
    credential = Settings.from_environment({"AIRFLOW_CONN_META_ACME": value}).credential("meta_acme")
    assert credential.token == "t/ok+en"
    assert credential.extra == {"client_id": "c"}
    assert "t/ok" not in repr(credential)


def test_a_missing_credential_names_the_variable():
    with pytest.raises(ConfigurationError, match="AIRFLOW_CONN_META_ACME"):
        Settings.from_environment({}).credential("meta_acme")


@pytest.mark.parametrize("value", ["{broken", "http://host", '{"password": ""}', "{}"])
def test_a_credential_without_a_token_is_refused_without_being_quoted(value):
    with pytest.raises(ConfigurationError, match="no access token") as caught:
        Settings.from_environment({"AIRFLOW_CONN_X": value}).credential("x")
    assert value not in str(caught.value)


def test_pipeline_now_replaces_the_clock():
    settings = Settings.from_environment({"PIPELINE_NOW": "2026-11-21T08:00:00+01:00"})
    assert settings.now == datetime(2026, 11, 21, 7, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-11-21T08:00:00", "yesterday", "2026-13-01T00:00:00Z"])
def test_an_instant_without_offset_is_refused(text):
    with pytest.raises(ConfigurationError, match="PIPELINE_NOW"):
        Settings.from_environment({"PIPELINE_NOW": text})


def test_the_password_is_in_no_text_of_the_warehouse():
    warehouse = Warehouse("db", "5432", "me", "s3cret", "wh")
    assert "s3cret" not in f"{warehouse} {warehouse!r}"
    assert "s3cret" not in str(Settings(warehouse, {}, Clock(), lambda name: None))
