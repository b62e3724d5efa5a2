"""Many events with one await: all stored, in order for each key, or an error that says which are not."""

import pytest

from pyventus_typed.nats import JetStream, LocalServer, StreamSettings
from pyventus_typed.nats.errors import NotAllStored, NotFaithful, PayloadTooLarge, StreamFull
from tests.edges.nats.shop import OrderPlaced, ShopEvent, codec, customer
from tests.edges.nats.test_server_loss import stored_numbers


async def test_a_batch_is_stored_when_it_returns_and_each_key_in_its_order(stream: JetStream[ShopEvent]) -> None:
    events = [OrderPlaced(number, customer=f"c{number % 7}" if number % 3 else "") for number in range(500)]
    stored = await stream.publish_all(events)
    assert len({one.sequence for one in stored}) == 500
    numbers = await stored_numbers(stream)
    assert sorted(numbers) == list(range(500))
    for name in {event.customer for event in events} - {""}:
        own = {event.number for event in events if event.customer == name}
        assert [number for number in numbers if number in own] == sorted(own)
    assert await stream.publish_all([]) == ()


async def test_nothing_is_sent_of_a_batch_with_an_event_that_cannot_be_encoded(stream: JetStream[ShopEvent]) -> None:
    with pytest.raises(NotFaithful):
        await stream.publish_all([OrderPlaced(1), OrderPlaced("2")])  # type: ignore[arg-type]  # the wrong type is the point
    assert await stored_numbers(stream) == []


async def test_an_event_that_is_not_stored_keeps_back_its_key_and_no_other(stream: JetStream[ShopEvent]) -> None:
    large = OrderPlaced(1, customer="ada" + "x" * 1_050_000)
    lane = {
        event.customer: stream.prepare(event).lane
        for event in (large, *(OrderPlaced(0, customer=n) for n in "abcdefg"))
    }
    same = next(name for name in "abcdefg" if lane[name] == lane[large.customer])
    other = next(name for name in "abcdefg" if lane[name] != lane[large.customer])
    batch = [OrderPlaced(0, same), large, OrderPlaced(2, same), OrderPlaced(3, other), OrderPlaced(4)]
    with pytest.raises(NotAllStored, match="2 of 5 events were not confirmed, the first because: .* is 105") as caught:
        await stream.publish_all(batch)
    error = caught.value
    assert [one is not None for one in error.stored] == [True, False, False, True, True]
    assert [type(inner) for inner in error.errors] == [PayloadTooLarge]
    assert sorted(await stored_numbers(stream)) == [0, 3, 4]
    # What the error advises.
    batch[1] = OrderPlaced(1, same)
    again = await stream.publish_all(batch, event_ids=error.ids)
    assert [one.duplicate for one in again] == [True, False, False, True, True]
    assert sorted(await stored_numbers(stream)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="There are 2 events and 1 different event_ids"):
        await stream.publish_all(batch[:2], event_ids=["same", "same"])


async def test_a_full_stream_stores_what_fits_and_says_so(server: LocalServer) -> None:
    settings = StreamSettings(lanes=2, max_msgs=5)
    async with JetStream(server.url, codec, stream="SHOP", settings=settings, key=customer) as stream:
        with pytest.raises(NotAllStored, match="15 of 20 events were not confirmed") as caught:
            await stream.publish_all([OrderPlaced(number) for number in range(20)])
        assert {type(error) for error in caught.value.errors} == {StreamFull}
        assert len(await stored_numbers(stream)) == 5
