"""Which of our errors Airflow repeats, postpones, or leaves to a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from extractors import errors

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("airflow_environment")


def subclasses(kind: type[errors.PipelineError]) -> set[type[errors.PipelineError]]:
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def raised(*found: errors.PipelineError) -> Exception:
    from dags.policy import outcome

    return outcome(found, until=NOW + timedelta(hours=1))


def test_every_error_of_ours_has_an_outcome() -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    # What waits for an instant is another outcome, tested below.
    for kind in subclasses(errors.PipelineError) - subclasses(errors.RetryLater) - {errors.PutOff}:
        expected = AirflowException if issubclass(kind, errors.PASSING) else AirflowFailException
        more = {"new_id": "2"} if issubclass(kind, errors.AccountMoved) else {}
        assert type(raised(kind("linkedin__posts, account 1: it broke", "mend it", **more))) is expected, kind


def test_a_wait_that_ends_in_time_gives_the_slot_back_until_the_named_instant() -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    at = NOW + timedelta(minutes=14)
    for kind in subclasses(errors.RetryLater):
        found = raised(kind("twitter__posts, account 1: used up", at), errors.Transient("a hiccup", "wait"))
        assert isinstance(found, AirflowRescheduleException), kind
        assert found.reschedule_date == at


def test_a_wait_beyond_the_next_run_fails_and_names_the_next_allowed_time() -> None:
    from airflow.sdk.exceptions import AirflowFailException

    found = raised(errors.RetryLater("twitter__posts, account 1: used up", NOW + timedelta(hours=6)))
    assert isinstance(found, AirflowFailException)
    assert "2026-11-21 14:00" in str(found)


def test_what_another_try_can_mend_is_tried_though_a_token_beside_it_is_dead() -> None:
    from airflow.sdk.exceptions import AirflowException

    found = raised(
        errors.Transient("linkedin__posts, account 1: HTTP 503", "wait"),
        errors.TokenDead("linkedin__profile, account 1: the token\nexpired", "renew it"),
    )
    assert type(found) is AirflowException
    assert str(found).startswith("renew the token: linkedin__profile, account 1: the token expired; renew it")
    assert "\n" not in str(found)


def test_a_wait_beyond_the_next_run_does_not_keep_a_shorter_one_from_being_waited_for() -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    soon, late = NOW + timedelta(minutes=14), NOW + timedelta(hours=6)
    found = raised(errors.RetryLater("account 1: used up", late), errors.RetryLater("account 2: used up", soon))
    assert isinstance(found, AirflowRescheduleException)
    assert found.reschedule_date == soon


def test_what_is_not_ours_passes_unchanged() -> None:
    from dags.policy import airflow_outcomes

    with pytest.raises(ZeroDivisionError), airflow_outcomes():
        raise ZeroDivisionError
