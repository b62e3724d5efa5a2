"""Which node stands in which column, and in which order: the first half of a layered layout.

The method is that of Sugiyama, Tagawa and Toda (1981): turn the edges that close a cycle, give every node a column
behind its predecessors, break long edges up into steps of one column, and sort the columns by their neighbours.
"""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

N = TypeVar("N", bound=Hashable)
Pair = tuple[N, N]

_SWEEPS = 16


def forward_edges(nodes: Sequence[N], edges: Sequence[Pair[N]]) -> list[Pair[N]]:
    """*edges* in their order, with those turned round that lead back to where a walk came from."""
    successors: dict[N, list[N]] = {node: [] for node in nodes}
    entered: dict[N, int] = dict.fromkeys(nodes, 0)
    for source, target in edges:
        successors[source].append(target)
        entered[target] += 1
    place: dict[N, int] = {}  # in the order of leaving: what a walk still has open comes later

    def walk(start: N) -> None:
        stack = [(start, iter(successors[start]))]
        seen.add(start)
        while stack:
            node, rest = stack[-1]
            following = next((each for each in rest if each not in seen), None)
            if following is None:
                place[node] = len(place)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(successors[following])))

    seen: set[N] = set()
    for node in sorted(nodes, key=lambda each: entered[each] > 0):  # stable: sources first, else as given
        if node not in seen:
            walk(node)
    return [(s, t) if place[s] > place[t] else (t, s) for s, t in edges]


def columns_of(nodes: Sequence[N], edges: Sequence[Pair[N]]) -> dict[N, int]:
    """The column of each node: behind all that lead to it, and as close as that allows to what it leads to."""
    before: dict[N, list[N]] = {node: [] for node in nodes}
    after: dict[N, list[N]] = {node: [] for node in nodes}
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    missing = {node: len(before[node]) for node in nodes}
    order = [node for node in nodes if not missing[node]]
    for node in order:  # grows while it is walked
        for target in after[node]:
            missing[target] -= 1
            if not missing[target]:
                order.append(target)
    column: dict[N, int] = {}
    for node in order:
        column[node] = max((column[each] + 1 for each in before[node]), default=0)
    for node in reversed(order):
        if after[node] and not before[node]:
            column[node] = min(column[each] for each in after[node]) - 1
    return column


class Columns(Generic[N]):
    """The columns with their nodes in order, and the stations of each edge from column to column.

    A station is a node, or ``(edge, column)`` where an edge passes a column on its way.
    """

    def __init__(self, nodes: Sequence[N], edges: Sequence[Pair[N]]) -> None:
        column = columns_of(nodes, edges)
        self.columns: list[list[Hashable]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
        for node in nodes:
            self.columns[column[node]].append(node)
        self.routes: list[list[Hashable]] = []
        self.before: dict[Hashable, list[Hashable]] = {}
        self.after: dict[Hashable, list[Hashable]] = {}
        for number, (source, target) in enumerate(edges):
            passed = [(number, each) for each in range(column[source] + 1, column[target])]
            for station in passed:
                self.columns[station[1]].append(station)
            route: list[Hashable] = [source, *passed, target]
            self.routes.append(route)
            for left, right in pairwise(route):
                self.after.setdefault(left, []).append(right)
                self.before.setdefault(right, []).append(left)
        self._sort()

    def _sort(self) -> None:
        best, fewest = [list(each) for each in self.columns], self._crossings()
        for sweep in range(_SWEEPS):
            forward = sweep % 2 == 0
            neighbours = self.before if forward else self.after
            for index in range(len(self.columns)) if forward else reversed(range(len(self.columns))):
                beside = index - 1 if forward else index + 1
                if 0 <= beside < len(self.columns):
                    position = {station: at for at, station in enumerate(self.columns[beside])}
                    self.columns[index] = _by_neighbours(self.columns[index], neighbours, position)
            if (crossings := self._crossings()) < fewest:
                best, fewest = [list(each) for each in self.columns], crossings
        self.columns = best

    def _crossings(self) -> int:
        total = 0
        for left, right in pairwise(self.columns):
            position = {station: at for at, station in enumerate(right)}
            ends = [sorted(position[each] for each in self.after.get(station, ())) for station in left]
            flat = [end for each in ends for end in each]
            total += sum(flat[later] < end for at, end in enumerate(flat) for later in range(at + 1, len(flat)))
        return total


def _by_neighbours(
    column: Sequence[Hashable], neighbours: Mapping[Hashable, Sequence[Hashable]], position: Mapping[Hashable, int]
) -> list[Hashable]:
    """The column sorted by the mean place of its neighbours; who has none keeps its place."""
    mean: dict[Hashable, float] = {}
    for at, station in enumerate(column):
        near = [position[each] for each in neighbours.get(station, ())]
        mean[station] = sum(near) / len(near) if near else at
    return sorted(column, key=lambda station: mean[station])
