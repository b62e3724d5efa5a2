"""Orderings as lists: what may start, after each entering and leaving, is what ten lines of model say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyventus_typed import Event, KeyedOrdering, Linker, Ordering, PerKey, Subscription
from pyventus_typed._ordering import Keyed, Mailbox, Place, turns_of
from tests.processors.world import Errand, Script

LINKER = Linker[Event]()
SUBSCRIPTIONS: list[Subscription[Event]] = [LINKER.subscribe(Event, lambda _: None) for _ in range(3)]
ORDERINGS: dict[str, Ordering | KeyedOrdering] = {
    "concurrent": Ordering.CONCURRENT,
    "mailbox": Ordering.MAILBOX,
    "serial": Ordering.SERIAL,
    "per key": PerKey(Errand, lambda errand: errand.script.key),
}
Delivery = tuple[int, int]  # of which emission, to which subscription


def may_start(ordering: str, inside: list[tuple[int, int | None, set[int]]]) -> set[Delivery]:
    """The model. *inside*: each emission that has not left, its key, and the subscriptions it has yet to leave."""
    free: set[Delivery] = set()
    for at, (n, key, held) in enumerate(inside):
        before = inside[:at]
        for one in held:
            blocked = {
                "concurrent": False,
                "mailbox": any(one in others for _, _, others in before),
                "serial": any(others for _, _, others in before),
                "per key": key is not None and any(others for _, other, others in before if other == key),
            }[ordering]
            if not blocked:
                free.add((n, one))
    return free


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.sets(st.integers(0, 2), min_size=1), st.one_of(st.none(), st.integers(0, 2))),
        st.tuples(st.just("leave"), st.integers(0, 50), st.booleans()),
    ),
    max_size=40,
)


@pytest.mark.parametrize("name", ORDERINGS)
@given(moves=MOVES)
def test_exactly_what_the_model_says_may_start(name: str, moves: list[tuple[str, object, object]]) -> None:
    turns = turns_of(ORDERINGS[name])
    inside: list[tuple[int, int | None, set[int]]] = []
    places: dict[int, Place] = {}
    started: list[Delivery] = []
    gone: set[Delivery] = set()

    def note(answer: object) -> None:
        assert isinstance(answer, list | tuple)
        numbers = {id(place): n for n, place in places.items()}
        for place, index in answer:
            started.append((numbers[id(place)], SUBSCRIPTIONS.index(place.subscriptions[index])))

    for n, (move, first, second) in enumerate(moves):
        if move == "enter":
            assert isinstance(first, set)
            key = second if isinstance(second, int) else None
            event: Event = Event() if key is None else Errand(n, Script(0, key))
            places[n] = Place([SUBSCRIPTIONS[one] for one in sorted(first)], turns.row(event))
            inside.append((n, key, set(first)))
            note(turns.enter(places[n]))
        else:
            assert isinstance(first, int)
            # One that runs comes to its end; or (a cancellation) one that waits goes away.
            candidates = [(n, one) for n, _, held in inside for one in sorted(held) if second or (n, one) in started]
            if not candidates:
                continue
            delivery = candidates[first % len(candidates)]
            gone.add(delivery)
            place = places[delivery[0]]
            next(held for n, _, held in inside if n == delivery[0]).discard(delivery[1])
            note(turns.leave(place, place.subscriptions.index(SUBSCRIPTIONS[delivery[1]])))
        expected = may_start(name, inside)
        assert expected <= set(started)
        assert set(started) - gone <= expected
        assert len(started) == len(set(started)), "each turn comes once"
    for name_, order in (("mailbox", 1), ("serial", 0)):
        if name == name_:
            for one in range(3) if order else [None]:
                mine = [n for n, to in started if one is None or to == one]
                assert mine == sorted(mine)
    # Everything leaves: nothing is kept of a key or a mailbox that is idle.
    for n, _, held in inside:
        for one in sorted(held):
            turns.leave(places[n], places[n].subscriptions.index(SUBSCRIPTIONS[one]))
    if isinstance(turns, Keyed):
        assert turns._rows == {}
    if isinstance(turns, Mailbox):
        assert turns._boxes == {}
