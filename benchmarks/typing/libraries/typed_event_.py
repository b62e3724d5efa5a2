"""typed-event: functions as events, with the types of their arguments."""

# C02 none: no async handlers
# C07 none: an event is an attribute, not a class to subscribe to
# C11 none: no filters
# C17 none: bare arguments
# C18 none: no callbacks
# C19 none: no callbacks
# C22 none: no family

from typed_event import event


class Shop:
    @event
    def placed(order: int, total: float, /) -> None: ...

    @event
    def paid(order: int, /) -> None: ...

    @event
    def renamed(name: str, /) -> None: ...

    @event
    def price(item: str, /) -> float | None: ...


shop = Shop()


class Desk:
    def place(self, order: int, total: float) -> None: ...

    def rename(self, name: str) -> None: ...


def takes_int(order: int) -> None: ...


def takes_text(name: str) -> None: ...


def takes_nothing() -> None: ...


def takes_three(order: int, total: float, retries: int) -> None: ...


def takes_two(order: int, total: float) -> None: ...


def keyword_only(*, order: int) -> None: ...


def both(value: int | str) -> None: ...


def gives_float(item: str) -> float:
    return 1.0


def gives_text(item: str) -> str:
    return "1.0"


shop.paid += takes_int  # C01 right
shop.paid += takes_text  # C01 wrong
shop.paid += takes_int  # C03 right
shop.paid += takes_nothing  # C03 wrong
shop.placed += takes_two  # C04 right
shop.placed += takes_three  # C04 wrong
shop.renamed += takes_text  # C05 right
shop.renamed += takes_int  # C05 wrong
shop.paid += takes_int  # C06 right
shop.paid += keyword_only  # C06 wrong
shop.paid += takes_int  # C08 right
shop.payed += takes_int  # C08 wrong
shop.paid += both  # C09 right
shop.renamed += both  # C09 right
shop.paid += takes_text  # C09 wrong
shop.renamed += takes_text  # C09 wrong
shop.placed += Desk().place  # C10 right
shop.placed += Desk().rename  # C10 wrong
shop.paid += takes_int  # C12 right
shop.paid += "takes_int"  # C12 wrong
shop.paid(1)  # C13 right
shop.payed(1)  # C13 wrong
shop.placed(1, 2.0)  # C14 right
shop.placed("1", 2.0)  # C14 wrong
shop.placed(1, 2.0)  # C15 right
shop.placed(1)  # C15 wrong
shop.paid(1)  # C16 right
shop(42)  # C16 wrong
shop.price += gives_float  # C20 right
shop.price += gives_text  # C20 wrong
price: float | None = shop.price("tea")  # C21 right
name: str | None = shop.price("tea")  # C21 wrong
