"""psygnal: signals as attributes, with the types of their arguments."""

# C07 none: a signal is an attribute, not a class to subscribe to
# C11 none: no filters
# C17 none: bare arguments
# C18 none: no callbacks
# C19 none: no callbacks
# C20 none: no requests
# C21 none: no requests
# C22 none: no family

from psygnal import Signal


class Shop:
    placed = Signal(int, float)
    paid = Signal(int)
    renamed = Signal(str)


shop = Shop()


class Desk:
    def place(self, order: int, total: float) -> None: ...

    def rename(self, name: str) -> None: ...


@shop.paid.connect
def c01_right(order: int) -> None: ...  # C01 right


@shop.paid.connect
def c01_wrong(name: str) -> None: ...  # C01 wrong


@shop.paid.connect
async def c02_right(order: int) -> None: ...  # C02 right


@shop.paid.connect
async def c02_wrong(name: str) -> None: ...  # C02 wrong


@shop.placed.connect
def c04_right(order: int, total: float) -> None: ...  # C04 right


@shop.placed.connect
def c04_wrong(order: int, total: float, retries: int) -> None: ...  # C04 wrong


@shop.renamed.connect
def c05_right(name: str) -> None: ...  # C05 right


@shop.renamed.connect
def c05_wrong(name: int) -> None: ...  # C05 wrong


@shop.paid.connect
def c06_right(order: int, *, loud: bool = False) -> None: ...  # C06 right


@shop.paid.connect
def c06_wrong(*, order: int) -> None: ...  # C06 wrong


# C03 none: a slot may take fewer arguments than the signal gives
shop.paid.connect(c01_right)  # C08 right
shop.payed.connect(c01_right)  # C08 wrong


def both(value: int | str) -> None: ...


def only_text(value: str) -> None: ...


shop.paid.connect(both)  # C09 right
shop.renamed.connect(both)  # C09 right
shop.paid.connect(only_text)  # C09 wrong
shop.renamed.connect(only_text)  # C09 wrong
shop.placed.connect(Desk().place)  # C10 right
shop.placed.connect(Desk().rename)  # C10 wrong
shop.paid.connect(c01_right)  # C12 right
shop.paid.connect("c01_right")  # C12 wrong
shop.paid.emit(1)  # C13 right
shop.payed.emit(1)  # C13 wrong
shop.placed.emit(1, 2.0)  # C14 right
shop.placed.emit("1", 2.0)  # C14 wrong
shop.placed.emit(1, 2.0)  # C15 right
shop.placed.emit(1)  # C15 wrong
Shop().paid.emit(1)  # C16 right
shop.emit(42)  # C16 wrong
