"""What the server's refusal of a message means. A pure function."""

from nats.js.errors import APIError

from pyventus_typed.nats.errors import NatsError, Refused, StreamFull

FULL = frozenset({10002, 10023, 10047, 10048, 10077})  # the server's codes for "no room", of the stream or the account
_TOO_LARGE = 10054


def refusal(error: APIError, *, stream: str, name: str, event_id: str, size: int) -> NatsError:
    what = error.description or str(error)
    if error.err_code in FULL:
        return StreamFull(
            f"The stream {stream!r} is full ({what}), so {name} ({event_id}) was not stored. "
            "Raise max_bytes, or let the stream forget: max_age, or retention='interest'."
        )
    if error.err_code == _TOO_LARGE:
        return Refused(f"The stream {stream!r} takes no message of {size} bytes: {what}.")
    return Refused(f"The stream {stream!r} refuses {name} ({event_id}): {what}.")
