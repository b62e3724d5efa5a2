"""A callable seen as a handler: can it take an event, must its result be awaited, is it a method in the making."""

import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType

from ._spelling import spell, spell_event
from .errors import NotAHandler

_VARARGS, _COROUTINE = inspect.CO_VARARGS, inspect.CO_COROUTINE
_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def check_handler(found: object) -> bool:
    """Whether *found* is an ``async def`` underneath; `NotAHandler` if it cannot be called with one event.

    ``False`` does not promise a synchronous handler: a lambda may return a coroutine. What the call returns decides.
    """
    # Functions and methods are judged by their code object: ten times faster than inspect.signature, and it is what
    # runs, where a signature may come from what a decorator wraps.
    if type(found) is FunctionType:
        code = found.__code__
        flags = code.co_flags
        if code.co_argcount != 1 or code.co_kwonlyargcount or flags & _GENERATORS:
            _check_code(found, code, found, bound=0)
        name = found.__qualname__
        dot = name.rfind(".")
        if dot > 0 and name[dot - 1] != ">":
            _check_no_method(found)
        return flags & _COROUTINE != 0
    if type(found) is MethodType and type(found.__func__) is FunctionType:
        _check_code(found, found.__func__.__code__, found.__func__, bound=1)
        return bool(found.__func__.__code__.co_flags & _COROUTINE)
    if isinstance(found, type):
        raise NotAHandler(
            f"{spell(found)} is a class; calling it would make an instance. Subscribe a function or a method.", found
        )
    if not callable(found):
        raise NotAHandler(
            f"{spell_event(found)} cannot be called. A handler is any callable that takes the event.", found
        )
    return _check_object(found)


def _check_code(found: object, code: CodeType, function: FunctionType, *, bound: int) -> None:
    if code.co_flags & _GENERATORS:
        _refuse_generator(found)
    defaults = len(function.__defaults__ or ())
    required, most = code.co_argcount - defaults - bound, code.co_argcount - bound
    keywords = code.co_kwonlyargcount - len(function.__kwdefaults__ or ())
    if required > 1 or (most < 1 and not code.co_flags & _VARARGS) or keywords > 0:
        _refuse_arguments(found)


def _check_object(found: Callable[..., object]) -> bool:
    function = found
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        _refuse_generator(found)
    try:
        signature = inspect.signature(found, follow_wrapped=False)
    except (ValueError, TypeError):
        return False  # a builtin that tells nobody what it takes: the call will show
    try:
        signature.bind(None)
    except TypeError:
        _refuse_arguments(found)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(found)


def _check_no_method(function: FunctionType) -> None:
    """Refuse a function of a class body: it would be called with the event as ``self``."""
    outer, _, name = function.__qualname__.rpartition(".")
    frame = inspect.currentframe()
    while frame is not None:  # the body of the class is running: a decorator of ours stands in it
        if frame.f_locals.get("__qualname__") == outer and frame.f_locals.get("__module__") == function.__module__:
            _refuse_method(function)
        frame = frame.f_back
    owner: object = sys.modules.get(function.__module__)
    for part in outer.split("."):
        owner = getattr(owner, part, None)
    if (
        isinstance(owner, type) and owner.__dict__.get(name) is function
    ):  # a static method stands there as a staticmethod
        _refuse_method(function)


def _refuse_generator(found: object) -> None:
    raise NotAHandler(
        f"{spell(found)} is a generator function: calling it runs none of it. Use a plain or an async def, without yield.",
        found,
    )


def _refuse_arguments(found: object) -> None:
    raise NotAHandler(
        f"{spell(found)} cannot be called with one positional argument, the event. "
        "Take the event first and give everything else a default.",
        found,
    )


def _refuse_method(function: FunctionType) -> None:
    raise NotAHandler(
        f"{spell(function)} is a function of a class body: it would be called with the event as self. "
        "Derive the class from Subscriber, decorate the method with @handles(...) and use linker.bind(instance).",
        function,
    )
