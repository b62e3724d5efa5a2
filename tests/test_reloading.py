"""A module that is loaded twice: what the messages say, and how its handlers are linked once (`replace`)."""

import functools
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol

import pytest

from pyventus_typed import Emitter, Event, Linker, Request, Subscriber, handles
from pyventus_typed.errors import (
    ForeignEvent,
    InvalidOption,
    NoHandler,
    NotAHandler,
    NotAManager,
    SeveralHandlers,
)
from tests.events import OrderPaid, OrderPlaced, untyped
from tests.programs import run_python


class Load(Protocol):
    def __call__(self, name: str, file: str, **given: object) -> Any: ...  # Any: a module, whose names no checker knows


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a file under a name, as an import does, a reload, a notebook, or ``python FILE`` under ``__main__``."""
    # Within one second another text of the same length would be taken for the one whose bytecode was written.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load_as(name: str, file: str, **given: object) -> object:
        spec = spec_from_file_location(name, tmp_path / file)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        vars(module).update(given)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load_as


EVENTS = """
from dataclasses import dataclass
from pyventus_typed import Event, Linker, Request

@dataclass(frozen=True)
class Saved(Event):
    name: str = ""

@dataclass(frozen=True)
class Stock(Request[int]):
    pass

@dataclass(frozen=True)
class SavedTwice(Saved):
    pass
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(EVENTS)
    (tmp_path / "other.py").write_text(EVENTS)


# ---------------------------------------------------------------- two classes of one name
def refusal(of: type, event: type) -> str:
    linker = untyped(Linker)[of]()
    with pytest.raises(ForeignEvent) as caught:
        linker.on(event)
    assert caught.value.found is event
    return str(caught.value)


def test_a_file_that_is_loaded_under_two_names_is_said_to_be(load: Load) -> None:
    first, second = load("shop", "shop.py"), load("script", "shop.py")
    assert refusal(first.Saved, second.Saved) == (
        "script.Saved is outside of this linker's family, shop.Saved. "
        "There are two classes Saved: shop.py was loaded twice, as shop and as script. "
        "Import it under one name, and import nothing from what is run as a script."
    )


def test_a_module_that_is_reloaded_is_said_to_be(load: Load) -> None:
    first, second = load("shop", "shop.py"), load("shop", "shop.py")
    assert refusal(first.Saved, second.Saved) == (
        "shop.Saved is outside of this linker's family, shop.Saved. "
        "There are two classes shop.Saved: that module was loaded twice, or the class was defined again. "
        "Make the linker again as well, or define the class once."
    )


def test_a_class_below_one_that_was_reloaded_is_explained_too(load: Load) -> None:
    first, second = load("shop", "shop.py"), load("shop", "shop.py")
    assert refusal(first.Saved, second.SavedTwice).startswith(
        "SavedTwice is outside of this linker's family, shop.Saved. There are two classes shop.Saved: "
    )


def test_two_classes_that_only_share_a_name_are_told_apart_and_nothing_more(load: Load) -> None:
    first, second = load("shop", "shop.py"), load("other", "other.py")
    assert refusal(first.Saved, second.Saved) == (
        "other.Saved is outside of this linker's family, shop.Saved. Add it to the family, or leave it out."
    )


def test_a_subscriber_of_another_load_is_explained_when_it_is_defined(load: Load) -> None:
    first, second = load("shop", "shop.py"), load("script", "shop.py")
    with pytest.raises(
        ForeignEvent, match=r"Clerk\.saved handles script\.Saved, .* shop\.Saved\. There are two classes"
    ):

        class Clerk(Subscriber[first.Saved]):  # type: ignore[name-defined]  # a class of a module that no checker knows
            @handles(second.Saved)
            def saved(self, event: Event) -> None: ...


def test_an_event_of_another_load_is_explained_when_it_is_emitted(load: Load) -> None:
    first, second = load("shop", "shop.py"), load("script", "shop.py")
    emitter = Emitter(untyped(Linker)[first.Saved]())
    with pytest.raises(ForeignEvent, match=r"^script\.Saved is outside .*There are two classes Saved"):
        emitter.emit(second.Saved())


def test_a_request_of_another_load_is_explained_when_it_is_asked(load: Load) -> None:
    first, second = load("shop", "shop.py"), load("script", "shop.py")
    linker = Linker[Event]()
    linker.answer(first.Stock)(lambda request: 3)
    with pytest.raises(NoHandler, match=r"^Nobody answers Stock\. There are two classes Stock: shop\.py was loaded"):
        Emitter(linker).ask_sync(second.Stock())


def test_a_script_that_imports_its_own_module_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        f"{EVENTS}\nlinker = Linker[Saved]()\n"
        "if __name__ == '__main__':\n    import app\n    app.linker.subscribe(Saved, print)\n"
    )
    ended = run_python("app.py", cwd=tmp_path)
    assert "app.py was loaded twice, as app and as __main__." in ended.stderr


# ---------------------------------------------------------------- a handler that is defined again
class Price(Request[int]): ...


class Linked:
    """A linker, and what the handlers of several loads of one file note."""

    def __init__(self, load: Load, folder: Path) -> None:
        self.linker = Linker()
        self.seen: list[str] = []
        self._load = load
        self._file = folder / "handlers.py"

    def load(self, *sources: str) -> None:
        """Load the file, once with each of these contents."""
        for number, source in enumerate(sources, 1):
            imports = "from contextlib import contextmanager\nfrom pyventus_typed import Subscriber, handles"
            self._file.write_text(f"{imports}\n{source}")
            given = {"linker": self.linker, "OrderPlaced": OrderPlaced, "OrderPaid": OrderPaid, "Price": Price}
            self._load("handlers", "handlers.py", note=self._note(number), **given)

    def emit(self, event: Event) -> list[str]:
        self.seen.clear()
        Emitter(self.linker).emit(event)
        return [*self.seen]

    def _note(self, number: int) -> Callable[[str], None]:
        return lambda name: self.seen.append(f"{name} {number}")


@pytest.fixture
def linked(load: Load, tmp_path: Path) -> Linked:
    return Linked(load, tmp_path)


ON = """
@linker.on(OrderPlaced, replace=True)
def placed(event): note("placed")
"""
SUBSCRIBE = """
def placed(event): note("placed")
linker.subscribe(OrderPlaced, placed, replace=True)
"""
METHOD = """
class Desk:
    def placed(self, event): note("placed")
linker.subscribe(OrderPlaced, Desk().placed, replace=True)
"""
BIND = """
class Desk(Subscriber):
    @handles(OrderPlaced)
    def placed(self, event): note("placed")
linker.bind(Desk(), replace=True)
"""
IN_A_FUNCTION = """
def wire():
    @linker.on(OrderPlaced, replace=True)
    def placed(event): note("placed")
wire()
"""


@pytest.mark.parametrize("source", [ON, SUBSCRIBE, METHOD, BIND, IN_A_FUNCTION])
def test_a_handler_that_is_loaded_again_takes_the_place_of_the_older_one(source: str, linked: Linked) -> None:
    linked.load(source, source, source)
    assert linked.emit(OrderPlaced(1)) == ["placed 3"]


AROUND = """
@linker.around(OrderPlaced, replace=True)
@contextmanager
def shown(delivery):
    note("entered")
    yield
"""
SURROUND = """
@contextmanager
def shown(delivery):
    note("entered")
    yield
linker.surround(shown, OrderPlaced, replace=True)
"""
CLASS = """
@linker.around(OrderPlaced, replace=True)
class Shown:
    def __init__(self, delivery): ...
    def __enter__(self): note("entered")
    def __exit__(self, *error): ...
"""
OF_ALL = AROUND.replace("OrderPlaced, ", "")


@pytest.mark.parametrize("source", [AROUND, SURROUND, CLASS, OF_ALL])
def test_a_manager_that_is_loaded_again_takes_the_place_of_the_older_one(source: str, linked: Linked) -> None:
    linked.linker.subscribe(OrderPlaced, lambda event: None)
    linked.load(source, source, source)
    assert linked.emit(OrderPlaced(1)) == ["entered 3"]


def test_a_manager_of_another_name_or_without_replace_stays(linked: Linked) -> None:
    linked.linker.subscribe(OrderPlaced, lambda event: None)
    linked.load(AROUND, AROUND.replace("def shown", "def other"), AROUND.replace(", replace=True", ""))
    assert linked.emit(OrderPlaced(1)) == ["entered 1", "entered 2", "entered 3"]


def test_one_manager_may_be_around_several_events_one_by_one(linked: Linked) -> None:
    linked.linker.on(OrderPlaced, OrderPaid)(lambda event: None)
    twice = AROUND.replace("@context", "@linker.around(OrderPaid, replace=True)\n@context")
    linked.load(twice, twice)
    assert (linked.emit(OrderPlaced(1)), linked.emit(OrderPaid(1))) == (["entered 2"], ["entered 2"])


def test_a_manager_without_a_name_cannot_replace() -> None:
    linker = Linker()
    with pytest.raises(NotAManager, match=r"has no name of its own, so replace=True cannot tell what it replaces\."):
        linker.surround(lambda delivery: nullcontext(), OrderPlaced, replace=True)


def test_without_replace_a_reload_adds_a_subscription(linked: Linked) -> None:
    linked.load(*[ON.replace(", replace=True", "")] * 2)
    assert linked.emit(OrderPlaced(1)) == ["placed 1", "placed 2"]


def test_a_handler_whose_events_were_edited_has_the_new_ones_only(linked: Linked) -> None:
    linked.load(ON, ON.replace("OrderPlaced", "OrderPaid"))
    assert (linked.emit(OrderPlaced(1)), linked.emit(OrderPaid(1))) == ([], ["placed 2"])


def test_one_function_may_be_linked_to_several_events(linked: Linked) -> None:
    twice = """
@linker.on(OrderPlaced, replace=True, priority=1)
@linker.on(OrderPaid, replace=True)
def both(event): note("both")
"""
    linked.load(twice, twice)
    assert (linked.emit(OrderPlaced(1)), linked.emit(OrderPaid(1))) == (["both 2"], ["both 2"])


def test_what_has_another_name_stays(linked: Linked) -> None:
    linked.load(ON, ON.replace("def placed", "def other"))
    assert linked.emit(OrderPlaced(1)) == ["placed 1", "placed 2"]


def test_the_same_function_again_is_one_subscription_with_the_new_options() -> None:
    linker = Linker()
    first = linker.subscribe(OrderPlaced, handler, replace=True)
    second = linker.subscribe(OrderPlaced, handler, replace=True, priority=2)
    assert linker.subscriptions() == (second,)
    assert not first.active


def test_another_linker_keeps_its_own() -> None:
    linkers = Linker(), Linker()
    for linker in linkers:
        linker.subscribe(OrderPlaced, handler, replace=True)
    assert [len(linker.subscriptions()) for linker in linkers] == [1, 1]


def test_a_full_event_type_has_a_place_for_what_replaces() -> None:
    linker = Linker[Event](max_subscriptions=1)
    linker.subscribe(OrderPlaced, handler, replace=True)
    linker.subscribe(OrderPlaced, handler, replace=True)
    assert len(linker.subscriptions()) == 1


def test_what_is_refused_replaces_nothing(linked: Linked) -> None:
    linked.load(ON)
    with pytest.raises(NotAHandler, match="placed cannot be called with one positional argument"):
        linked.load(ON.replace("(event)", "()"))
    assert linked.emit(OrderPlaced(1)) == ["placed 1"]


def test_methods_that_a_class_has_lost_are_not_left_behind(linked: Linked) -> None:
    linked.load(BIND.replace("placed", "dropped"), BIND)
    assert linked.emit(OrderPlaced(1)) == ["placed 2"]


def test_two_classes_do_not_replace_what_they_inherit() -> None:
    class Base(Subscriber[Event]):
        @handles(OrderPlaced)
        def placed(self, event: OrderPlaced) -> None: ...

    class Left(Base): ...

    class Right(Base): ...

    linker = Linker()
    for instance in (Left(), Right(), Left()):
        linker.bind(instance, replace=True)
    assert [type(untyped(one.handler).__self__) for one in linker.subscriptions()] == [Right, Left]


ANSWER = """
@linker.answer(Price, replace=True)
def price(request): return 1
"""


def test_an_answer_that_is_loaded_again_takes_the_place_of_the_older_one(linked: Linked) -> None:
    linked.load(ANSWER, ANSWER)
    (answer,) = linked.linker.subscriptions()
    assert answer.handler is sys.modules["handlers"].price


def test_an_answer_of_another_name_is_still_a_second_one(linked: Linked) -> None:
    with pytest.raises(SeveralHandlers, match=r"answered by handlers\.price already\. End that one first"):
        linked.load(ANSWER, ANSWER.replace("def price", "def cost"))


def test_a_second_answer_of_the_same_name_is_told_of_replace(linked: Linked) -> None:
    with pytest.raises(
        SeveralHandlers, match=r"price already\. Pass replace=True if it was defined again, or end that one"
    ):
        linked.load(ANSWER, ANSWER.replace(", replace=True", ""))


def handler(event: OrderPlaced) -> None: ...


class Desk:
    def __call__(self, event: OrderPlaced) -> None: ...


@pytest.mark.parametrize("nameless", [lambda event: None, functools.partial(handler), Desk(), list[object]().append])
def test_a_handler_without_a_name_cannot_replace(nameless: Callable[[Event], object]) -> None:
    linker = Linker()
    with pytest.raises(NotAHandler, match=r"has no name of its own, so replace=True cannot tell what it replaces\."):
        linker.subscribe(OrderPlaced, nameless, replace=True)
    assert linker.subscriptions() == ()


@pytest.mark.parametrize("function", ["on", "subscribe", "answer", "bind", "around", "surround"])
def test_replace_is_true_or_false(function: str) -> None:
    arguments: dict[str, tuple[object, ...]] = {
        "on": (OrderPlaced,),
        "subscribe": (OrderPlaced, handler),
        "answer": (Price,),
        "bind": (Subscriber(),),
        "around": (OrderPlaced,),
        "surround": (lambda delivery: nullcontext(), OrderPlaced),
    }
    with pytest.raises(InvalidOption, match=re.escape("replace=1 is neither True nor False.")):
        untyped(getattr(Linker(), function))(*arguments[function], replace=1)
