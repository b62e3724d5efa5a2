"""How a type, a callable and an event are written in messages, logs and graphs: one way only."""

import functools
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import MethodType

from typing_extensions import TypeIs

_LONGEST = 200  # characters of a user's repr in one of our messages: a batch event must not bury what went wrong


def is_class(thing: object) -> TypeIs[type]:
    """Whether *thing* is a class by its type, whatever it claims: a mock with the spec of a class says that it is one."""
    return issubclass(type(thing), type)


def spell(thing: object) -> str:
    """*thing* as a reader knows it: a class by its name, a callable by module and name, anything else by its repr."""
    if is_class(thing):
        return short_name(thing.__qualname__)
    if callable(thing):
        return _callable(thing)
    return _shortened(thing)


def spell_apart(kind: type, others: Iterable[type] | None) -> str:
    """A class by its name, and with its module where one of *others* has that name too and is another class."""
    name = spell(kind)
    is_one_of_two = any(other is not kind and spell(other) == name for other in others or ())
    return f"{kind.__module__}.{name}" if is_one_of_two else name


def spell_event(event: object) -> str:
    """An instance by its repr, even if the class happens to be callable."""
    return _shortened(event)


def several(count: int, noun: str) -> str:
    """``1 emission``, ``2 emissions``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def with_article(noun: str) -> str:
    """``a Linker``, ``an Emitter``."""
    return f"{'an' if noun[:1] in 'AEIOUaeiou' else 'a'} {noun}"


def short_name(qualified: str) -> str:
    """The name of a class or function, without the functions that it is defined in."""
    return qualified.rpartition("<locals>.")[2]


def text_attribute(thing: object, name: str) -> str | None:
    """An attribute that is a text, such as ``__module__``; None if it is not, or if asking for it raises."""
    try:
        value: object = getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - an object may answer any attribute with an error of its own
        return None
    return value if isinstance(value, str) else None


def _callable(thing: object) -> str:
    if isinstance(thing, functools.partial):
        return f"partial({_callable(thing.func)})"
    if type(thing) is MethodType:
        own = text_attribute(thing.__self__, "__spelling__")  # of a stream, which a user knows by the call that made it
        if own is not None:
            return own
        owner = thing.__self__ if is_class(thing.__self__) else type(thing.__self__)
        return f"{owner.__module__}.{short_name(owner.__qualname__)}.{getattr(thing, '__name__', '?')}"
    name, module = text_attribute(thing, "__qualname__"), text_attribute(thing, "__module__")
    if name is not None:
        return short_name(name) if module is None else f"{module}.{short_name(name)}"
    return f"{type(thing).__module__}.{short_name(type(thing).__qualname__)} object"


def _shortened(thing: object) -> str:
    try:
        text = repr(thing)
    except Exception as error:  # noqa: BLE001 - a message about one fault must survive another one in a user's repr
        return f"<{short_name(type(thing).__qualname__)} whose repr raised {type(error).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


_PACKAGE = __name__.partition(".")[0] + "."


def calling_line() -> str:
    """File and line of the code that called us: the first one outside of this package."""
    frame = sys._getframe(1)  # not inspect.stack, which reads every source file
    while frame.f_globals.get("__name__", "").startswith(_PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def add_note(error: BaseException, text: str) -> None:
    """Add a note to *error*, once: an exception object may be raised again and again."""
    with suppress(Exception):  # an exception may refuse notes: a frozen dataclass does
        if text not in getattr(error, "__notes__", ()):
            error.add_note(text)


def trim(error: Exception) -> None:
    """Take our own frames off the top of the traceback: shorter to read."""
    with suppress(Exception):  # a class of the user's may refuse that, and the delivery would never end
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            trace = trace.tb_next
        error.with_traceback(trace)  # an assignment would ask an exception that is a frozen dataclass
