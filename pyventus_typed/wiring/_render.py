"""One report, four forms."""

from typing import Literal, assert_never, get_args

from pyventus_typed.errors import InvalidOption

from ._graph import graph_of
from ._json import json_of
from ._mermaid import mermaid_of
from ._report import Report
from ._svg import svg_of
from ._text import text_of

Format = Literal["text", "json", "mermaid", "svg"]


def render(report: Report, form: Format, /) -> str:
    """The report as text, JSON, a Mermaid flowchart or a complete SVG document.

    The same report always gives the same characters, and paths below the current directory are written relative to
    it, so that the output can be kept in a repository. Raises ``InvalidOption`` for another format.
    """
    if form not in get_args(Format):
        raise InvalidOption(f"{form!r} is no format of a report. Take one of {', '.join(get_args(Format))}.", form)
    match form:
        case "text":
            return text_of(report)
        case "json":
            return json_of(report)
        case "mermaid":
            return mermaid_of(graph_of(report))
        case "svg":
            return svg_of(graph_of(report))
        case _:
            assert_never(form)
