"""The site, built by Sphinx: `nox -s docs`. Nothing is fetched, neither while it is built nor while it is read."""

import builtins
import importlib
import os
import re
import sys
from enum import Enum
from importlib.metadata import version as installed
from inspect import Signature
from pathlib import Path
from types import ModuleType, UnionType
from typing import get_args

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.errors import NoUri
from sphinx.pycode import ModuleAnalyzer

sys.path.insert(0, str(Path(__file__).parent.parent))  # the package of this checkout, if it is here

project = "pyventus_typed"
author = "The pyventus_typed developers"
project_copyright = "The pyventus_typed developers"
try:
    release = version = installed("pyventus-typed")
except ModuleNotFoundError:  # built from a checkout that is not installed
    release = version = "checkout"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinxext.opengraph"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "examples"]

# ---------------------------------------------------------------- the text
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
# In docstrings, `Name` is a link, and a name that does not exist is an error.
default_role = "py:obj"

# ---------------------------------------------------------------- the reference
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
add_module_names = False
GIVEN = {f"pyventus_typed.{name}" for name in ("Emission", "Delivery", "On", "Stream", "Subscription", "Routes")}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

# ---------------------------------------------------------------- what is checked
nitpicky = True
ELSEWHERE = sorted(
    {
        *sys.stdlib_module_names,
        *vars(builtins),
        "typing_extensions",
        "hypothesis",
        "nats",
        "msgspec",
        "opentelemetry",
        "psycopg",
    }
)
nitpick_ignore_regex = [
    # Python's own names, and those of libraries: their inventories would have to be fetched.
    (r"py:.*", rf"({'|'.join(ELSEWHERE)})(\..*)?"),
    # Postponed annotations come as they are spelled. Names in docstrings are "py:obj", and those have to exist.
    (r"py:class", r"\w+"),
    # Type variables and callback protocols of our signatures. A name that is public somewhere was found before this.
    (r"py:.*", r"pyventus_typed\.(\w+\.)*_\w+(\.\w+)?"),
]

# ---------------------------------------------------------------- how it looks
html_theme = "furo"
html_title = "pyventus_typed"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    # The system's own fonts: nothing to fetch, and nothing that looks foreign.
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#7db4f0", "color-brand-content": "#7db4f0"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"

# ---------------------------------------------------------------- what is copied, and what a link to a page shows elsewhere
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_selector = (
    ".highlight-python pre, .highlight-py pre, .highlight-console pre, .highlight-toml pre, .highlight-default pre"
)
# The host says where the site is; a build without one has no addresses to show.
html_baseurl = ogp_site_url = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
ogp_site_name = project
ogp_description_length = 160
ogp_social_cards = {"enable": False}  # pictures of text, which would need a drawing library

# ---------------------------------------------------------------- names as their user writes them
FACADES = (
    "pyventus_typed",
    "pyventus_typed.errors",
    "pyventus_typed.testing",
    "pyventus_typed.wiring",
    "pyventus_typed.nats",
    "pyventus_typed.nats.postgresql",
)


def facades() -> list[ModuleType]:
    """The modules that a user imports from."""
    return [importlib.import_module(name) for name in FACADES]


def spoken_name(target: str) -> str | None:
    """The public name of what a docstring or an annotation calls *target*: ``pyventus_typed._emission.Emission`` or
    ``Emission.wait``; ``None`` if there is none.
    """
    parts = target.split(".")
    for start in range(len(parts)):
        name, *members = parts[start:]
        for facade in facades():
            if name in getattr(facade, "__all__", ()) and not isinstance(getattr(facade, name), ModuleType):
                return ".".join([facade.__name__, name, *members])
    return None


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.reference | None:
    """Link a name to the place where it is public, wherever it is defined."""
    if node.get("refdomain") != "py":
        return None
    name = spoken_name(node["reftarget"])
    domain = env.get_domain("py")
    if name is None or name == node["reftarget"] or not isinstance(domain, PythonDomain):
        return None
    try:
        found = domain.resolve_any_xref(env, node["refdoc"], app.builder, name, node, content)
    except NoUri:
        return None
    return found[0][1] if found else None


def shorten_overloads(_app: Sphinx) -> None:
    """Show one overload of those that differ by the number of events alone, and one more for ``on_success``."""
    for name in ("_linker", "_subscriber", "_emitter"):
        analyzer = ModuleAnalyzer.for_module(f"pyventus_typed.{name}")
        analyzer.analyze()
        for overloads in analyzer.overloads.values():
            told = [one for one in overloads if "on_success" in one.parameters]
            overloads[:] = map(spell_options, [overloads[0], *told[:1]])


def spell_options(signature: Signature) -> Signature:
    """``bool`` for ``Only[bool]``, which is about what mypy says of anything else."""
    plain = [
        one.replace(annotation=re.sub(r"^Only\[(.*)\]$", r"\1", str(one.annotation)))
        if one.annotation is not one.empty
        else one
        for one in signature.parameters.values()
    ]
    return signature.replace(parameters=plain)


def hide_constructors(
    _app: Sphinx, _what: str, name: str, obj: object, _options: object, _signature: str | None, _returns: str | None
) -> tuple[str, None] | None:
    """Show no signature of what a user only gets, nor of protocols and enumerations."""
    is_made_by_nobody = isinstance(obj, type) and (issubclass(obj, Enum) or getattr(obj, "_is_protocol", False))
    return ("", None) if name in GIVEN or is_made_by_nobody else None


def spell_union(_app: Sphinx, _what: str, _name: str, obj: object, _options: object, lines: list[str]) -> None:
    """Say what a union is of: the docstring that Python has for it is about unions."""
    if isinstance(obj, UnionType):
        lines[:] = [" or ".join(f"`{one.__name__}`" for one in get_args(obj)) + "."]


def name_the_repository(_app: Sphinx, _page: str, text: list[str]) -> None:
    """Show the address of the repository where the host, or whoever builds the site, says what it is."""
    address = os.environ.get("PYVENTUS_REPOSITORY") or os.environ.get("READTHEDOCS_GIT_CLONE_URL")
    if address:
        text[0] = text[0].replace("https://host/path/to/pyventus-typed", address.removesuffix(".git"))


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", name_the_repository)
    app.connect("autodoc-process-signature", hide_constructors)
    app.connect("autodoc-process-docstring", spell_union)
    app.connect("builder-inited", shorten_overloads)
    app.connect("missing-reference", resolve)
