# ruff: noqa: B008, PLC0415, PLW0406 - handlers as they are written where nobody checks them

import asyncio
import copy
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from pyventus_typed import Emitter, Event, Linker, Request


@dataclass(frozen=True)
class Start(Event):
    n: int = 0


@dataclass(frozen=True)
class A(Event):
    n: int = 0

    @classmethod
    def of(cls, start: Start) -> "A":
        return cls(start.n)


@dataclass(frozen=True)
class B(Event):
    n: int = 0


@dataclass(frozen=True)
class Ask(Request[int]): ...


@dataclass(frozen=True)
class AskOne(Request[A]): ...


@dataclass(frozen=True)
class AskMany(Request[tuple[B, ...]]): ...


linker = Linker()
emitter = Emitter(linker)
constant = A(1)


def make_b() -> B:
    return B()


async def later() -> A:
    return A()


def helper(event):
    emitter.emit(A())
    helper(event)  # reading must end


class Desk:
    def __init__(self) -> None:
        self.emitter = emitter

    def handle(self, event: Start) -> None:
        self.step()

    def step(self) -> None:
        self.emitter.emit(B())

    def __call__(self, event: Start) -> None:
        self.emitter.try_emit(A())


class Cart:
    __slots__ = ("desk",)

    def __init__(self) -> None:
        self.desk = Desk()

    @classmethod
    def make(cls) -> A:
        return A()

    @staticmethod
    def push() -> None:
        emitter.emit(Start())

    def slot(self, event: Start) -> None:
        self.desk.step()

    @property
    def last(self):
        return A()

    def of_a_property(self, event: Start) -> None:
        emitter.emit(self.last)

    def of_the_class(self, event: Start) -> None:
        emitter.emit(self.make())
        Cart.push()


def relative(event):
    from . import handlers

    emitter.emit(handlers.A())


def module_alias(event):
    import emitting.handlers as mine

    emitter.emit(mine.B())


def defaulted(event, size=len(str(emitter.emit(B())))):
    emitter.emit(A())


def counted(event):
    total = A()
    total += event.n
    emitter.emit(total)


def opened(event):
    with event.n as found:
        emitter.emit(found)


def caught(event):
    try:
        emitter.emit(A())
    except ValueError as A_again:
        emitter.emit(A_again)


def direct(event):
    emitter.emit(A())


def local(event):
    x = A()
    y = x
    emitter.emit(y)


def branch(event):
    emitter.emit(A() if event.n else B())


def walrus(event):
    return emitter.emit(event := A()), event


def retried(event):
    found = None
    found = found or A()
    emitter.emit(found)


def many() -> "list[A] | tuple[B, ...]":
    return []


async def stream() -> "AsyncIterator[A]":
    yield A()


def of_a_function(event):
    for each in many():
        emitter.emit(each)


def pair() -> tuple[A, B]:
    return A(), B()


def of_a_pair(event):
    for each in pair():
        emitter.emit(each)


def perhaps() -> list[A] | None:
    return None


def of_perhaps(event):
    for each in perhaps() or ():
        emitter.emit(each)


def of_two(event):
    for each in [*many(), Start()]:
        emitter.emit(each)


async def of_a_thread(event):
    for each in sorted(await asyncio.to_thread(many)):
        emitter.emit(each)


async def of_an_answer(event):
    for each in await emitter.ask(AskMany()):
        emitter.emit(each)
    emitter.emit(await emitter.ask(AskOne()))


async def of_a_stream(event):
    async for each in stream():
        emitter.emit(each)


def of_a_parameter(event, extra: "list[A | B]" = ()):
    for each in extra:
        emitter.emit(each)


def of_a_comprehension(event):
    found = [A() for _ in range(3)]
    for each in found:
        emitter.emit(each)


def annotated_local(event):
    found: A = event.found
    emitter.emit(found)


def replaced(event):
    emitter.emit(dataclasses.replace(constant, n=2))


def copied(event):
    emitter.emit(copy.copy(constant))


def named(event):
    emitter.emit(constant)


def named_constructor(event):
    emitter.emit(A.of(event))


def factory(event):
    emitter.emit(make_b())


def calls(event):
    helper(event)


def loops(event):
    for each in (A(), B()):
        emitter.emit(each)


def in_lambda(event):
    return [emitter.emit(A()) for _ in range(3)]


def scheduled(event):
    asyncio.get_running_loop().call_later(1, emitter.emit, A())


def aliased(event):
    send = emitter.emit
    send(A())


def imported(event):
    from dataclasses import replace

    emitter.emit(replace(constant))


def annotated(event, extra: A | B = constant):
    emitter.emit(extra)


def unpacked(event):
    first, second = A(), B()
    emitter.emit(first)
    return second


def unrelated(event):
    "A()".strip()
    [].append(A())
    event.signal.emit("text")


def reemits(event):
    emitter.emit(event)


async def awaits(event):
    await emitter.emit(await later())


async def waits(event):
    await emitter.emit_wait(A())
    await emitter.publish(B())


async def asks(event):
    await emitter.ask(Ask())


def bound_first(first, event):
    emitter.emit(event)


# fmt: off
EMITTED = (
    (direct, {A}), (local, {A}), (branch, {A, B}), (walrus, {A}), (retried, {A}), (of_a_function, {A, B}),
    (of_a_thread, {A, B}), (of_a_pair, {A, B}), (of_perhaps, {A}), (of_two, {A, B, Start}),
    (of_an_answer, {A, B, AskOne, AskMany}), (of_a_stream, {A}), (of_a_parameter, {A, B}),
    (Cart().slot, {B}), (Cart().of_the_class, {A, Start}), (relative, {A}), (module_alias, {B}), (defaulted, {A}),
    (of_a_comprehension, {A}), (annotated_local, {A}), (replaced, {A}), (copied, {A}), (named, {A}),
    (named_constructor, {A}), (factory, {B}), (calls, {A}), (loops, {A, B}), (in_lambda, {A}), (scheduled, {A}),
    (aliased, {A}), (imported, {A}), (annotated, {A, B}), (unpacked, {A}), (unrelated, set()), (reemits, {Start}),
    (awaits, {A}), (waits, {A, B}), (asks, {Ask}), (Desk().handle, {B}), (Desk(), {A}),
    (partial(bound_first, 1), {Start}), (lambda event: emitter.emit(B()), {B}),
    ([lambda event: emitter.emit(A()), lambda event: emitter.emit(B())][1], {B}),
)
UNREAD = (Cart().of_a_property, counted, opened, caught)
# fmt: on
