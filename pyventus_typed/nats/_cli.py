"""The command line of this edge: ``nats demo`` and ``nats dead-letters``."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import nats.errors
from nats.js.errors import NotFoundError

from pyventus_typed.nats import _demo
from pyventus_typed.nats._connection import Server, connect, redact, shut
from pyventus_typed.nats._dead_letters import DeadLetter, DeadLetters
from pyventus_typed.nats._wire import check_token
from pyventus_typed.nats.errors import NatsError, NoStream

if TYPE_CHECKING:
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # it has no other name


Action: TypeAlias = Callable[[DeadLetters, argparse.Namespace], Awaitable[int]]


def add_parser(subparsers: "Subparsers") -> None:
    """Add ``nats`` and what is below it. The default ``run`` of each takes the options and returns the exit code."""
    parser = subparsers.add_parser("nats", help="events between processes, on NATS JetStream")
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = below.add_parser("demo", help="a server, publishers and workers, some of which are killed")
    demo.add_argument("--orders", type=_positive, default=1000, help="how many orders flow (default: 1000)")
    demo.add_argument("--kills", type=_positive, default=6, help="how many workers are killed (default: 6)")
    demo.add_argument("--seed", type=int, default=None, help="which ones are killed when")
    demo.set_defaults(run=_run_demo)

    letters = below.add_parser("dead-letters", help="what a group gave up: list, show, send again")
    letters.add_argument("--server", default="nats://127.0.0.1:4222", help="the server's URL")
    letters.add_argument("--credentials", default=None, help="path of a .creds file")
    actions = letters.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = actions.add_parser("list", help="one line for each dead letter")
    shown = actions.add_parser("show", help="one dead letter: where it was, why it died, headers and bytes")
    sent = actions.add_parser("send", help="hand dead letters to the group that gave them up, once more")
    for action in (listed, shown, sent):
        action.add_argument("stream", help="the stream that the events came from")
    for action in (listed, sent):
        action.add_argument("--group", default=None, help="only those of this group")
    shown.add_argument("number", type=_positive)
    sent.add_argument("numbers", type=_positive, nargs="*", metavar="number")
    sent.add_argument("--all", action="store_true", help="all of them, or all of --group")
    listed.set_defaults(run=partial(_with_letters, _list))
    shown.set_defaults(run=partial(_with_letters, _show))
    sent.set_defaults(run=partial(_with_letters, _send))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


def _complain(error: object) -> int:
    sys.stderr.write(f"python -m pyventus_typed: {error}\n")
    return 1


def _say(line: str = "") -> None:
    sys.stdout.write(line + "\n")


def _run_demo(options: argparse.Namespace) -> int:
    if options.kills > options.orders // 2:
        return _complain(f"{options.kills} kills are too many for {options.orders} orders: half as many at most.")
    try:
        return asyncio.run(_demo.run(orders=options.orders, kills=options.kills, seed=options.seed))
    except NatsError as error:
        return _complain(error)


# ---------------------------------------------------------------- dead letters


def _with_letters(action: Action, options: argparse.Namespace) -> int:
    async def run() -> int:
        async with _open_letters(options) as letters:
            return await action(letters, options)

    try:
        return asyncio.run(run())
    except (NatsError, ValueError) as error:
        return _complain(error)
    except nats.errors.Error as error:
        return _complain(f"the server at {redact(options.server)} does not do it: {error}")


@asynccontextmanager
async def _open_letters(options: argparse.Namespace) -> AsyncGenerator[DeadLetters]:
    stream = check_token("stream", options.stream)
    if getattr(options, "group", None) is not None:
        check_token("group", options.group)
    client = await connect(Server(options.server, credentials=options.credentials), name="pyventus_typed dead-letters")
    try:
        try:
            await client.jetstream().stream_info(stream)
        except NotFoundError:
            raise NoStream(f"The server at {redact(options.server)} has no stream {stream!r}.") from None
        yield DeadLetters(client, client.jetstream(), stream)
    finally:
        await shut(client)


async def _list(letters: DeadLetters, options: argparse.Namespace) -> int:
    found = [letter async for letter in letters.all(group=options.group)]
    if not found:
        _say(_none_of(options))
        return 0
    rows = [("number", "died", "group", "event", "attempts", "reason"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        _say("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
    return 0


def _row(letter: DeadLetter) -> tuple[str, ...]:
    died = letter.died.strftime("%Y-%m-%d %H:%M:%S")
    return (
        str(letter.number),
        died,
        letter.group,
        letter.name,
        str(letter.attempts),
        _shorten(letter.reason),
    )


async def _show(letters: DeadLetters, options: argparse.Namespace) -> int:
    letter = await letters.get(options.number)
    _say(f"dead letter  {letter.number} of {letter.stream}")
    _say(f"event        {letter.name}, id {letter.id or '(none)'}, sequence {letter.sequence}")
    attempts = "1 attempt" if letter.attempts == 1 else f"{letter.attempts} attempts"
    _say(f"given up by  {letter.group}, at {letter.died.isoformat(timespec='seconds')}, after {attempts}")
    _say("reason       " + _harmless(letter.reason).replace("\n", "\n             "))
    _say()
    headers = {key: value for key, value in sorted(letter.headers.items()) if not key.startswith("Pyventus-")}
    for key, value in headers.items():
        _say(f"{key}: {_harmless(value)}")
    if headers:
        _say()
    _say(_harmless(letter.data.decode("utf-8", "backslashreplace")))
    return 0


def _harmless(text: str) -> str:
    """What strangers sent, without what a terminal would take for orders."""
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode() for sign in text
    )


async def _send(letters: DeadLetters, options: argparse.Namespace) -> int:
    if bool(options.numbers) == options.all:
        return _complain("say which dead letters: their numbers, or --all.")
    if options.all:
        chosen = [letter async for letter in letters.all(group=options.group)]
    else:
        chosen = [await letters.get(number) for number in options.numbers]
        if strangers := [str(letter.number) for letter in chosen if options.group not in {None, letter.group}]:
            return _complain(f"not of the group {options.group!r}: {', '.join(strangers)}. Nothing was sent.")
    for letter in chosen:
        sequence = await letters.send_again(letter)
        _say(f"{letter.number} was sent to {letter.group} again, as sequence {sequence}")
    if not chosen:
        _say(_none_of(options))
    return 0


def _none_of(options: argparse.Namespace) -> str:
    return "No dead letters." if options.group is None else f"No dead letters of the group {options.group!r}."


def _shorten(text: str, width: int = 80) -> str:
    line = _harmless(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"
