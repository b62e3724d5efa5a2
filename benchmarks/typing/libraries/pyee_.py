"""pyee: names as events, bare arguments."""

# C08 none: an emitter has no family
# C11 none: no filters
# C17 none: bare arguments
# C18 none: no callbacks
# C19 none: no callbacks
# C20 none: no requests
# C21 none: no requests

from pyee.asyncio import AsyncIOEventEmitter

emitter = AsyncIOEventEmitter()


class Desk:
    def place(self, order: int, total: float) -> None: ...

    def rename(self, name: str) -> None: ...


@emitter.on("paid")
def c01_right(order: int) -> None: ...  # C01 right


@emitter.on("paid")
def c01_wrong(name: str) -> None: ...  # C01 wrong


@emitter.on("paid")
async def c02_right(order: int) -> None: ...  # C02 right


@emitter.on("paid")
async def c02_wrong(name: str) -> None: ...  # C02 wrong


@emitter.on("paid")
def c03_right(order: int) -> None: ...  # C03 right


@emitter.on("paid")
def c03_wrong() -> None: ...  # C03 wrong


@emitter.on("placed")
def c04_right(order: int, total: float) -> None: ...  # C04 right


@emitter.on("placed")
def c04_wrong(order: int, total: float, retries: int) -> None: ...  # C04 wrong


@emitter.on("renamed")
def c05_right(name: str) -> None: ...  # C05 right


@emitter.on("renamed")
def c05_wrong(name: int) -> None: ...  # C05 wrong


@emitter.on("paid")
def c06_right(order: int, *, loud: bool = False) -> None: ...  # C06 right


@emitter.on("paid")
def c06_wrong(*, order: int) -> None: ...  # C06 wrong


def both(value: int | str) -> None: ...


def only_text(value: str) -> None: ...


emitter.add_listener("paid", c01_right)  # C07 right
emitter.add_listener(42, c01_right)  # C07 wrong
emitter.add_listener("paid", both)  # C09 right
emitter.add_listener("renamed", both)  # C09 right
emitter.add_listener("paid", only_text)  # C09 wrong
emitter.add_listener("renamed", only_text)  # C09 wrong
emitter.add_listener("placed", Desk().place)  # C10 right
emitter.add_listener("placed", Desk().rename)  # C10 wrong
emitter.add_listener("paid", c01_right)  # C12 right
emitter.add_listener("paid", "c01_right")  # C12 wrong
emitter.emit("paid", 1)  # C13 right
emitter.emit("payed", 1)  # C13 wrong
emitter.emit("placed", 1, 2.0)  # C14 right
emitter.emit("placed", "1", 2.0)  # C14 wrong
emitter.emit("placed", 1, 2.0)  # C15 right
emitter.emit("placed", 1)  # C15 wrong
emitter.emit("paid", 1)  # C16 right
emitter.emit(42)  # C16 wrong
# C22 none: an emitter has no family
