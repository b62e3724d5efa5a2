"""Each checker is as strict as it can be: what only strict settings report is reported."""

from typing import Any

from shop import OrderPlaced

from pyventus_typed import Event

number: int = "one"  # E: the simplest error there is


def unannotated(
    event,
):  # E[mypy,pyright,basedpyright,pyrefly,zuban]: strict settings want annotations; ty has no such rule
    return None


def bare_generic(handlers: list) -> None:  # E: strict settings want type arguments
    return None


class Renamed(OrderPlaced):
    def __event__(self) -> int:  # E: an override keeps what the base promised
        return 1


def gives_any(anything: Any) -> int:
    return anything  # E[mypy,ty,zuban]: strict settings do not return Any


def forgets_to_return(event: Event) -> int:  # E: a missing return
    print(event)


async def work() -> None: ...


async def forgets_to_await() -> None:
    work()  # E: for ty a warning, and its warnings count
