"""One connection to NATS: opened with clear errors, checked, kept for ever."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError

from pyventus_typed.nats._log import logger
from pyventus_typed.nats.errors import AccessDenied, NoJetStream, NoServer, ServerTooOld

OLDEST: Final = (2, 10)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is and how to get in. For anything else, connect a nats-py client yourself and hand it over.

    *urls* may hold user and password (``nats://user:password@host:4222``). *credentials* is the path
    of a ``.creds`` file. *connect_timeout* is in seconds, for each address.
    """

    urls: str | Sequence[str] = "nats://127.0.0.1:4222"
    credentials: str | Path | None = None
    tls: ssl.SSLContext | None = None
    connect_timeout: float = 2.0


def redact(urls: str | Sequence[str]) -> str:
    """The addresses without their passwords, for messages."""
    listed = [urls] if isinstance(urls, str) else urls
    return ", ".join(url if "@" not in url else f"nats://{url.rpartition('@')[2]}" for url in listed)


async def connect(server: Server, *, name: str) -> Client:
    """Open a connection that reconnects for as long as it lives. Raises at once if nobody answers now."""
    # nats-py has one setting for the first connection and for all later ones: either a missing server
    # is reported at once, or a lost one is waited for. We want both, so the first attempt is a probe.
    probe = await _open(server, name=f"{name} (probe)", stay=False)
    await probe.close()
    client = await _open(server, name=name, stay=True)
    try:
        await check(client, where=redact(server.urls))
    except BaseException:
        await client.close()
        raise
    return client


async def check(client: Client, *, where: str) -> None:
    """Refuse servers that are too old or keep nothing."""
    version = client.connected_server_version
    if (version.major, version.minor) < OLDEST:
        raise ServerTooOld(f"{version.major}.{version.minor}.{version.patch}", where)
    try:
        await client.jetstream().account_info()
    except nats.errors.TimeoutError as error:
        raise AccessDenied(
            f"The server at {where} does not answer questions about JetStream. It does so where an account "
            "may not publish to $JS.API.> or subscribe to _INBOX.>: give it these permissions."
        ) from error
    except (NoStreamResponseError, nats.errors.NoRespondersError, APIError) as error:
        raise NoJetStream(
            f"The server at {where} has no JetStream for this account, so it would keep nothing. "
            "Start it with jetstream enabled (nats-server -js), or use local_server()."
        ) from error


async def _open(server: Server, *, name: str, stay: bool) -> Client:
    where = redact(server.urls)
    client = Client()
    heard: list[Exception] = []

    async def note(error: Exception) -> None:
        heard[:] = [error]  # what nats-py raises in the end is "no servers", without saying why
        if isinstance(error, (OSError, nats.errors.Error, TimeoutError)):
            logger.debug("nats: %s", error)
        else:  # what a callback raised
            logger.error("nats: %r", error, exc_info=error)

    async def note_loss() -> None:
        if not client.is_closed:
            logger.warning("lost the NATS server at %s; trying to reach it again", where)

    async def note_return() -> None:
        logger.warning("reached the NATS server at %s again", where)

    # Any: annotated as int by nats-py, which hands them to asyncio as they are.
    seconds: dict[str, Any] = {"connect_timeout": server.connect_timeout, "reconnect_time_wait": 0.2}
    try:
        await client.connect(
            servers=server.urls if isinstance(server.urls, str) else list(server.urls),
            name=name,
            user_credentials=None if server.credentials is None else str(server.credentials),
            tls=server.tls,
            allow_reconnect=stay,
            max_reconnect_attempts=-1 if stay else 1,
            error_cb=note,
            disconnected_cb=note_loss if stay else None,
            reconnected_cb=note_return if stay else None,
            **seconds,
        )
    except (OSError, nats.errors.Error, TimeoutError) as error:
        await client.close()
        why = heard[-1] if heard else error
        if isinstance(why, nats.errors.AuthorizationError) or "authorization" in str(why).lower():
            raise AccessDenied(f"The server at {where} refuses these credentials ({why}).") from error
        raise NoServer(
            f"No NATS server answers at {where} ({str(why) or type(why).__name__}). Start one there, "
            "or use local_server() for a server of your own on this machine."
        ) from error
    return client
