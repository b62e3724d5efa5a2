"""What belongs to this thread, and which stage to which loop."""

from asyncio import AbstractEventLoop
from collections.abc import Generator
from contextlib import contextmanager
from threading import local
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from .._emission import BUSY

if TYPE_CHECKING:
    from ._stage import Stage


class Here(local):
    """Where an emission belongs that is made in this thread while it runs no loop."""

    stage: "Stage | None" = None
    """The thread's own."""
    ending: "Stage | None" = None
    """Whose coroutines are being closed: what they emit belongs there, and is discarded with it."""
    deliverer: "Stage | None" = None
    """Whose ``in_thread`` handler is running here."""

    @contextmanager
    def occupied(self) -> Generator[None]:
        """Whatever is emitted meanwhile does not belong to this thread, so its own stage takes nothing."""
        stage = self.stage
        if stage is None:
            yield
            return
        before, stage.emission = stage.emission, stage.emission or BUSY
        try:
            yield
        finally:
            stage.emission = before


here = Here()
# A stage is held by its loop, through the hooks on it: a dropped loop takes its stage along.
stages: "WeakKeyDictionary[AbstractEventLoop, ref[Stage]]" = WeakKeyDictionary()
endings: "list[Stage]" = []
"""Those that are some thread's ``ending``. Asked before a short way: quicker than to ask the thread."""
