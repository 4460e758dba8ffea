"""People are taken out of texts, and the words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.members import only, without_handles, without_spans

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("@acmedata @jo love it ❤️", "love it ❤️"),
        ("ask @kim or ＠jo, at a@example.com", "ask @member or @member, at a@example.com"),
        ("@jo", ""),
        ("&lt;@jo's&gt; @ noon", "&lt;@member's&gt; @ noon"),
        ("@नेपाल नमस्ते@kim", "@नेपाल नमस्ते@member"),
    ],
)
def test_handles_go_and_words_stay(written: str, kept: str):
    assert without_handles(written) == kept
    assert without_handles(kept) == kept


@given(st.text(), st.text(min_size=1).filter(lambda name: name.strip() == name), st.text())
def test_a_span_counted_in_utf_16_units_is_hidden_and_nothing_else_when_words_end_there(before, name, after):
    before, after = f"{before} ", f" {after}"
    units = [len(part.encode("utf-16-le", "surrogatepass")) // 2 for part in (before, name)]
    hidden = without_spans(before + name + after, [(units[0], units[1])])
    assert hidden == before + "@member" + after


def test_a_span_counted_in_code_points_is_hidden_too():
    text = "🎉🎉 Jo Example, look"
    assert without_spans(text, [(3, 10)]) == "🎉@member, look"


def test_an_unknown_member_of_a_record_is_left_out_at_any_depth():
    assert only({"id": "1", "who": {"id": "2"}, "note": {"text": "a", "author": "b"}}, {"id", "note", "text"}) == {
        "id": "1",
        "note": {"text": "a"},
    }
