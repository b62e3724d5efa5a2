"""Hypothesis, or how to get it."""

from __future__ import annotations

try:
    import hypothesis
    import hypothesis.control
    import hypothesis.errors
    import hypothesis.stateful
    import hypothesis.strategies
except (
    ImportError
) as error:  # pragma: no cover  # the tests of it run without hypothesis, in an interpreter of their own
    raise ImportError(
        "events, given_interleavings and EventMachine need Hypothesis: pip install 'pyventus-typed[testing]'. "
        "VirtualLoop, run and explore work without it."
    ) from error

__all__ = ["hypothesis"]
