"""Seeded mutants: one line of the core made wrong, each in a way that a promise forbids."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """*old* stands exactly once in *file*, and becomes *new*; *tests* must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


LEDGER = ("tests/test_ledger.py", "tests/properties/test_ledger.py")
ORDER = ("tests/test_ordering.py", "tests/properties/test_ordering.py")
END = ("tests/processors/test_end_of_loop.py",)
WAITING = ("tests/processors/test_waiting.py",)
ROOM = ("tests/processors/test_room.py",)

MUTANTS = (
    Mutant(
        "newest first: a nested emission goes in front",
        "processors/_line.py",
        "                stage.ready.append((place, index))\n",
        "                stage.ready.appendleft((place, index))\n",
        ORDER,
    ),
    Mutant(
        "the line is stuck after an error",
        "processors/_line.py",
        "        if job.kept is None or index not in job.kept:\n",
        "        if (job.kept is None or index not in job.kept) and type(outcome).__name__ != 'Failed':\n",
        ORDER,
    ),
    Mutant(
        "the line is stuck after a cancellation",
        "processors/_line.py",
        "        if job.kept is None or index not in job.kept:\n",
        "        if (job.kept is None or index not in job.kept) and not isinstance(outcome, Cancelled):\n",
        ORDER,
    ),
    Mutant(
        "an outcome is not final",
        "_ledger.py",
        "        assert was is STARTED or (was is None and type(outcome) is not Completed), was  # our own logic\n",
        "",
        LEDGER,
    ),
    Mutant(
        "settled twice in the counts",
        "_ledger.py",
        "            case Status.FAILED:\n                self._failed += 1\n",
        "            case Status.FAILED:\n                self._failed += 2\n",
        LEDGER,
    ),
    Mutant(
        "told before the books are closed",
        "_ledger.py",
        "        # The books are closed before anybody can see that it is settled.\n",
        "        _call(entry._watchers or [])\n",
        LEDGER,
    ),
    Mutant(
        "an early waiter: what a pending emission emits is not waited for",
        "_ledger.py",
        "            wave = parent._wave\n",
        "            pass\n",
        (*LEDGER, *WAITING),
    ),
    Mutant(
        "a starved waiter: unrelated traffic joins what is waited for",
        "_ledger.py",
        "            self._wave = Wave()\n        self._sealed = [",
        "        self._sealed = [",
        (*LEDGER, *WAITING),
    ),
    Mutant(
        "a cancelled delivery is redelivered when its turn comes",
        "_ordering.py",
        "            if next_place.gone is None or next_index not in next_place.gone:\n",
        "            if next_place.gone is None or next_index in next_place.gone:\n",
        ORDER,
    ),
    Mutant(
        "a leak of keys",
        "_ordering.py",
        "            self._rows.pop(self._key, None)\n",
        "            pass\n",
        ORDER,
    ),
    Mutant(
        "a leak of mailboxes",
        "_ordering.py",
        "        del self._boxes[subscription]\n",
        "",
        ORDER,
    ),
    Mutant(
        "SERIAL lets the next one in before the last delivery has ended",
        "_ordering.py",
        "        if place.held:\n            return ()\n",
        "",
        ORDER,
    ),
    Mutant(
        "late emissions are not settled",
        "processors/_line.py",
        "        if ending:  # emitted while its loop ends: accounted for, and never started\n",
        "        if False:\n",
        END,
    ),
    Mutant(
        "no close hook",
        "processors/_end.py",
        '("shutdown_asyncgens", shutdown), ("close", end)):\n',
        '("shutdown_asyncgens", shutdown)):\n',
        END,
    ),
    Mutant(
        "no hook for the cancelling of all tasks",
        "processors/_end.py",
        "        if not _is_cancelling(loop, future):\n",
        "        if True:\n",
        END,
    ),
    Mutant(
        "delivery after the end",
        "processors/_end.py",
        "    stage.discard_rest(CLOSED)\n",
        "    pass\n",
        END,
    ),
    Mutant(
        "suspended coroutines are left to the garbage collector",
        "processors/_end.py",
        "            coroutine.close()\n",
        "            pass\n",
        END,
    ),
    Mutant(
        "a silent end",
        "processors/_line.py",
        "                self.lost.emissions.append(emission)\n",
        "                pass\n",
        END,
    ),
    Mutant(
        "`once` is used up by a rejected emission",
        "processors/_line.py",
        "        if self.settings.capacity is not None and emission._open and not self.has_room(emission):\n            return None\n        use_up(emission)\n",
        "        use_up(emission)\n        if self.settings.capacity is not None and emission._open and not self.has_room(emission):\n            return None\n",
        ROOM,
    ),
    Mutant(
        "one more than capacity",
        "processors/_line.py",
        "self.reserved >= capacity",
        "self.reserved > capacity",
        ROOM,
    ),
    Mutant(
        "a waiter that times out stops what it waits for",
        "processors/_asyncio.py",
        "    return not left\n",
        "    if left:\n        line.discard_rest('cancelled')\n        for task in tuple(line.stage.tasks.values()):\n"
        "            task.cancel()\n    return not left\n",
        WAITING,
    ),
    Mutant(
        "a handler may wait for its own end",
        "processors/_line.py",
        '        refuse([emission], job.emission, "waits for")\n',
        "        pass\n",
        WAITING,
    ),
)
