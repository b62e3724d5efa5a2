"""Handlers that set each other off, found in the graph of who emits what."""

from collections import deque
from collections.abc import Mapping, Sequence

Edges = Mapping[int, Sequence[int]]


def shortest_cycles(edges: Edges) -> list[list[int]]:
    """One shortest cycle for each knot of nodes that all reach each other, each starting with its smallest node."""
    cycles: list[list[int]] = []
    done: set[int] = set()
    for start in sorted(edges):
        if start in done:
            continue
        cycle = _path_back(start, edges)
        if cycle is None:
            continue
        forward, backward = _reachable(start, edges), _reachable(start, _reversed(edges))
        done |= forward & backward
        cycles.append(cycle)
    return cycles


def _path_back(start: int, edges: Edges) -> list[int] | None:
    """The shortest way from *start* to itself, *start* given once; None if there is none."""
    came_from: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for successor in edges.get(node, ()):
            if successor == start:
                path = [node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if successor not in came_from:
                came_from[successor] = node
                waiting.append(successor)
    return None


def _reachable(start: int, edges: Edges) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        for successor in edges.get(waiting.pop(), ()):
            if successor not in found:
                found.add(successor)
                waiting.append(successor)
    return found


def _reversed(edges: Edges) -> Edges:
    backward: dict[int, list[int]] = {}
    for node, successors in edges.items():
        for successor in successors:
            backward.setdefault(successor, []).append(node)
    return backward
