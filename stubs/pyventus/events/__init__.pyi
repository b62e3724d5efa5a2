# ruff: noqa: N802 - the names of factories are those of pyventus

from abc import ABCMeta
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from datetime import datetime
from types import EllipsisType, TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar, final

from pyventus.core.processing import ProcessingService
from typing_extensions import override

EmittableEventType: TypeAlias = str | Exception | object | EllipsisType
SubscribableEventType: TypeAlias = str | type[Exception] | type[object] | EllipsisType
EventCallbackType: TypeAlias = Callable[..., Any]
SuccessCallbackType: TypeAlias = Callable[..., Awaitable[None] | None]
FailureCallbackType: TypeAlias = Callable[[Exception], Awaitable[None] | None]

_F = TypeVar("_F", bound=Callable[..., Any])
_L = TypeVar("_L", bound=type[EventLinker])

@final
class EventSubscriber(metaclass=ABCMeta):
    def __init__(
        self,
        teardown_callback: Callable[[EventSubscriber], bool],
        event_callback: EventCallbackType,
        success_callback: SuccessCallbackType | None,
        failure_callback: FailureCallbackType | None,
        force_async: bool,
        once: bool,
    ) -> None: ...
    @property
    def once(self) -> bool: ...
    @property
    def timestamp(self) -> datetime: ...
    def unsubscribe(self) -> bool: ...

class EventLinker:
    @final
    class EventLinkerSubCtx(Generic[_L], metaclass=ABCMeta):
        def __init__(
            self,
            events: tuple[SubscribableEventType, ...],
            event_linker: _L,
            force_async: bool,
            once: bool,
            is_stateful: bool,
        ) -> None: ...
        def on_event(self, callback: _F) -> _F: ...
        def on_success(self, callback: _F) -> _F: ...
        def on_failure(self, callback: _F) -> _F: ...
        # A stateful context gives a tuple instead; it is not described here.
        def __call__(self, callback: _F) -> _F: ...
        def __enter__(self) -> Self: ...
        def __exit__(
            self,
            exc_type: type[BaseException] | None,
            exc_val: BaseException | None,
            exc_tb: TracebackType | None,
        ) -> None: ...

    @override
    def __init_subclass__(
        cls,
        max_subscribers: int | None = None,
        default_success_callback: SuccessCallbackType | None = None,
        default_failure_callback: FailureCallbackType | None = None,
        debug: bool | None = None,
    ) -> None: ...
    @classmethod
    def on(
        cls, *events: SubscribableEventType, force_async: bool = False, stateful_subctx: Literal[False] = False
    ) -> EventLinkerSubCtx[type[Self]]: ...
    @classmethod
    def once(
        cls, *events: SubscribableEventType, force_async: bool = False, stateful_subctx: Literal[False] = False
    ) -> EventLinkerSubCtx[type[Self]]: ...
    @classmethod
    def subscribe(
        cls,
        *events: SubscribableEventType,
        event_callback: EventCallbackType,
        success_callback: SuccessCallbackType | None = None,
        failure_callback: FailureCallbackType | None = None,
        force_async: bool = False,
        once: bool = False,
    ) -> EventSubscriber: ...
    @classmethod
    def get_registry(cls) -> dict[str, set[EventSubscriber]]: ...
    @classmethod
    def get_event_count(cls) -> int: ...
    @classmethod
    def get_subscriber_count(cls) -> int: ...
    @classmethod
    def remove(cls, event: SubscribableEventType, subscriber: EventSubscriber) -> bool: ...
    @classmethod
    def remove_event(cls, event: SubscribableEventType) -> bool: ...
    @classmethod
    def remove_subscriber(cls, subscriber: EventSubscriber) -> bool: ...
    @classmethod
    def remove_all(cls) -> bool: ...

class EventEmitter:
    def __init__(
        self,
        event_processor: ProcessingService,
        event_linker: type[EventLinker] = ...,
        debug: bool | None = None,
    ) -> None: ...
    def emit(self, /, event: EmittableEventType, *args: Any, **kwargs: Any) -> None: ...

def AsyncIOEventEmitter(event_linker: type[EventLinker] = ..., debug: bool | None = None) -> EventEmitter: ...
def ExecutorEventEmitter(
    executor: Executor, event_linker: type[EventLinker] = ..., debug: bool | None = None
) -> EventEmitter: ...
def ExecutorEventEmitterCtx(
    executor: Executor | None = None, event_linker: type[EventLinker] = ..., debug: bool | None = None
) -> AbstractContextManager[EventEmitter]: ...
