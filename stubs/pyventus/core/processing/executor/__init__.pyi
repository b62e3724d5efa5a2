from concurrent.futures import Executor
from types import TracebackType
from typing import Any, Self

from pyventus.core.processing import ProcessingService, ProcessingServiceCallbackType

class ExecutorProcessingService(ProcessingService):
    def __init__(self, executor: Executor) -> None: ...
    def submit(self, callback: ProcessingServiceCallbackType, *args: Any, **kwargs: Any) -> None: ...
    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...
