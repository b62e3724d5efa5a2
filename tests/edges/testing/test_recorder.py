from dataclasses import dataclass

import pytest

from pyventus_typed import Event
from pyventus_typed.testing import Recorder


@dataclass(frozen=True, slots=True)
class Paid(Event):
    order_id: int
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Shipped(Event):
    order_id: int


@pytest.fixture
def full() -> Recorder:
    recorder = Recorder()
    for event in (Paid(1, 10), Shipped(1), Paid(2, 20), Paid(2, 20)):
        recorder(event)
    return recorder


def test_it_compares_like_a_list(full: Recorder) -> None:
    assert full == [Paid(1, 10), Shipped(1), Paid(2, 20), Paid(2, 20)]
    assert full[:2] == [Paid(1, 10), Shipped(1)]
    assert full[1] == Shipped(1)
    assert full != [Shipped(1)]
    assert len(full) == 4
    assert full.of(Shipped) == [Shipped(1)]


def test_what_was_emitted_is_given_back(full: Recorder) -> None:
    assert full.assert_emitted(Paid, order_id=2) == Paid(2, 20)


def test_what_is_missing_is_named_together_with_what_was_there_instead(full: Recorder) -> None:
    with pytest.raises(
        AssertionError, match=r"No Paid\(order_id=3\) was recorded. Recorded:\n  Paid\(order_id=1"
    ) as caught:
        full.assert_emitted(Paid, order_id=3)
    assert "Shipped" not in str(caught.value)


def test_twice_is_not_exactly_once(full: Recorder) -> None:
    assert full.assert_exactly_once(Paid, order_id=1).amount == 10
    with pytest.raises(AssertionError, match=r"Paid\(order_id=2\) was recorded 2 times, not once"):
        full.assert_exactly_once(Paid, order_id=2)


def test_others_may_stand_between_what_is_in_order(full: Recorder) -> None:
    full.assert_in_order(Paid(1, 10), Paid, Paid(2, 20))
    with pytest.raises(AssertionError, match=r"Paid was not recorded after Paid\(order_id=2, amount=20\)"):
        full.assert_in_order(Shipped, Paid(2, 20), Paid(2, 20), Paid)


def test_a_field_that_does_not_exist_is_a_mistake_of_the_test(full: Recorder) -> None:
    with pytest.raises(TypeError, match="Paid has no field 'order'; it has amount, order_id"):
        full.assert_emitted(Paid, order=1)


def test_an_empty_recorder_asks_the_usual_questions() -> None:
    with pytest.raises(AssertionError, match="Nothing was recorded at all: is the recorder subscribed"):
        Recorder().assert_emitted(Paid)
