"""What a callable can be called with, asked without a look at its annotations."""

import inspect
import sys
from collections.abc import Callable
from typing import Any

from typing_extensions import Format

# Since 3.14 annotations are evaluated when they are asked for, and a name may exist for type checkers only.
_UNEVALUATED: dict[str, Any] = (
    {"annotation_format": Format.STRING} if sys.version_info >= (3, 14) else {}
)  # Any: as inspect's


def call_signature(callee: Callable[..., object], *, follow_wrapped: bool = True) -> inspect.Signature:
    """`inspect.signature`, with annotations left as text where Python would evaluate them now."""
    return inspect.signature(callee, follow_wrapped=follow_wrapped, **_UNEVALUATED)
