"""What the server's refusals and silences mean, as errors of ours."""

from collections.abc import Generator
from contextlib import contextmanager

import nats.errors
from nats.js.errors import APIError, NotFoundError

from pyventus_typed.nats.errors import NatsError, NoServer, Refused, StreamFull

FULL = frozenset({10002, 10023, 10047, 10048, 10077})  # the server's codes for "no room", of the stream or the account
_TOO_LARGE = 10054


def refusal(error: APIError, *, stream: str, name: str, event_id: str, size: int) -> NatsError:
    """The error for an event that the server does not store."""
    what = error.description or str(error)
    if error.err_code in FULL:
        return StreamFull(
            f"The stream {stream!r} is full ({what}), so {name} ({event_id}) was not stored. "
            "Raise max_bytes, or let the stream forget: max_age, or retention='interest'."
        )
    if error.err_code == _TOO_LARGE:
        return Refused(f"The stream {stream!r} takes no message of {size} bytes: {what}.")
    return Refused(f"The stream {stream!r} refuses {name} ({event_id}): {what}.")


@contextmanager
def answered(what: str) -> Generator[None]:
    """Around questions to the server: what nats-py raises becomes ``Refused`` or ``NoServer``, and says *what* was asked.

    ``NotFoundError`` passes: that is an answer.
    """
    try:
        yield
    except NotFoundError:
        raise
    except APIError as error:
        raise Refused(f"The server refuses {what}: {error.description or error}.") from error
    except nats.errors.Error as error:
        raise NoServer(
            f"The server does not answer, so there is no {what} ({error}). Try again when it is back."
        ) from error
