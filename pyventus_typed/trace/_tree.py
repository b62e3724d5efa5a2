"""A timeline as a tree of causes, in the terminal."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from pyventus_typed.cli._parsing import printable

from ._records import SIGNS, DeliveryRecord, EmissionRecord, Outcome, Recording, show_time

_DEEPEST = 12
"""A chain of ticks would leave no room in the line: from here on they are below each other."""
_STYLES: dict[Outcome, str] = {
    "pending": "dim",
    "completed": "green",
    "cancelled": "yellow",
    "failed": "red",
    "discarded": "magenta",
}


def tree(timeline: Recording) -> Tree:
    """Each emission below the one whose handler emitted it, behind its own deliveries."""
    root = Tree(Text(timeline.summary(), "bold"))
    nodes: dict[int, tuple[Tree, Tree, int]] = {}  # each with the one above it, and its depth
    for emission in timeline.emissions:
        node, above, depth = (root, root, 0) if emission.parent is None else nodes.get(emission.parent, (root, root, 0))
        if depth == _DEEPEST:
            node, depth = above, depth - 1
        made = node.add(_of_emission(timeline, emission))
        nodes[emission.id] = made, node, depth + 1
        for delivery in emission.deliveries:
            made.add(_of_delivery(timeline, emission, delivery))
    return root


def _of_emission(timeline: Recording, emission: EmissionRecord) -> Text:
    at = f"step {emission.accepted:g}" if timeline.unit == "steps" else f"at {show_time(emission.accepted, 's')}"
    return Text.assemble(
        (printable(emission.event), "bold"), " ", (at, "dim"), "" if emission.deliveries else " no handler receives it"
    )


def _of_delivery(timeline: Recording, emission: EmissionRecord, delivery: DeliveryRecord) -> Text:
    parts = []
    if delivery.started is not None:
        waited = delivery.started - emission.accepted
        if waited > 0:
            parts.append(f"waited {show_time(waited, timeline.unit)}")
        if delivery.ended is not None:
            parts.append(f"ran {show_time(delivery.ended - delivery.started, timeline.unit)}")
    if delivery.outcome != "completed":
        parts.append(delivery.outcome)
    text = Text.assemble((SIGNS[delivery.outcome], _STYLES[delivery.outcome]), f" {printable(delivery.handler)}")
    text.append(f" {', '.join(parts)}" if parts else "", "dim")
    # A text that somebody else has written may hold what a terminal takes for a command.
    text.append(f": {printable(delivery.said)}" if delivery.said else "", _STYLES[delivery.outcome])
    return text
