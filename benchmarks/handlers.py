"""Handlers that do nothing, for timing, and handlers that count, for the check before it."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from .workloads import Handler, Handlers


def named(handler: Handler, index: int) -> Handler:
    """Bubus tells handlers apart by their names."""
    handler.__name__ = handler.__qualname__ = f"handler_{index}"
    return handler


def plain(count: int) -> Handlers:
    """*count* plain functions."""

    def make(index: int) -> Handler:
        def handler(event: object) -> None:
            pass

        return named(handler, index)

    return Handlers(tuple(make(index) for index in range(count)), turns=0)


def straight(count: int) -> Handlers:
    """*count* async functions that do not suspend."""

    def make(index: int) -> Handler:
        async def handler(event: object) -> None:
            pass

        return named(handler, index)

    return Handlers(tuple(make(index) for index in range(count)), turns=1)


def suspending(count: int) -> Handlers:
    """*count* async functions that suspend once."""

    def make(index: int) -> Handler:
        async def handler(event: object) -> None:
            await asyncio.sleep(0)

        return named(handler, index)

    return Handlers(tuple(make(index) for index in range(count)), turns=2)


@contextmanager
def managed(about: object) -> Generator[None]:
    """What stands around a handler, and does nothing. It is given the event, or the delivery."""
    yield


def counting(like: Handlers, calls: list[int]) -> Handlers:
    """Handlers of the same kind that note their number in *calls* when they end (from any thread)."""

    def make(index: int) -> Handler:
        def handler(event: object) -> None:
            calls.append(index)

        async def straight(event: object) -> None:
            calls.append(index)

        async def suspending(event: object) -> None:
            await asyncio.sleep(0)
            calls.append(index)

        return named((handler, straight, suspending)[like.turns], index)

    return Handlers(tuple(make(index) for index in range(len(like.functions))), turns=like.turns)
