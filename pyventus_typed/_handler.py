"""A callable seen as a handler or callback: does it take what it gets, is its result awaited, is it a method in the making.

It is judged by its type, never by what it claims: a mock with the spec of a function says that it is a function, and
answers every question about its code with another mock.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType, MethodType
from typing import NoReturn

from typing_extensions import TypeIs

from ._errors import DefinitionError, InvalidOption, NotAHandler
from ._signature import call_signature
from ._spelling import is_class, spell, spell_event

_VARARGS, _COROUTINE = inspect.CO_VARARGS, inspect.CO_COROUTINE
_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_ANYTHING = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS

Refuse = Callable[[str], NoReturn]
_SUBSCRIBER = "Derive the class from Subscriber, decorate the method with @handles(...) and use linker.bind(instance)."


def check_handler(callee: object) -> bool:
    """Whether *callee* is an ``async def`` underneath; `NotAHandler` if it cannot be called with one event.

    ``False`` does not promise a synchronous handler: a lambda may return a coroutine. What the call returns decides.
    """
    # The usual handler takes one argument and nothing else: it is through with two looks.
    if type(callee) is FunctionType:
        code = callee.__code__
        flags = code.co_flags
        name = callee.__qualname__
        dot = name.rfind(".")
        is_method = dot > 0 and name[dot - 1] != ">"
        if not is_method and code.co_argcount == 1 and not code.co_kwonlyargcount and not flags & _GENERATORS:
            return flags & _COROUTINE != 0

    def refuse(reason: str) -> NoReturn:
        raise NotAHandler(f"{spell_callee(callee)} {reason}", callee)

    check_no_method(callee, refuse, "event", _SUBSCRIBER)
    return _check_call(
        callee,
        refuse,
        1,
        not_callable="cannot be called. A handler is any callable that takes the event.",
        a_class="is a class; calling it would make an instance. Subscribe a function or a method.",
        arguments="cannot be called with one positional argument, the event. "
        "Take the event first and give everything else a default.",
    )


def check_callback(option: str, callee: object, *arguments: str) -> bool:
    """The same for what an *option* names; `InvalidOption` if it cannot be called with these *arguments*."""
    return _check_option(
        option, callee, arguments, "is a class; calling it would make an instance. Pass a function or a method."
    )


def check_function(option: str, callee: object, *arguments: str) -> None:
    """The same for an *option* whose result is used at once: it may be a class, and is not an ``async def``."""
    if _check_option(option, callee, arguments, None):
        raise InvalidOption(
            f"{option}={spell_callee(callee)} is async, and its result is used at once. Pass a plain function.", callee
        )


def _check_option(option: str, callee: object, arguments: Sequence[str], a_class: str | None) -> bool:
    def refuse(reason: str) -> NoReturn:
        raise InvalidOption(f"{option}={spell_callee(callee)} {reason}", callee)

    if not arguments:
        wrong = "cannot be called without arguments. Give every argument a default."
    else:
        count = "one positional argument" if len(arguments) == 1 else f"{len(arguments)} positional arguments"
        way_out = f"Take {'it' if len(arguments) == 1 else 'them'} first and give everything else a default."
        if _is_defined_in_class(callee) and takes(callee, len(arguments) + 1):  # for self
            way_out = (
                "It is a function of a class body: pass the method of an instance, or decorate it with @staticmethod."
            )
        wrong = f"cannot be called with {count}, {' and '.join(arguments)}. {way_out}"
    not_callable = "cannot be called. Pass a function, or leave it out."
    return _check_call(callee, refuse, len(arguments), not_callable=not_callable, a_class=a_class, arguments=wrong)


def is_surely_sync(callee: object) -> bool:
    """Whether nothing awaitable can come of a call: a lambda, or what stands for another callable, may return it.

    What takes whatever it is given, ``*args`` and ``**kwargs``, stands for another one: a decorator's wrapper, a mock.
    """
    function = unwrapped(callee)
    for _ in range(100):  # a __wrapped__ that leads back to itself must end
        if type(function) is MethodType:
            function = function.__func__
        inner = inspect.getattr_static(function, "__wrapped__", None)
        if inner is None:
            break
        function = unwrapped(inner)
    is_lambda = type(function) is FunctionType and function.__name__ == "<lambda>"
    flags = flags_of(function)
    return not is_lambda and not flags & _COROUTINE and flags & _ANYTHING != _ANYTHING


def name_of(callee: object, error: type[DefinitionError]) -> tuple[str, str]:
    """The module and the qualified name by which *callee* is known again when it was defined anew; else *error*."""
    name = find_name(callee)
    if name is None:
        raise error(
            f"{spell_callee(callee)} has no name of its own, so replace=True cannot tell what it replaces. "
            "Define it with def, or leave replace out.",
            callee,
        )
    return name


def find_name(callee: object) -> tuple[str, str] | None:
    """The same; None for a lambda, a partial, a callable object. A method is known by the class of its instance."""
    if type(callee) is MethodType and type(callee.__func__) is FunctionType:
        owner = _owner_of(callee)
        return owner.__module__, f"{owner.__qualname__}.{callee.__func__.__name__}"
    if is_class(callee) or (type(callee) is FunctionType and callee.__name__ != "<lambda>"):
        return callee.__module__, callee.__qualname__
    return None


def is_same(left: object, right: object) -> bool:
    """Whether two handlers are one; a bound method is a new object each time that it is asked for."""
    if type(left) is MethodType and type(right) is MethodType:
        return left.__self__ is right.__self__ and left.__func__ is right.__func__
    return left is right


def is_method_of(callee: object, kind: type) -> bool:
    """Whether *callee* is a method of an instance of *kind*, or of what had its module and name before."""
    if type(callee) is not MethodType:
        return False
    owner = _owner_of(callee)
    return (owner.__module__, owner.__qualname__) == (kind.__module__, kind.__qualname__)


def _owner_of(method: MethodType) -> type:
    owner: object = method.__self__
    return owner if is_class(owner) else type(owner)


def _check_call(
    callee: object, refuse: Refuse, count: int, *, not_callable: str, a_class: str | None, arguments: str
) -> bool:
    if a_class is not None and issubclass(type(callee), type):
        refuse(a_class)
    if not callable(callee):
        refuse(not_callable)
    flags = flags_of(unwrapped(callee))
    if flags & _GENERATORS:
        refuse("is a generator function: calling it runs none of it. Use a plain or an async def, without yield.")
    if not takes(callee, count):
        refuse(arguments)
    return flags & _COROUTINE != 0


def takes(callee: object, count: int) -> bool:
    """Whether *callee* can be called with so many positional arguments; even if only the call will show it."""
    # Functions and methods are judged by their code object: ten times faster than inspect.signature, and it is what
    # runs, where a signature may come from what a decorator wraps.
    if type(callee) is FunctionType:
        return _code_takes(callee, count)
    if type(callee) is MethodType and type(callee.__func__) is FunctionType:
        return _code_takes(callee.__func__, count + 1)
    if type(callee) is staticmethod:
        return takes(callee.__func__, count)
    call = getattr(type(callee), "__call__")  # noqa: B004, B009 - that of the type, whatever the instance says
    if type(call) is FunctionType:
        # What mock.create_autospec makes refuses other arguments when it is called.
        declared = inspect.getattr_static(callee, "__signature__", None)
        return _binds(declared, count) if type(declared) is inspect.Signature else _code_takes(call, count + 1)
    try:
        signature = call_signature(callee, follow_wrapped=False)  # type: ignore[arg-type]  # it was asked whether it is callable
    except Exception:  # noqa: BLE001 - a builtin that does not say what it takes, or a mock inside of a partial
        return True
    return _binds(signature, count)


def _code_takes(function: FunctionType, count: int) -> bool:
    code: CodeType = function.__code__
    most, defaults = code.co_argcount, len(function.__defaults__ or ())
    keywords = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
    return most - defaults <= count and (count <= most or bool(code.co_flags & _VARARGS)) and keywords <= 0


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def unwrapped(callee: object) -> object:
    """What is called in the end, below ``partial`` and ``staticmethod``."""
    while True:
        match callee:
            case functools.partial() if issubclass(type(callee), functools.partial):
                callee = callee.func
            case staticmethod() if issubclass(type(callee), staticmethod):
                callee = callee.__func__
            case _:
                return callee


def flags_of(inner: object) -> int:
    """The flags of the code that a call of *inner* starts; 0 where there is none."""
    if type(inner) is MethodType:
        return flags_of(inner.__func__)
    if type(inner) is FunctionType:
        return inner.__code__.co_flags
    # A compiled function and an AsyncMock have a code of their own; any other object has that of its class.
    own: object = getattr(inspect.getattr_static(inner, "__code__", None), "co_flags", None)
    if type(own) is int:
        return own
    call = getattr(type(inner), "__call__", None)  # noqa: B004 - its code is looked at, it is not called
    return call.__code__.co_flags if type(call) is FunctionType else 0


def spell_callee(callee: object) -> str:
    return spell(callee) if callable(callee) else spell_event(callee)


def check_no_method(callee: object, refuse: Refuse, what: str, way_out: str) -> None:
    """Refuse a function of a class body: it would be called with *what* is delivered as ``self``."""
    if type(callee) is classmethod:  # nobody but a class body has one that is not bound
        refuse(f"is a class method that belongs to no class yet. {way_out}")
    if not _is_defined_in_class(callee):
        return
    reason = f"is a function of a class body: it would be called with the {what} as self. {way_out}"
    function = callee
    outer, _, name = function.__qualname__.rpartition(".")
    frame = inspect.currentframe()
    while frame is not None:  # the body of the class is running: one of our decorators is in it
        if frame.f_locals.get("__qualname__") == outer and frame.f_locals.get("__module__") == function.__module__:
            refuse(reason)
        frame = frame.f_back
    owner: object = sys.modules.get(function.__module__)
    for part in outer.split("."):
        owner = getattr(owner, part, None)
    if is_class(owner) and owner.__dict__.get(name) is function:  # a static method is there as a staticmethod
        refuse(reason)


def _is_defined_in_class(callee: object) -> TypeIs[FunctionType]:
    """Whether *callee* is a function whose name says that it was defined in the body of a class."""
    if type(callee) is not FunctionType:
        return False
    name = callee.__qualname__
    dot = name.rfind(".")
    return dot > 0 and name[dot - 1] != ">"
