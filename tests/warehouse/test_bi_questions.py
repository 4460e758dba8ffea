"""The benchmark of BI's questions compares the same: both readings of each return the same rows."""

from __future__ import annotations

import pytest

from benchmarks.bi import parameters
from benchmarks.bi_questions import QUESTIONS, Question
from tests.warehouse.conftest import Environment, connect
from tests.warehouse.landing import AS_OF

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_both_readings_of_a_question_return_the_same_rows(built: Environment, question: Question) -> None:
    values = parameters(AS_OF.date())
    with connect(built) as connection:
        of_marts, of_core = (
            connection.execute(query.encode(), values).fetchall() for query in (question.of_marts, question.of_core)
        )
    assert of_core == of_marts
    assert of_marts
