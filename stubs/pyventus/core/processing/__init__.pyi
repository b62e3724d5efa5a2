from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

ProcessingServiceCallbackType: TypeAlias = Callable[..., Awaitable[None] | None]

class ProcessingService(ABC):
    @abstractmethod
    def submit(self, callback: ProcessingServiceCallbackType, *args: Any, **kwargs: Any) -> None: ...
