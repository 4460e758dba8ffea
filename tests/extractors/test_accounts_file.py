"""accounts.yml is loaded whole or refused whole, naming the line."""

import pytest

from extractors.accounts import parse
from extractors.errors import ConfigurationError

GOOD = """
businesses:
  - business_id: 1
    name: Acme
    timezone: Europe/Berlin
    accounts:
      - {platform: linkedin, account_id: "2414183", credential: linkedin_acme}
      - {platform: twitter, account_id: "783214", credential: twitter_acme}
    competitors:
      - {platform: instagram, handle: bluebottle}
  - business_id: 2
    name: Beta
    timezone: UTC
    accounts: []
"""


def test_a_good_file_is_read(tmp_path):
    path = tmp_path / "accounts.yml"
    path.write_text(GOOD)
    acme, beta = parse(path)
    assert acme.accounts == (("linkedin", "2414183", "linkedin_acme"), ("twitter", "783214", "twitter_acme"))
    assert acme.competitors == (("instagram", "bluebottle"),)
    assert beta.accounts == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("Europe/Berlin", "Europe/Bärlin", 5, "time zone"),
        ("platform: linkedin", "platform: myspace", 7, "myspace"),
        ('"783214"', "783214", 8, "quotes"),
        ("business_id: 2", "business_id: two", 11, "integer"),
        ("business_id: 2", "business_id: 1", 11, "twice"),
        ("name: Beta", "nam: Beta", 12, "'nam'"),
        ("    name: Beta\n", "", 11, "name missing"),
        ("name: Acme", "name: ''", 4, "not empty"),
        ("accounts: []", "accounts: 7", 14, "list"),
        ("businesses:", "businesses: [", 3, ""),
        ("handle: bluebottle", "handle: bluebottle, handle: x", 10, "twice"),
        ('twitter, account_id: "783214"', 'linkedin, account_id: "2414183"', 3, "twice"),
    ],
)
def test_a_bad_file_names_its_line(tmp_path, old, new, line, words):
    assert old in GOOD
    path = tmp_path / "accounts.yml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError, match=rf"line {line}: .*{words}"):
        parse(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"- 1"])
def test_what_is_no_accounts_file_at_all_is_refused(tmp_path, content):
    path = tmp_path / "accounts.yml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"accounts\.yml"):
        parse(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yml cannot be read"):
        parse(tmp_path / "nowhere.yml")
