"""blinker: named signals, a sender and keyword arguments."""

# C08 none: a namespace has no family
# C11 none: no filters but the sender
# C18 none: no callbacks
# C19 none: no callbacks
# C20 none: no requests
# C21 none: no requests
# C22 none: a namespace has no family

from dataclasses import dataclass

from blinker import signal


@dataclass
class Order:
    total: float


paid = signal("paid")
placed = signal("placed")
renamed = signal("renamed")


class Desk:
    def pay(self, sender: object, order: int) -> None: ...

    def rename(self, sender: object, name: str) -> None: ...


@paid.connect
def c01_right(sender: object, order: int) -> None: ...  # C01 right


@paid.connect
def c01_wrong(sender: object, name: str) -> None: ...  # C01 wrong


@paid.connect
async def c02_right(sender: object, order: int) -> None: ...  # C02 right


@paid.connect
async def c02_wrong(sender: object, name: str) -> None: ...  # C02 wrong


@paid.connect
def c03_right(sender: object, order: int) -> None: ...  # C03 right


@paid.connect
def c03_wrong() -> None: ...  # C03 wrong


@paid.connect
def c04_right(sender: object, order: int, retries: int = 3) -> None: ...  # C04 right


@paid.connect
def c04_wrong(sender: object, order: int, retries: int) -> None: ...  # C04 wrong


@renamed.connect
def c05_right(sender: object, name: str) -> None: ...  # C05 right


@renamed.connect
def c05_wrong(sender: object, name: int) -> None: ...  # C05 wrong


@paid.connect
def c06_right(sender: object, *, order: int) -> None: ...  # C06 right


@paid.connect
def c06_wrong(*, sender: object, order: int) -> None: ...  # C06 wrong


def both(sender: object, **fields: object) -> None: ...


def only_order(sender: object, order: int) -> None: ...


signal("paid").connect(both)  # C07 right
signal(42).connect(both)  # C07 wrong
paid.connect(both)  # C09 right
renamed.connect(both)  # C09 right
paid.connect(only_order)  # C09 wrong
renamed.connect(only_order)  # C09 wrong
paid.connect(Desk().pay)  # C10 right
paid.connect(Desk().rename)  # C10 wrong
paid.connect(both)  # C12 right
paid.connect("both")  # C12 wrong
signal("paid").send(None, order=1)  # C13 right
signal("payed").send(None, order=1)  # C13 wrong
placed.send(None, order=1, total=2.0)  # C14 right
placed.send(None, order="1", total=2.0)  # C14 wrong
placed.send(None, order=1, total=2.0)  # C15 right
placed.send(None, order=1)  # C15 wrong
paid.send(None, order=1)  # C16 right
paid.send(None, 42)  # C16 wrong


def changes(sender: Order) -> None:
    print(sender.total + 1)  # C17 right
    sender.total += 1  # C17 wrong
