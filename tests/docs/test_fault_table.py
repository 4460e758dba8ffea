"""The table of faults says what the tests prove, and refuses what nobody proves and nobody explains."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import faults
from tests.conftest import ROOT

CASES = "groups: {A: transport}\ncases: {A01: a pause, A02: a date}\nopen: {A02: 'not yet: nobody did'}\n"
HEAD = "import pytest\n\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / faults.CASES).write_text(CASES)
    return tmp_path


def given_test(tree: Path, text: str) -> Path:
    path = tree / "tests" / "test_it.py"
    path.write_text(HEAD + text)
    return tree


def mark(*ids: str) -> str:
    return f"pytest.mark.fault({', '.join(map(repr, ids))})"


def test_a_marked_test_proves_its_cases_and_the_others_say_why(tree: Path):
    page = faults.page(given_test(tree, f"@{mark('A01')}\ndef test_a_pause_is_kept(): ...\n"))
    assert "1 of 2 cases are proven." in page
    assert "| A01 | a pause | [a pause is kept](../tests/test_it.py) |  |" in page
    assert "| A02 | a date | not yet: nobody did |  |" in page


@pytest.mark.parametrize(
    "text",
    [
        f"@pytest.mark.parametrize('n', [pytest.param(1, marks={mark('A01')})])\ndef test_it(n): ...\n",
        f"CASES = [pytest.param(1, marks={mark('A01')})]\n@pytest.mark.parametrize('n', CASES)\ndef test_it(n): ...\n",
        f"pytestmark = [pytest.mark.slow, {mark('A01')}]\ndef test_it(): ...\n",
        f"class TestAll:\n    @{mark('A01', 'A02')}\n    def test_it(self): ...\n",
    ],
)
def test_a_mark_counts_wherever_pytest_takes_one(tree: Path, text: str):
    assert faults.proofs(given_test(tree, text))["A01"] == [faults.Proof("tests/test_it.py", "test_it")]


@pytest.mark.parametrize(
    "text",
    [
        f"@pytest.mark.skip\n@{mark('A01')}\ndef test_it(): ...\n",
        f"@{mark('A01')}\n@pytest.mark.skipif(True, reason='no')\ndef test_it(): ...\n",
        f"@{mark('A01')}\n@pytest.mark.xfail(strict=True)\ndef test_it(): ...\n",
        f"@{mark('A01')}\ndef test_it():\n    pytest.skip('not here')\n",
        f"@{mark('A01')}\ndef test_it():\n    pytest.importorskip('absent')\n",
        f"@pytest.fixture\ndef tool():\n    pytest.skip('not installed')\n\n@{mark('A01')}\ndef test_it(tool): ...\n",
        f"pytestmark = pytest.mark.skip\n@{mark('A01')}\ndef test_it(): ...\n",
        f"@{mark('A01')}\n@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.xfail)])\n"
        "def test_it(n): ...\n",
    ],
)
def test_a_test_that_may_not_run_or_may_fail_proves_nothing(tree: Path, text: str):
    assert faults.proofs(given_test(tree, text)) == {}
    with pytest.raises(faults.Unproven, match=r"A01 \(a pause\): no test proves it"):
        faults.page(tree)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"@{mark('A01', 'Z99')}\ndef test_it(): ...\n", "test_it names the fault Z99"),
        (f"MARK = {mark('A01')}\ndef test_it(): ...\n", "belongs to no test"),
        ("ID = 'A01'\n@pytest.mark.fault(ID)\ndef test_it(): ...\n", "written out"),
    ],
)
def test_a_mark_that_says_nothing_is_refused(tree: Path, text: str, words: str):
    with pytest.raises(faults.Unproven, match=words):
        faults.page(given_test(tree, text))


def test_a_reason_for_a_case_that_does_not_exist_is_refused(tree: Path):
    (tree / faults.CASES).write_text(CASES.replace("open: {A02", "open: {A03"))
    with pytest.raises(faults.Unproven, match="A03"):
        faults.faults(tree)


def test_a_reason_that_a_test_settled_is_named(tree: Path):
    given_test(tree, f"@{mark('A01', 'A02')}\ndef test_it(): ...\n")
    assert faults.needless(tree) == ["A02"]


EXTRACTION = "extraction: [A]\n"
ENDINGS = {
    "in the test": """
def test_it():
    assert_survived(1, 2, 3)
""",
    "one by one": """
def test_it():
    assert_equal_warehouses(1)
    assert_ledger_explains(1)
    assert_no_secret(1)
""",
    "in a function it calls": """
def over():
    assert_survived(1)

def end():
    over()

def test_it():
    end()
""",
    "in a method it calls": """
class Case:
    def heals(self):
        assert_survived(1)

def test_it(case):
    case.heals()
""",
    "in a fixture of the folder": """
def test_it(calm):
    calm()
""",
}


@pytest.mark.parametrize("text", ENDINGS.values(), ids=ENDINGS)
def test_a_case_of_an_extraction_needs_one_test_with_the_three_assertions(tree: Path, text: str):
    (tree / faults.CASES).write_text(EXTRACTION + CASES)
    (tree / "tests" / "conftest.py").write_text("def calm():\n    return lambda: assert_survived(1)\n")
    marked = text.replace("def test_it", f"@{mark('A01')}\ndef test_it")
    page = faults.page(given_test(tree, marked))
    assert "1 of the 2 in which something is extracted" in page
    assert "| [it](../tests/test_it.py) | 1 of 1 |" in page


@pytest.mark.parametrize("left_out", ["assert_equal_warehouses", "assert_ledger_explains", "assert_no_secret"])
def test_two_of_the_three_are_not_enough(tree: Path, left_out: str):
    (tree / faults.CASES).write_text(EXTRACTION + CASES)
    text = f"@{mark('A01')}{ENDINGS['one by one'].replace(left_out, 'print')}"
    with pytest.raises(faults.Unproven, match=r"A01 \(a pause\): no test of it makes the three assertions"):
        faults.page(given_test(tree, text))


def test_a_case_in_which_nothing_is_extracted_says_so(tree: Path):
    (tree / faults.CASES).write_text(EXTRACTION + CASES + "elsewhere: {A01: 'a text is parsed'}\n")
    assert "(../tests/test_it.py) | a text is parsed |" in faults.page(
        given_test(tree, f"@{mark('A01')}\ndef test_it(): ...\n")
    )
    (tree / faults.CASES).write_text(EXTRACTION + CASES + "elsewhere: {A09: 'no such case'}\n")
    with pytest.raises(faults.Unproven, match="A09"):
        faults.faults(tree)


def test_there_are_a_hundred_and_forty_eight_cases():
    known = faults.faults(ROOT)
    assert len(known.cases) == 148
    assert {case[0] for case in known.cases} == set(known.groups)
