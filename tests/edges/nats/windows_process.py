"""``python windows_process.py worker URL JOURNAL OPTIONS``, or ``... server STORE``: without what Windows lacks.

The server says its URL, and stops when it can read a line.
"""

import asyncio
import sys
from pathlib import Path
from types import ModuleType

# As in worker_process.
sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [str(Path(__file__).parents[2])]

from tests.windows import Loop  # noqa: E402, I001 - before anything of ours is imported

from pyventus_typed.nats import local_server  # noqa: E402 - needs our `tests`
from pyventus_typed.nats.errors import NoServer  # noqa: E402 - needs our `tests`
from tests.edges.nats import worker_process  # noqa: E402 - needs our `tests`


async def serve(store: str) -> None:
    try:
        async with local_server(store=store) as url:
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)
    except NoServer as error:
        sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(worker_process.main(*arguments) if what == "worker" else serve(*arguments))
