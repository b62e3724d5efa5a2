"""Where nodes and edges stand on the page: the second half of a layered layout."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ._layers import Columns, forward_edges

Point = tuple[float, float]

_COLUMN_GAP = 64.0
_ROW_GAP = 14.0
_PASSING = 6.0  # what an edge needs to pass between two nodes
_PORT = 7.0  # between two edges that end at one side of a node
_STRAIGHT = 4
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Size:
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The centres of the nodes, and the points of each edge from its source to its target."""

    centres: Mapping[str, Point]
    routes: Sequence[Sequence[Point]]
    size: Size


def lay_out(sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]]) -> Layout:
    """Columns from left to right, in the direction of the edges. The same input gives the same layout."""
    forward = forward_edges(tuple(sizes), edges)
    page = _Page(Columns(tuple(sizes), forward), sizes)
    return Layout(
        centres={key: (page.x[key], page.y[key]) for key in sizes},
        # What was turned round for the layout is turned back for the drawing.
        routes=[
            route if edge == turned else route[::-1]
            for route, edge, turned in zip(page.routes(), edges, forward, strict=True)
        ],
        size=page.size,
    )


def _height(station: Hashable, sizes: Mapping[str, Size]) -> float:
    return sizes[station].height if isinstance(station, str) else _PASSING


def _rows(columns: Columns[str], height: Mapping[Hashable, float]) -> dict[Hashable, float]:
    """The y of each station: as near to the mean of its neighbours as order and distance allow."""
    y: dict[Hashable, float] = {}
    for column in columns.columns:
        top = 0.0
        for station in column:
            y[station] = top + height[station] / 2
            top += height[station] + _ROW_GAP
    for turn in range(_ROUNDS):
        ordered = columns.columns if turn % 2 == 0 else columns.columns[::-1]
        for column in ordered:
            wanted: list[float] = []
            for station in column:
                near = [*columns.before.get(station, ()), *columns.after.get(station, ())]
                # A long edge pulls harder than a neighbour: where it bends, the eye loses it.
                weights = [1 if isinstance(station, str) and isinstance(each, str) else _STRAIGHT for each in near]
                total = sum(weight * y[each] for weight, each in zip(weights, near, strict=True))
                wanted.append(total / sum(weights) if near else y[station])
            y.update(zip(column, _apart(wanted, [height[each] for each in column]), strict=True))
    top = min((y[each] - height[each] / 2 for each in y), default=0.0)
    return {station: at - top for station, at in y.items()}


def _apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """The places closest to *wanted*, in least squares, that keep the order and do not overlap.

    Without the distances this is isotonic regression, and pooling neighbours that are in each other's way solves it.
    """
    offsets = [0.0]
    for upper, lower in pairwise(heights):
        offsets.append(offsets[-1] + (upper + lower) / 2 + _ROW_GAP)
    pools: list[tuple[float, int]] = []  # the mean of a pool, and how many are in it
    for place, offset in zip(wanted, offsets, strict=False):
        mean, count = place - offset, 1
        while pools and pools[-1][0] > mean:
            before, size = pools.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        pools.append((mean, count))
    flat = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(flat, offsets, strict=False)]


class _Page:
    """The columns, spread out."""

    def __init__(self, columns: Columns[str], sizes: Mapping[str, Size]) -> None:
        self._columns, self._sizes = columns, sizes
        height = {station: _height(station, sizes) for column in columns.columns for station in column}
        self.y = _rows(columns, height)
        self.x: dict[Hashable, float] = {}
        self._span: dict[Hashable, float] = {}  # the width of the column that a station stands in
        left = 0.0
        for column in columns.columns:
            width = max((sizes[each].width for each in column if isinstance(each, str)), default=0.0)
            for station in column:
                self.x[station], self._span[station] = left + width / 2, width
            left += width + _COLUMN_GAP
        bottom = max((self.y[each] + height[each] / 2 for each in self.y), default=0.0)
        self.size = Size(max(left - _COLUMN_GAP, 0.0), bottom)

    def routes(self) -> list[list[Point]]:
        stations = self._columns.routes
        leaving: dict[Hashable, list[int]] = {}
        arriving: dict[Hashable, list[int]] = {}
        for number, route in enumerate(stations):
            leaving.setdefault(route[0], []).append(number)
            arriving.setdefault(route[-1], []).append(number)
        # Edges meet a node in the order of where they come from, so that they do not cross in front of it.
        for numbers in leaving.values():
            numbers.sort(key=lambda number: (self.y[stations[number][1]], number))
        for numbers in arriving.values():
            numbers.sort(key=lambda number: (self.y[stations[number][-2]], number))
        found: list[list[Point]] = []
        for number, (source, *passed, target) in enumerate(stations):
            start = self._port(source, leaving[source], number, side=1)
            end = self._port(target, arriving[target], number, side=-1)
            # Curves are for the gaps: in a column, edges run straight, so that they cut no neighbour of their node.
            points = [start, (self._side(source, 1), start[1])]
            for station in passed:
                points += [(self._side(station, -1), self.y[station]), (self._side(station, 1), self.y[station])]
            points += [(self._side(target, -1), end[1]), end]
            # The widest node of a column reaches its side, and an arrow behind a line of no length has no direction.
            found.append(list(dict.fromkeys(points)))
        return found

    def _side(self, station: Hashable, side: int) -> float:
        """Where the column of a station begins (-1) or ends (1)."""
        return self.x[station] + side * self._span[station] / 2

    def _port(self, node: Hashable, edges: Sequence[int], edge: int, *, side: int) -> Point:
        """Where an edge meets the side of a node: all of them beside each other, around the middle."""
        size = self._sizes[str(node)]
        step = min(_PORT, size.height / (len(edges) + 1))
        return self.x[node] + side * size.width / 2, self.y[node] + (edges.index(edge) - (len(edges) - 1) / 2) * step
