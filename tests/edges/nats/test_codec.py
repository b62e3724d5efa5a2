"""JSON for events: what goes out comes back equal, or does not go out."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyventus_typed import Event
from pyventus_typed.nats import JsonCodec, Wire
from pyventus_typed.nats.errors import BadWire, NotFaithful, NoWireName, Undecodable, UnknownWireName
from tests.edges.nats import shop


@dataclass(frozen=True)
class Money:
    cents: int
    currency: str = "EUR"


@dataclass(frozen=True)
class Discount(Money):
    percent: float = 0.0


@dataclass(frozen=True)
class Bought(Event):
    id: UUID
    at: datetime
    price: Money
    weights: tuple[float, ...] = ()
    labels: dict[str, Decimal] | None = None


@dataclass(frozen=True)
class BoughtForNothing(Bought):
    reason: str = ""


codec = JsonCodec[Bought](Wire("shop.bought.v1", Bought))
BUY = Bought(UUID(int=1), datetime(2026, 1, 2, tzinfo=UTC), Money(5))


@given(st.builds(Bought, at=st.datetimes(timezones=st.just(UTC)), labels=st.none(), weights=st.tuples(st.floats())))
def test_an_event_comes_back_equal_or_is_refused(event: Bought) -> None:
    try:
        encoded = codec.encode(event)
    except NotFaithful:
        assert not all(map(math.isfinite, event.weights))
    else:
        assert codec.decode(encoded.name, encoded.data) == event


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Bought(BUY.id, BUY.at, BUY.price, (1.0, math.nan)), r"\$\.weights\[1\]"),
        (Bought(BUY.id, BUY.at, Discount(5)), r"\$\.price is Discount\(.*\) \(Discount\) and becomes Money"),
        (Bought(BUY.id, BUY.at, Money("5")), r"Expected `int`, got `str` - at `\$\.price\.cents`"),  # type: ignore[arg-type]  # the wrong type is the point
        (Bought(BUY.id, BUY.at, BUY.price, labels={"a": object()}), r"object"),  # type: ignore[dict-item]  # the wrong type is the point
    ],
)
def test_what_json_cannot_carry_is_refused_where_it_is_made_with_the_path_of_the_field(event: Bought, why: str) -> None:
    with pytest.raises(NotFaithful, match=why):
        codec.encode(event)


def test_an_instance_of_a_subclass_without_a_wire_name_is_refused_and_not_sliced() -> None:
    with pytest.raises(NoWireName, match=r"BoughtForNothing has no wire name in this codec \(it has: Bought\)"):
        codec.encode(BoughtForNothing(BUY.id, BUY.at, BUY.price))


@dataclass(frozen=True)
class Renamed(Event):
    name: str
    since: int = 2020


@dataclass(frozen=True)
class RenamedV1:
    first: str
    last: str


def join(old: RenamedV1) -> Renamed:
    if not old.last:
        raise ValueError("nobody has no last name")
    return Renamed(f"{old.first} {old.last}")


names = JsonCodec[Renamed](Wire("crm.renamed.v2", Renamed).formerly("crm.renamed.v1", RenamedV1, join))


def test_a_retired_name_is_read_with_its_upcaster_and_never_written() -> None:
    assert names.decode("crm.renamed.v1", b'{"first": "Ada", "last": "Lovelace"}') == Renamed("Ada Lovelace")
    assert names.encode(Renamed("Ada")).name == "crm.renamed.v2"
    assert dict(names.names()) == {"crm.renamed.v2": Renamed, "crm.renamed.v1": Renamed}


def test_an_upcaster_that_raises_makes_the_bytes_undecodable() -> None:
    with pytest.raises(Undecodable, match=r"not a 'crm.renamed.v1': nobody has no last name"):
        names.decode("crm.renamed.v1", b'{"first": "Ada", "last": ""}')


def test_unknown_fields_are_ignored_and_missing_ones_take_their_default() -> None:
    assert names.decode("crm.renamed.v2", b'{"name": "Ada", "shoe_size": 38}') == Renamed("Ada", 2020)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"name": 1}', b'{"since": 1}', b"\xff", b"null"])
def test_bytes_of_another_shape_are_undecodable(data: bytes) -> None:
    with pytest.raises(Undecodable, match=r"These bytes are not a 'crm.renamed.v2'"):
        names.decode("crm.renamed.v2", data)


def test_an_unknown_name_is_its_own_error() -> None:
    with pytest.raises(UnknownWireName, match=r"'crm.renamed.v3'"):
        names.decode("crm.renamed.v3", b"{}")


@dataclass(frozen=True)
class Ambiguous(Event):
    what: Money | RenamedV1


def test_a_union_of_two_dataclasses_is_refused_at_registration_with_the_cure() -> None:
    with pytest.raises(BadWire, match=r"Ambiguous cannot be read back from JSON as 'a.v1'.*split the event"):
        Wire("a.v1", Ambiguous)


@pytest.mark.parametrize("name", ["", "shop..placed", ".shop", "shop.*", "shop.>", "shop placed", "shöp.v1", "x" * 201])
def test_a_name_that_is_no_subject_is_refused(name: str) -> None:
    with pytest.raises(BadWire, match=r"cannot be a wire name"):
        Wire(name, Renamed)


def test_one_name_for_two_events_and_two_names_for_one_event_are_refused() -> None:
    with pytest.raises(BadWire, match=r"'a.v1' names both Bought and Renamed"):
        JsonCodec[Event](Wire("a.v1", Bought), Wire("a.v1", Renamed))
    with pytest.raises(BadWire, match=r"Renamed has two wire names, 'a.v1' and 'b.v1'.*formerly"):
        JsonCodec[Event](Wire("a.v1", Renamed), Wire("b.v1", Renamed))
    with pytest.raises(BadWire, match=r"'a.v1' is registered twice for Renamed"):
        Wire("a.v1", Renamed).formerly("a.v1", RenamedV1, join)


class Forgotten(Renamed):
    nickname: str


def test_a_class_that_forgot_its_decorator_is_refused() -> None:
    with pytest.raises(BadWire, match=r"'Forgotten' cannot have the wire name 'a.v1': .*@dataclass\(frozen=True\)"):
        Wire("a.v1", Forgotten)


def test_an_event_that_cannot_be_sent_is_shown_and_not_in_full() -> None:
    with pytest.raises(NotFaithful) as caught:
        shop.codec.encode(shop.OrderPlaced("1", customer="x" * 5_000_000))  # type: ignore[arg-type]  # the wrong type is the point
    assert len(str(caught.value)) < 1000
    assert "OrderPlaced(number='1'" in str(caught.value)
