"""The graph as a Mermaid flowchart, which many code hosts draw in Markdown."""

from ._graph import Edging, Graph, Kind, Node

_SHAPES = {
    Kind.EVENT: ('(["', '"])'),
    Kind.REQUEST: ('{{"', '"}}'),
    Kind.BASE: ('(["', '"])'),
    Kind.HANDLER: ('["', '"]'),
    Kind.CODE: ('[/"', '"/]'),
}
_ARROWS = {Edging.RECEIVES: "-->", Edging.EMITS: "==>", Edging.BELONGS: "-.->"}


def mermaid_of(graph: Graph) -> str:
    lines = ["flowchart LR"]
    lines += [f"    {_node(node)}" for node in graph.nodes]
    lines += [f"    {edge.source} {_ARROWS[edge.kind]} {edge.target}" for edge in graph.edges]
    if faulty := [node.key for node in graph.nodes if node.faults]:
        # Only the outline: a fill would have to suit both light and dark text.
        lines += ["    classDef faulty stroke:#d1242f,stroke-width:3px", f"    class {','.join(faulty)} faulty"]
    return "\n".join(lines) + "\n"


def _node(node: Node) -> str:
    left, right = _SHAPES[node.kind]
    # Mermaid has its own entities, written with a hash and no ampersand.
    label = node.label.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
    return f"{node.key}{left}{label}{right}"
