"""Beyond one process: codecs, streams, workers and the outbox are of one family."""

import sqlite3
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import assert_type

import psycopg
from shop import ExpressShipped, OrderPaid, OrderPlaced, OrderShipped, ShopEvent, UserSignedUp

from pyventus_typed import Emitter, Event, Linker
from pyventus_typed.nats import (
    Codec,
    Counts,
    DeadLetter,
    DeadLetters,
    Encoded,
    Failure,
    Health,
    Inbox,
    JetStream,
    JsonCodec,
    Outbox,
    Received,
    Relay,
    Stored,
    StreamSettings,
    Wire,
    Worker,
    postgresql,
    received,
)


@dataclass(frozen=True)
class OrderPaidV1:
    number: int


def paid(old: OrderPaidV1) -> OrderPaid:
    return OrderPaid(old.number)


def placed(old: OrderPaidV1) -> OrderPlaced:
    return OrderPlaced(old.number, 0.0)


def paid_from_placed(old: OrderPlaced) -> OrderPaid:
    return OrderPaid(old.order)


# ------------------------------------------------------------------ codecs

wire = Wire("shop.order_paid.v2", OrderPaid)
assert_type(wire, Wire[OrderPaid])
assert_type(wire.formerly("shop.order_paid.v1", OrderPaidV1, paid), Wire[OrderPaid])
wire.formerly("shop.order_paid.v1", OrderPaidV1, placed)  # E: makes another event
wire.formerly("shop.order_paid.v1", OrderPaidV1, paid_from_placed)  # E: takes another shape
Wire("shop.order_paid.v2", OrderPaidV1)  # E: no event
Wire(OrderPaid, "shop.order_paid.v2")  # E: the other way round

shop = JsonCodec[ShopEvent](wire, Wire("shop.order_placed.v1", OrderPlaced), Wire("shop.shipped.v1", OrderShipped))
JsonCodec[ShopEvent](wire, Wire("user.signed_up.v1", UserSignedUp))  # E: not of the family
some = JsonCodec[OrderPaid | OrderPlaced](wire, Wire("shop.order_placed.v1", OrderPlaced))
JsonCodec[OrderPaid | OrderPlaced](wire, Wire("shop.shipped.v1", OrderShipped))  # E: not of the family
JsonCodec[ShopEvent](OrderPaid)  # E: an event without a name
users = JsonCodec[UserSignedUp](Wire("user.signed_up.v1", UserSignedUp))

assert_type(shop.encode(OrderPaid(1)), Encoded)
shop.encode(ExpressShipped(1, "", ""))
shop.encode(UserSignedUp("ada"))  # E: not of the family
some.encode(OrderShipped(1, ""))  # E: not of the family
assert_type(shop.decode("shop.order_paid.v2", b""), ShopEvent)
assert_type(some.decode("shop.order_paid.v2", b""), OrderPaid | OrderPlaced)
shop.decode("shop.order_paid.v2", "text")  # E: bytes
any_codec: Codec[ShopEvent] = shop
wider: Codec[Event] = shop  # E: it cannot encode every event
narrower: Codec[OrderPaid] = shop  # E: it decodes more than that


class Pickled:
    """A codec that only encodes."""

    content_type = "application/x-pickle"

    def encode(self, event: ShopEvent, /) -> Encoded:
        return Encoded("shop.any.v1", repr(event).encode())


half: Codec[ShopEvent] = Pickled()  # E: no codec

# ------------------------------------------------------------------ streams


def by_order(event: ShopEvent) -> int | None:
    return event.order if isinstance(event, OrderPaid | OrderPlaced) else None


def by_user(event: UserSignedUp) -> str:
    return event.name


def by_parts(event: ShopEvent) -> list[int]:
    return [id(event)]


def trace(event: Event) -> Mapping[str, str]:
    return {"traceparent": repr(event)}


def bytes_trace(event: ShopEvent) -> Mapping[str, bytes]:
    return {"traceparent": repr(event).encode()}


stream = JetStream("nats://127.0.0.1:4222", shop, stream="SHOP", key=by_order, settings=StreamSettings(lanes=4))
assert_type(stream, JetStream[ShopEvent])
JetStream("nats://127.0.0.1:4222", shop, stream="SHOP", headers=trace)
JetStream("nats://127.0.0.1:4222", shop, stream="SHOP", settings=None)
JetStream("nats://127.0.0.1:4222", shop, stream="SHOP", key=by_user)  # E: a key of another family
JetStream("nats://127.0.0.1:4222", shop, stream="SHOP", key=by_parts)  # E: a key must be text or a number
JetStream("nats://127.0.0.1:4222", shop, stream="SHOP", headers=bytes_trace)  # E: headers are text
JetStream("nats://127.0.0.1:4222", shop)  # E: which stream
JetStream("nats://127.0.0.1:4222", shop, stream="SHOP", settings={"lanes": 4})  # E: settings are an object
StreamSettings(retention="workqueue")  # E: one group only
StreamSettings(4)  # E: by name

linker = Linker[ShopEvent]()
linker.subscribe(OrderPaid, stream.publish)
linker.subscribe(OrderShipped, stream.publish)
Linker[UserSignedUp]().subscribe(UserSignedUp, stream.publish)  # E: not what the stream takes
Linker[Event]().subscribe(UserSignedUp, stream.publish)  # E: not what the stream takes
Emitter(linker).emit(OrderPaid(1))


async def publishing() -> None:
    assert_type(await stream.publish(OrderPaid(1)), Stored)
    await stream.publish(OrderPaid(1), event_id="order-1")
    await stream.publish(UserSignedUp("ada"))  # E: not of the family
    await stream.publish(OrderPaid)  # E: the class
    await stream.publish(OrderPaid(1), event_id=1)  # E: text
    assert_type(await stream.publish_all([OrderPaid(1), OrderPlaced(1, 0.0)]), tuple[Stored, ...])
    await stream.publish_all([UserSignedUp("ada")])  # E: not of the family
    await stream.publish_all(OrderPaid(1))  # E: several
    assert_type(stream.dead_letters, DeadLetters)
    async for letter in stream.dead_letters.all(group="billing"):
        assert_type(letter, DeadLetter)
        assert_type(await stream.dead_letters.send_again(letter), int)
        await stream.dead_letters.send_again(letter.number)  # E: the letter itself
    async with stream as opened:
        assert_type(opened, JetStream[ShopEvent])


# ------------------------------------------------------------------ workers


def extract(message: Received) -> AbstractContextManager[None]:
    return nullcontext()


def no_context(message: Received) -> None: ...


worker = Worker(stream, linker, group="billing")
assert_type(worker, Worker[ShopEvent])
assert_type(worker.counts, Counts)
Worker(stream, Linker[Event](), group="billing", context=extract, start="new")
Worker(stream, Linker[UserSignedUp](), group="billing")  # E: another family's linker
Worker(stream, Linker[OrderPaid](), group="billing")  # E: it does not take everything
Worker(stream, linker)  # E: which group
Worker(stream, linker, group="billing", start="last")  # E: first, new, or a time
Worker(stream, linker, group="billing", context=no_context)  # E: no context manager
Worker(stream, linker, group="billing", backoff=5)  # E: the seconds before each attempt
Worker(shop, linker, group="billing")  # E: a codec is no stream


def on_dead(failure: Failure) -> None: ...


def on_letter(letter: DeadLetter) -> None: ...


Worker(stream, linker, group="billing", on_failure=on_dead, on_dead=on_dead, grace=25)
Worker(stream, linker, group="billing", on_dead=on_letter)  # E: it gets a failure


async def watching() -> None:
    assert_type(await worker.health(), Health)
    assert_type((await worker.health()).lanes[None], int)


assert_type(received().attempt, int)
received().attempt = 2  # E: frozen

# ------------------------------------------------------------------ the outbox

outbox = Outbox(shop, source="shop", key=by_order)
assert_type(outbox, Outbox[ShopEvent])
connection = sqlite3.connect(":memory:")
outbox.create(connection)
assert_type(outbox.add(connection, OrderPaid(1)), str)
outbox.add(connection, UserSignedUp("ada"))  # E: not of the family
outbox.add(OrderPaid(1))  # E: in which transaction
outbox.add("shop.db", OrderPaid(1))  # E: a connection
Outbox(shop, source="shop", key=by_user)  # E: a key of another family
Relay(outbox, stream, lambda: sqlite3.connect("shop.db"))
user_stream = JetStream("nats://127.0.0.1:4222", users, stream="USERS")
Relay(outbox, user_stream, lambda: connection)  # E: another family's stream
Relay(outbox, stream, "shop.db")  # E: a function that connects

theirs = postgresql.Outbox(shop, source="shop", key=by_order)
assert_type(theirs, postgresql.Outbox[ShopEvent])
Relay(theirs, stream, "dbname=shop")
Relay(theirs, stream, lambda: psycopg.AsyncConnection.connect("dbname=shop"))
Relay(theirs, stream, lambda: psycopg.connect("dbname=shop"))  # E: an async connection
Relay(theirs, user_stream, "dbname=shop")  # E: another family's stream


async def adding(theirs_open: "psycopg.Connection[tuple[object, ...]]", other: psycopg.AsyncConnection) -> None:
    assert_type(theirs.add(theirs_open, OrderPaid(1)), str)
    assert_type(await theirs.add_async(other, OrderPaid(1)), str)
    theirs.add(other, OrderPaid(1))  # E: add_async is for these
    theirs.add(connection, OrderPaid(1))  # E: of sqlite3
    outbox.add(theirs_open, OrderPaid(1))  # E: of psycopg
    assert_type(Inbox().first_time(connection), bool)
    assert_type(await postgresql.Inbox().first_time_async(other, "mail"), bool)
    Inbox().first_time(theirs_open)  # E: of psycopg
