"""The command line of this edge: ``nats demo``, ``health``, ``asyncapi``, ``schemas`` and ``dead-letters``."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from pyventus_typed._spelling import several, with_article
from pyventus_typed.cli._parsing import NotLoaded, Subparsers, complain, load, printable, refuse
from pyventus_typed.nats import _demo
from pyventus_typed.nats._codec import JsonCodec
from pyventus_typed.nats._connection import Server, check, connect, find_api, redact, shut
from pyventus_typed.nats._consumer import read_group
from pyventus_typed.nats._dead_letters import DeadLetter, DeadLetters
from pyventus_typed.nats._schemas import asyncapi, event_schemas, schema_changes
from pyventus_typed.nats._stream import JetStream, lanes_of
from pyventus_typed.nats._wire import check_token, original_headers
from pyventus_typed.nats.errors import NatsError, NoStream

LettersAction: TypeAlias = Callable[[DeadLetters, argparse.Namespace], Awaitable[int]]


def add_parser(subparsers: Subparsers) -> None:
    """Add ``nats`` and what is below it. The default ``run`` of each takes the options and returns the exit code."""
    parser = subparsers.add_parser("nats", help="send events between processes, with NATS JetStream")
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = below.add_parser(
        "demo", help="run a server, publishers and workers, kill some of them, and count what was lost"
    )
    demo.add_argument("--orders", type=_positive, default=1000, help="the number of orders to publish (default: 1000)")
    demo.add_argument("--kills", type=_positive, default=6, help="the number of workers to kill (default: 6)")
    demo.add_argument("--seed", type=int, default=None, help="the seed for the random choice of what to kill, and when")
    demo.set_defaults(run=_run_demo, program=demo.prog)

    health = below.add_parser(
        "health", help="check whether workers serve a group, and how far it lags behind; exit code 0 or 1"
    )
    _add_connection(health)
    health.add_argument("stream", help="the stream that the group reads")
    health.add_argument("group", help="the name of the group of workers")
    health.add_argument(
        "--max-lag", type=_positive, default=None, help="the largest number of waiting events that is healthy"
    )
    health.set_defaults(run=partial(_connected, _health), program=health.prog)

    document = below.add_parser("asyncapi", help="print an AsyncAPI 3 document of a stream")
    document.add_argument("target", metavar="MODULE:NAME", help="a JetStream with a JsonCodec")
    document.add_argument("--version", default="1.0.0", help="the version of the document (default: 1.0.0)")
    document.set_defaults(run=_asyncapi, program=document.prog)

    shapes = below.add_parser("schemas", help="print the JSON Schema of each event, or check whether one has changed")
    shapes.add_argument("target", metavar="MODULE:NAME", help="a JsonCodec, or a JetStream with one")
    shapes.add_argument(
        "--check", metavar="FILE", default=None, help="compare with a file that this command wrote earlier"
    )
    shapes.set_defaults(run=_schemas, program=shapes.prog)

    letters = below.add_parser("dead-letters", help="list, show or send again the events that a group has given up on")
    _add_connection(letters)
    actions = letters.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listed = actions.add_parser("list", help="one line for each dead letter")
    shown = actions.add_parser("show", help="one dead letter: its origin, the reason, headers and bytes")
    sent = actions.add_parser("send", help="send dead letters to their group again")
    for action in (listed, shown, sent):
        action.add_argument("stream", help="the stream that the events came from")
        _add_connection(action, given=True)
    for action in (listed, sent):
        action.add_argument("--group", default=None, help="only those of this group")
    shown.add_argument("number", type=_positive, help="the number of the dead letter, as list shows it")
    sent.add_argument(
        "numbers",
        type=_positive,
        nargs="*",
        metavar="number",
        help="the numbers of the dead letters, as list shows them",
    )
    sent.add_argument("--all", action="store_true", help="send all dead letters, or all of --group")
    listed.set_defaults(run=partial(_with_letters, _list), program=listed.prog)
    shown.set_defaults(run=partial(_with_letters, _show), program=shown.prog)
    sent.set_defaults(run=partial(_with_letters, _send), program=sent.prog)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


def _say(line: str = "") -> None:
    sys.stdout.write(printable(line, keep="\n\t") + "\n")


def _run_demo(options: argparse.Namespace) -> int:
    if options.kills > options.orders // 2:
        return refuse(
            options.program, f"{options.kills} kills are too many for {options.orders} orders: half as many at most."
        )
    try:
        return asyncio.run(_demo.run(orders=options.orders, kills=options.kills, seed=options.seed))
    except NatsError as error:
        return complain(options.program, error)


@dataclass(frozen=True, slots=True)
class _Session:
    """A connection, and the stream that a command is about."""

    client: Client
    js: JetStreamContext
    api_prefix: str
    lanes: int


Action: TypeAlias = Callable[[_Session, argparse.Namespace], Awaitable[int]]


def _add_connection(parser: argparse.ArgumentParser, *, given: bool = False) -> None:
    """Where the server is. *given*: that may come before the name of this command, too, and is kept if not here."""
    server, none = (argparse.SUPPRESS, argparse.SUPPRESS) if given else ("nats://127.0.0.1:4222", None)
    parser.add_argument("--server", default=server, help="the URL of the server (default: nats://127.0.0.1:4222)")
    parser.add_argument("--credentials", default=none, help="path of a .creds file")
    parser.add_argument("--domain", default=none, help="the JetStream domain, if the server is a leaf node")


def _connected(action: Action, options: argparse.Namespace) -> int:
    """Run *action* on the stream that *options* name."""
    try:
        check_token("stream", options.stream)
        if getattr(options, "group", None) is not None:
            check_token("group", options.group)
        server = Server(options.server, credentials=options.credentials)
    except ValueError as error:
        return refuse(options.program, error)

    async def run() -> int:
        async with _session(server, options) as session:
            return await action(session, options)

    try:
        return asyncio.run(run())
    except NatsError as error:
        return complain(options.program, error)
    except nats.errors.Error as error:
        return complain(options.program, f"the server at {redact(options.server)} does not do it: {error}")


@asynccontextmanager
async def _session(server: Server, options: argparse.Namespace) -> AsyncGenerator[_Session]:
    where = redact(server.urls)
    api_prefix = find_api(options.domain, None)
    client = await connect(server, name="pyventus_typed command")
    try:
        js = client.jetstream(prefix=api_prefix)
        await check(client, js, where=where, patience=0)
        try:
            info = await js.stream_info(options.stream)
        except NotFoundError:
            raise NoStream(f"The server at {where} has no stream {options.stream!r}.") from None
        yield _Session(client, js, api_prefix, lanes_of(info))
    finally:
        await shut(client)


# ---------------------------------------------------------------- schemas


def _asyncapi(options: argparse.Namespace) -> int:
    try:
        stream, codec = _load(options.target)
    except NotLoaded as error:
        return refuse(options.program, error)
    if stream is None:
        return refuse(
            options.program, f"{options.target}: this is a codec, and a document is about a stream. Name the JetStream."
        )
    _write_json(asyncapi(stream, codec, version=options.version))
    return 0


def _schemas(options: argparse.Namespace) -> int:
    try:
        _, codec = _load(options.target)
    except NotLoaded as error:
        return refuse(options.program, error)
    now = event_schemas(codec)
    if options.check is None:
        _write_json(now)
        return 0
    try:
        before = json.loads(Path(options.check).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return refuse(
            options.program, f"{options.check} cannot be read: {error}. Write it with: nats schemas {options.target}."
        )
    changes = schema_changes(before, now)
    for line in changes:
        _say(line)
    if changes:
        return complain(
            options.program,
            "The wire has changed. A new event, or a new field with a default, is safe: write the file again. Anything "
            "else needs a new name: Wire('...v2', ...).formerly('...v1', ...).",
        )
    return 0


def _write_json(document: object) -> None:
    _say(json.dumps(document, indent=2, ensure_ascii=True))


def _load(target: str) -> tuple[JetStream[Any] | None, JsonCodec[Any]]:  # Any: of whatever family
    found = load(target, "NAME", "shop.events:codec")[1]
    stream = found if isinstance(found, JetStream) else None
    codec = found.codec if isinstance(found, JetStream) else found
    if not isinstance(codec, JsonCodec):
        raise NotLoaded(
            target, f"this is neither a JsonCodec nor a JetStream with one, but {with_article(type(codec).__name__)}."
        )
    return stream, codec


# ---------------------------------------------------------------- health


async def _health(session: _Session, options: argparse.Namespace) -> int:
    state = await read_group(session.js, options.stream, options.group, session.lanes)
    if len(state.missing) == session.lanes + 1:
        return complain(
            options.program, f"The stream {options.stream!r} has no group {options.group!r}. Start a worker of it."
        )
    _say(f"consumers  {session.lanes + 1 - len(state.missing)} of {session.lanes + 1}")
    _say(f"asked      {'yes' if state.asked else 'no'}")
    by_lane = ", ".join(f"{lane}: {lag}" for lane, lag in state.lanes.items() if lag and lane is not None)
    _say(f"lag        {state.lag}" + (f" (lane {by_lane})" if by_lane else ""))
    if state.missing:
        return complain(
            options.program,
            f"The group has no consumer {', '.join(state.missing)}. Start a worker of it: that creates them.",
        )
    if not state.asked:
        return complain(options.program, "No worker of the group asks for events.")
    if options.max_lag is not None and state.lag > options.max_lag:
        return complain(options.program, f"The lag of {state.lag} is above {options.max_lag}.")
    return 0


# ---------------------------------------------------------------- dead letters


def _with_letters(action: LettersAction, options: argparse.Namespace) -> int:
    async def run(session: _Session, options: argparse.Namespace) -> int:
        return await action(DeadLetters(session.client, options.stream, api_prefix=session.api_prefix), options)

    return _connected(run, options)


async def _list(letters: DeadLetters, options: argparse.Namespace) -> int:
    rows = [_row(letter) async for letter in letters.all(group=options.group)]
    if not rows:
        _say(_none_of(options))
        return 0
    rows.insert(0, ("number", "died", "group", "event", "attempts", "reason"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        _say("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
    return 0


def _row(letter: DeadLetter) -> tuple[str, ...]:
    died = letter.died.strftime("%Y-%m-%d %H:%M:%S")
    return (
        str(letter.number),
        died,
        printable(letter.group) or "-",
        printable(letter.name) or "-",
        str(letter.attempts),
        _shorten(letter.reason),
    )


async def _show(letters: DeadLetters, options: argparse.Namespace) -> int:
    letter = await letters.get(options.number)
    _say(f"dead letter  {letter.number} of {letter.stream}")
    _say(f"event        {letter.name}, id {letter.id or '(none)'}, sequence {letter.sequence}")
    died = letter.died.isoformat(timespec="seconds")
    _say(f"given up by  {letter.group}, at {died}, after {several(letter.attempts, 'attempt')}")
    _say("reason       " + letter.reason.replace("\n", "\n             "))
    _say()
    headers = original_headers(dict(sorted(letter.headers.items())))
    for key, value in headers.items():
        _say(f"{key}: {value}")
    if headers:
        _say()
    _say(letter.data.decode("utf-8", "backslashreplace"))
    return 0


async def _send(letters: DeadLetters, options: argparse.Namespace) -> int:
    if bool(options.numbers) == options.all:
        return refuse(options.program, "say which dead letters: their numbers, or --all.")
    if options.all:
        chosen = [letter async for letter in letters.all(group=options.group)]
    else:
        chosen = [await letters.get(number) for number in options.numbers]
        if others := [str(letter.number) for letter in chosen if options.group not in {None, letter.group}]:
            return complain(
                options.program, f"not of the group {options.group!r}: {', '.join(others)}. Nothing was sent."
            )
    for letter in chosen:
        sequence = await letters.send_again(letter)
        _say(f"{letter.number} was sent to {letter.group} again, as sequence {sequence}")
    if not chosen:
        _say(_none_of(options))
    return 0


def _none_of(options: argparse.Namespace) -> str:
    return "No dead letters." if options.group is None else f"No dead letters of the group {options.group!r}."


def _shorten(text: str, width: int = 80) -> str:
    line = " ".join(printable(text, keep="\n\t").split())
    return line if len(line) <= width else line[: width - 1] + "…"
