"""Every option is looked at where it is given: a wrong one is named at once, and not found in production."""

import asyncio
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, cast
from unittest.mock import Mock

import pytest

from pyventus_typed import Linker
from pyventus_typed.errors import InvalidOption
from pyventus_typed.nats import Inbox, JetStream, Outbox, Relay, Server, StreamSettings, Worker
from tests.edges.nats.shop import ShopEvent, codec
from tests.events import untyped

STREAM = JetStream[ShopEvent]("nats://127.0.0.1:1", codec, stream="SHOP")
OUTBOX = Outbox(codec, source="/shop")


def server(**options: object) -> Server:
    return untyped(Server)(**options)  # type: ignore[no-any-return]  # options that no checker lets through


def settings(**options: object) -> StreamSettings:
    return untyped(StreamSettings)(**options)  # type: ignore[no-any-return]  # options that no checker lets through


def stream(**options: object) -> JetStream[ShopEvent]:
    given: dict[str, Any] = {"stream": "SHOP", **options}  # Any: as above
    return JetStream("nats://127.0.0.1:1", codec, **given)


def worker(**options: object) -> Worker[ShopEvent]:
    given: dict[str, Any] = {"group": "mail", **options}  # Any: as above
    return Worker(STREAM, Linker[ShopEvent](), **given)


def outbox(**options: object) -> Outbox[ShopEvent]:
    given: dict[str, Any] = {"source": "/shop", **options}  # Any: as above
    return Outbox(codec, **given)


def relay(**options: object) -> object:
    given: dict[str, Any] = dict(options)  # Any: as above
    return Relay(OUTBOX, STREAM, cast("Any", None), **given)  # Any: no connection is made before it runs


def names(made: Callable[..., object]) -> Iterator[str]:
    for name, parameter in inspect.signature(made).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            yield name


MAKERS: list[tuple[Callable[..., object], list[str]]] = [
    (server, [field.name for field in fields(Server)]),
    (settings, [field.name for field in fields(StreamSettings)]),
    (stream, [*names(JetStream.__init__)]),
    (worker, [*names(Worker.__init__)]),
    (outbox, [*names(Outbox.__init__)]),
    (relay, [*names(Relay.__init__)]),
    (Inbox, [*names(Inbox.__init__)]),
]


@pytest.mark.parametrize(("make", "name"), [(make, name) for make, options in MAKERS for name in options])
def test_every_option_is_checked_and_a_wrong_one_is_named(make: Callable[..., object], name: str) -> None:
    if name in ("user", "password"):
        make = functools.partial(make, user="ann", password="secret")
    with pytest.raises(InvalidOption, match=rf"^{name}="):
        make(**{name: object()})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: settings(lanes="4"), "lanes='4' must be int."),
        (lambda: settings(lanes=True), "lanes=True must be int."),
        (lambda: settings(max_bytes=1.5), "max_bytes=1.5 must be int or None."),
        (lambda: settings(max_age=float("nan")), "max_age=nan must be a finite number or None."),
        (lambda: settings(storage="disk"), "storage='disk' must be one of 'file', 'memory'."),
        (lambda: server(urls=["nats://a", 3]), "urls=['nats://a', 3] must be str or a sequence of which each is str."),
        (lambda: server(tls=True), "tls=True must be SSLContext or None."),
        (lambda: worker(start="last"), "start='last' must be one of 'first', 'new' or datetime."),
        (lambda: worker(backoff=3), "backoff=3 must be a sequence of which each is a finite number."),
        (lambda: worker(grace="10s"), "grace='10s' must be a finite number or None."),
        (lambda: stream(patience=0), "patience=0 must be positive."),
        (lambda: JetStream(untyped(4222), codec, stream="SHOP"), "4222 is not a server: give an address, a Server, or"),
        (lambda: Worker(untyped("SHOP"), Linker(), group="mail"), "stream='SHOP' must be JetStream."),
        (lambda: Worker(STREAM, untyped(None), group="mail"), "linker=None must be Linker."),
    ],
)
def test_the_message_says_what_it_must_be(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidOption, match=re.escape(message)):
        call()


async def never_awaited(_: object) -> None: ...


def generator(_: object) -> Iterator[int]:
    yield 1


def of_nothing() -> None: ...


class AsyncCall:
    async def __call__(self, _: object) -> None: ...

    def generator(self, _: object) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize(
    "wrong",
    [
        never_awaited,
        generator,
        of_nothing,
        AsyncCall(),
        AsyncCall().generator,
        functools.partial(never_awaited),
        lambda: None,
    ],
)
@pytest.mark.parametrize("name", ["on_failure", "on_dead", "context"])
def test_a_hook_that_could_not_be_called_is_refused_where_it_is_given(name: str, wrong: object) -> None:
    with pytest.raises(InvalidOption, match=rf"^{name}=.*(nobody would await it|one positional argument)"):
        worker(**{name: wrong})


@pytest.mark.parametrize("wrong", [never_awaited, of_nothing])
@pytest.mark.parametrize("make", [stream, outbox])
@pytest.mark.parametrize("name", ["key", "headers"])
def test_a_key_or_headers_function_likewise(make: Callable[..., object], name: str, wrong: object) -> None:
    with pytest.raises(InvalidOption, match=rf"^{name}=.*(nobody would await it|one positional argument)"):
        make(**{name: wrong})


def test_what_can_be_called_is_a_hook() -> None:
    seen: list[object] = []
    for hook in (seen.append, Mock(spec=of_nothing), functools.partial(print, end=""), lambda *failures: None, print):
        worker(on_failure=hook, on_dead=hook)
    asyncio.run(never_awaited(None))


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(InvalidOption) as caught:
        server(user="ann", password=b"secret")
    assert str(caught.value) == "password=... must be str or None."
