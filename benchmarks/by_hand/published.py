"""Rows of `publish`: async handlers in the caller's own task and context, one after the other."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias
from weakref import ref

from ..workloads import Handler, Ping
from .handle import NOTHING, Books, Handle, InTurn, Outcome, Raised, Returned, Route, current, left

get_current = current.get
set_current = current.set
reset_current = current.reset
Publish: TypeAlias = Callable[[Ping], Coroutine[Any, Any, Handle]]  # Any: between a loop and its futures


def publish_to_one(receivers: tuple[Handler, ...], books: Books) -> Publish:
    routes = {Ping: Route(receivers)}
    itself, enter, leave = books.itself, books.published.add, books.published.remove

    async def publish(event: Ping) -> Handle:
        route = routes[type(event)]
        handle = Handle()
        handle.event = event
        handle.route = route
        handle.outcomes = route.waiting
        handle.keeper = itself
        parent = get_current()
        handle.parent = None if parent is None else ref(parent)
        handle.watchers = None
        enter(handle)
        before = set_current(handle)
        outcome: Outcome = NOTHING
        try:
            value = await route.handler(event)
            if value is not None:
                outcome = Returned(value)
        except BaseException as error:
            outcome = Raised(error)
            if not isinstance(error, Exception):
                raise
        finally:
            reset_current(before)
            leave(handle)
            if outcome is NOTHING and handle.watchers is None:
                books.completed += 1
                handle.outcomes = route.done
            else:
                books.settle(handle, outcome)
        if outcome is not NOTHING and (failure := handle.failure) is not None:
            raise failure
        return handle

    return publish


def publish_to_many(receivers: tuple[Handler, ...], books: Books) -> Publish:
    routes = {Ping: Route(receivers)}
    itself, enter, leave = books.itself, books.published.add, books.published.remove

    async def publish(event: Ping) -> Handle:
        route = routes[type(event)]
        handle = InTurn()
        handle.event = event
        handle.route = route
        handle.outcomes = route.waiting
        handle.keeper = itself
        parent = get_current()
        handle.parent = None if parent is None else ref(parent)
        handle.watchers = None
        handle.rest = rest = iter(route.receivers)
        enter(handle)
        before = set_current(handle)
        others: dict[int, Outcome] | None = None  # than NOTHING
        try:
            for handler in rest:
                try:
                    value = await handler(event)
                    if value is not None:
                        others = {**(others or {}), left(rest): Returned(value)}
                except Exception as error:
                    others = {**(others or {}), left(rest): Raised(error)}
        except BaseException as error:  # the caller is cancelled: nobody else is called
            others = {**(others or {}), **dict.fromkeys(range(left(rest) + 1), Raised(error))}
            raise
        finally:
            reset_current(before)
            leave(handle)
            if others is None and handle.watchers is None:
                books.completed += 1
                handle.outcomes = route.done
            else:
                books.settle(handle, *((others or {}).get(later, NOTHING) for later in reversed(range(route.count))))
        if others is not None and (failure := handle.failure) is not None:
            raise failure
        return handle

    return publish
