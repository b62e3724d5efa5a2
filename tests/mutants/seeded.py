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
SHORT = ("tests/properties/test_short_ways.py",)
PUBLISH = ("tests/processors/test_publish.py",)
HERE = ("tests/processors/test_here.py",)
DELIVERY = ("tests/processors/test_delivery.py",)
EMISSION = ("tests/test_emission.py",)
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
        "        return self._leave(job, index) if job.kept is None or index not in job.kept else ()\n",
        "        return self._leave(job, index) if type(outcome).__name__ != 'Failed' else ()\n",
        ORDER,
    ),
    Mutant(
        "the line is stuck after a cancellation",
        "processors/_line.py",
        "        return self._leave(job, index) if job.kept is None or index not in job.kept else ()\n",
        "        return self._leave(job, index) if not isinstance(outcome, Cancelled) else ()\n",
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
        "            entry._wave = parent._wave\n",
        "            entry._wave = self._wave\n",
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
        '        "close": end,\n',
        "",
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
        "        if self.settings.capacity is not None and emission._open and not self.room.has_place(self, emission):\n            return None\n        use_up(emission)\n",
        "        use_up(emission)\n        if self.settings.capacity is not None and emission._open and not self.room.has_place(self, emission):\n            return None\n",
        ROOM,
    ),
    Mutant(
        "one more than capacity",
        "processors/_room.py",
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
    # The short ways.
    Mutant(
        "a short emission without a loop is not counted as completed",
        "processors/_whole.py",
        "    ledger.completed += 1\n",
        "",
        SHORT,
    ),
    Mutant(
        "a short emission without a loop is not the current one",
        "processors/_whole.py",
        "    running.rest = handlers\n    running.emission = emission\n",
        "    running.rest = handlers\n",
        SHORT,
    ),
    Mutant(
        "a thread stays busy after a short emission",
        "processors/_whole.py",
        "        emission.tell()\n    stage.busy = False\n",
        "        emission.tell()\n",
        SHORT,
    ),
    Mutant(
        "what a short emission without a loop has emitted is not run",
        "processors/_whole.py",
        "    if stage.ready or stage.calls:\n        stage.run()\n",
        "",
        HERE,
    ),
    Mutant(
        "a short emission does not hear another thread",
        "processors/_whole.py",
        " is not None or calls:",
        " is not None:",
        EMISSION,
    ),
    Mutant(
        "an emission that does not stand in the books cannot be cancelled",
        "processors/_line.py",
        "        self.look(emission)  # on the shortest way it does not even stand in the books\n",
        "",
        EMISSION,
    ),
    Mutant(
        "parent not set on the short way of a loop",
        "processors/_short.py",
        "            emission._parent = ref(parent)\n",
        "            pass\n",
        SHORT,
    ),
    Mutant(
        "a child on the short way is not in the wave of its parent",
        "processors/_short.py",
        "            ledger.accept(emission, parent)\n",
        "            ledger.enter(emission)\n",
        (*SHORT, *WAITING),
    ),
    Mutant(
        "unfolding is off by one",
        "processors/_whole.py",
        "    index = max(0, count - left - 1)",
        "    index = max(0, count - left - 2)",
        SHORT,
    ),
    Mutant(
        "unfolding forgets the rest",
        "processors/_short.py",
        "            self.stage.ready.extendleft((job, index) for index in reversed(left))\n",
        "            pass\n",
        SHORT,
    ),
    Mutant(
        "what unfolds goes behind what was accepted after it",
        "processors/_short.py",
        "self.stage.ready.extendleft((job, index) for index in reversed(left))",
        "self.stage.ready.extend((job, index) for index in left)",
        SHORT,
    ),
    Mutant(
        "the calls go on behind the back of an emission that was unfolded",
        "processors/_whole.py",
        "        for _ in rest:\n            pass  # nobody is called behind the job's back\n",
        "",
        SHORT,
    ),
    Mutant(
        "what was cancelled while it was ready runs on the short way",
        "processors/_whole.py",
        "    if emission._outcomes is not route.waiting:\n        return None  # cancelled while it was ready\n",
        "",
        SHORT,
    ),
    Mutant(
        "a delivery that somebody holds does not look",
        "_emission.py",
        '        """Whether the handler was called."""\n        self._look()\n',
        '        """Whether the handler was called."""\n',
        EMISSION,
    ),
    Mutant(
        "no current emission in a flight",
        "processors/_flight.py",
        "        set_current(emission)\n",
        "",
        SHORT,
    ),
    Mutant(
        "a flight does not know that it started",
        "processors/_flight.py",
        "            put(emission, index, STARTED)\n",
        "            pass\n",
        SHORT,
    ),
    Mutant(
        "a flight that was cancelled before it began starts",
        "processors/_flight.py",
        "        if emission._outcomes[index] is not None:\n            return  # it was discarded while it waited\n",
        "",
        END,
    ),
    Mutant(
        "a flight that fails lands as completed",
        "processors/_flight.py",
        "        outcome = _failed(line, emission, index, error)\n",
        "        _failed(line, emission, index, error)\n",
        SHORT,
    ),
    Mutant(
        "whoever looks at a flight loses its tasks",
        "processors/_short.py",
        "                    self.stage.tasks[job, index] = task\n",
        "                    pass\n",
        (*SHORT, *EMISSION),
    ),
    Mutant(
        "flights are left in the list",
        "processors/_short.py",
        "        del self.flights[emission]\n",
        "",
        (*SHORT, *END),
    ),
    Mutant(
        "a publish does not look whether its task was cancelled",
        "processors/_published.py",
        "                if value is not None or task.cancelling() > cancelled:\n",
        "                if value is not None:\n",
        PUBLISH,
    ),
    Mutant(
        "a short publish that is unfolded does not know its task",
        "processors/_short.py",
        "            job.runner = runner\n",
        "            pass\n",
        PUBLISH,
    ),
    Mutant(
        "a publish leaves its emission current",
        "processors/_published.py",
        "    finally:\n        _reset(token)\n\n\ndef",
        "    finally:\n        pass\n\n\ndef",
        SHORT,
    ),
    Mutant(
        "a publish on a lost loop is counted twice",
        "processors/_short.py",
        "            if emission._open:  # else its loop was lost, and it is settled\n",
        "            if True:\n",
        END,
    ),
    Mutant(
        "a mailbox task goes on after it was cancelled",
        "processors/_serving.py",
        " and not task._must_cancel",
        "",
        DELIVERY,
    ),
    Mutant(
        "a served delivery goes on outside of its context",
        "processors/_serving.py",
        "            waits = context.run(step)\n",
        "            waits = step()\n",
        DELIVERY,
    ),
    Mutant(
        "what a mailbox serves is cancelled by nobody",
        "processors/_serving.py",
        "        line.stage.tasks[job, index] = task\n",
        "        pass\n",
        DELIVERY,
    ),
    Mutant(
        "every loop is taken for the one that runs here",
        "_loops.py",
        "        return running_in == get_ident()\n",
        "        return running_in is not None\n",
        ("tests/processors/test_threads.py", "tests/processors/test_here.py"),
    ),
    Mutant(
        "after a fork the parent's loop is taken for the child's",
        "_loops.py",
        "    os.register_at_fork(after_in_child=_fork)\n",
        "    pass\n",
        ("tests/processors/test_here.py",),
    ),
    Mutant(
        "a fresh loop is closed without shutting down its async generators",
        "processors/_stage.py",
        "        await loop.shutdown_asyncgens()\n",
        "",
        END,
    ),
    Mutant(
        "a fresh loop leaves the tasks that a handler started",
        "processors/_stage.py",
        "        if left:\n            await cancelled(left, loop)\n",
        "",
        END,
    ),
    Mutant(
        "a short way stays open while another loop is closed",
        "processors/_short.py",
        "not (stage.ending or endings)",
        "not stage.ending",
        END,
    ),
    Mutant(
        "a wait without a coroutine does not raise",
        "_emission.py",
        "            if self._open:\n                self.unwatch(waiter)\n        self.raise_failures()\n",
        "            if self._open:\n                self.unwatch(waiter)\n",
        EMISSION,
    ),
    Mutant(
        "a route forgets priorities",
        "_routing.py",
        "                if options.priority:\n",
        "                if options.priority > 1:\n",
        ("tests/test_routing.py", "tests/properties/test_routing.py"),
    ),
    Mutant(
        "a class is checked only when it is subscribed to",
        "_linker.py",
        "        if kind in self._singles and is_decorated(kind):\n",
        "        if kind in self._singles:\n",
        ("tests/test_linker.py", "tests/test_event.py"),
    ),
    Mutant(
        "a mailbox runs what somebody publishes",
        "processors/_serving.py",
        "place.granted is None and place.is_served(index)",
        "place.is_served(index)",
        ("tests/processors/test_publish.py",),
    ),
    Mutant(
        "a mailbox calls what has failed already",
        "processors/_serving.py",
        "place.granted is None and place.is_served(index)",
        "place.granted is None",
        ("tests/processors/test_delivery.py",),
    ),
    Mutant(
        "what a publish's coroutine returns is awaited again",
        "processors/_published.py",
        "    if failure is None and not awaited and must_await(value):\n",
        "    if failure is None and must_await(value):\n",
        (*SHORT, "tests/processors/test_publish.py"),
    ),
    Mutant(
        "a fresh loop has a task of ours",
        "processors/_stage.py",
        "            asyncio._unregister_task(winding_up)\n",
        "",
        END,
    ),
)
