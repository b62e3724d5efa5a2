"""Threads that begin at the same moment."""

import os
import sys
import threading
from collections.abc import Callable

TIMES = int(os.environ.get("PYVENTUS_STRESS", "1"))
"""How much longer than in an ordinary run the stress programs work."""
PATIENCE = 50 * TIMES
"""Seconds after which something hangs."""


def together(*jobs: Callable[[], object]) -> None:
    """Run each of *jobs* in a thread, all at the same moment and switched as often as can be; raise what one raised."""
    gate, errors = threading.Barrier(len(jobs)), list[BaseException]()

    def run(job: Callable[[], object]) -> None:
        try:
            gate.wait(10)
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "a thread does not return"
