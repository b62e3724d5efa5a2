"""The house has one reading order, and its parts touch only at their doors.

What stands under ``if TYPE_CHECKING`` counts, too: a type that looks up is half of a circle.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyventus_typed
from pyventus_typed import errors
from tests.docs.pages import Page

PACKAGE = Path(pyventus_typed.__file__).parent
NAME = PACKAGE.name
LISTED = [
    line for line in (Path(__file__).parent / "order.txt").read_text().splitlines() if line and not line.startswith("#")
]
EDGES = sorted(
    part.name for part in PACKAGE.iterdir() if part.is_dir() and part.name not in ("processors", "__pycache__")
)
ROOMS = [name for name in LISTED if name.partition(".")[0] in EDGES]
"""Of the edges that have put their files in order."""
ORDER = [name for name in LISTED if name not in ROOMS]
NOUNS = ORDER[: ORDER.index("_loops")]
WITH_ASYNCIO = {
    "_loops",
    "_in_thread",
    "_composed",
    "_emission",
    "_stream",
    "_emitter",
    *(name for name in ORDER if name.startswith("processors.")),
}


def path_of(name: str) -> Path:
    return PACKAGE.joinpath(*name.split(".")).with_suffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The modules that the code of *path* imports, inside of functions too, by their full names."""
    package = [NAME, *path.relative_to(PACKAGE).parent.parts]

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join((*base, *(node.module or "").split("."))).strip(".")
            if node.module is not None:
                yield module
            if node.module is None or not path_of(module.removeprefix(f"{NAME}.")).exists():
                yield from (f"{module}.{alias.name}" for alias in node.names)
            return
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")))


def ours(path: Path) -> set[str]:
    """The files of ours that *path* imports."""
    found = {name.removeprefix(f"{NAME}.") for name in imports(path) if name.startswith(f"{NAME}.")}
    return {name for name in found if path_of(name).exists()}


def foreign(path: Path) -> set[str]:
    """The top-level packages that *path* imports and that are not ours."""
    return {name.partition(".")[0] for name in imports(path)} - {NAME}


# ---------------------------------------------------------------- the order
def test_every_file_of_the_core_has_its_place() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    files |= {f"processors.{path.stem}" for path in (PACKAGE / "processors").glob("*.py") if path.stem != "__init__"}
    assert files == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("name", ORDER)
def test_a_file_imports_only_what_stands_above_it(name: str) -> None:
    above = ORDER[: ORDER.index(name)]
    assert ours(path_of(name)) - set(above) == set()


@pytest.mark.parametrize("name", ORDER)
def test_no_file_of_the_core_imports_the_facade(name: str) -> None:
    # From the package itself only a file may come, as in `from . import errors`.
    facade = {f"{NAME}.{public}" for public in pyventus_typed.__all__} - {f"{NAME}.errors"}
    assert {found for found in imports(path_of(name)) if found == NAME or found in facade} == set()


@pytest.mark.parametrize("name", [name for name in ORDER if name not in WITH_ASYNCIO])
def test_what_needs_no_loop_imports_none(name: str) -> None:
    assert "asyncio" not in foreign(path_of(name))


@pytest.mark.parametrize("name", NOUNS)
def test_nouns_know_no_threads_and_no_input_or_output(name: str) -> None:
    assert foreign(path_of(name)) & {"asyncio", "threading", "concurrent", "logging", "io", "os", "socket"} == set()


@pytest.mark.parametrize("where", ["_sync.py", "how-to/write-a-processor.md"])
def test_a_processor_can_be_written_with_public_names_alone(where: str) -> None:
    is_page = where.endswith(".md")
    text = Page(where).program if is_page else (PACKAGE / "processors" / where).read_text(encoding="utf-8")
    nodes = [*ast.walk(ast.parse(text))]
    imported = {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith(NAME))
        for alias in node.names
    }
    assert "Runs" in imported
    assert imported - {*pyventus_typed.__all__, *errors.__all__} == set()
    private = [node for node in nodes if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)]
    assert {ast.unparse(node.value) for node in private} == {"self"}, "what is its own"


# ---------------------------------------------------------------- the rooms of the edges
def test_every_file_of_an_edge_in_order_has_its_place() -> None:
    edges = {name.partition(".")[0] for name in ROOMS}
    files = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for edge in edges
        for path in (PACKAGE / edge).rglob("*.py")
    }
    assert edges == set(EDGES)
    assert {name for name in files if not name.endswith(".__init__")} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_a_file_of_an_edge_needs_only_what_stands_above_it_for_its_types_too(name: str) -> None:
    edge = name.partition(".")[0]
    above = ROOMS[: ROOMS.index(name)]
    assert {one for one in ours(path_of(name)) if one.startswith(f"{edge}.")} - set(above) == set()
    if not path_of(name).stem.startswith(("_cli", "_demo")):  # a command uses the edge as anybody does
        assert f"{NAME}.{edge}" not in set(imports(path_of(name))), "the façade imports it"


@pytest.mark.parametrize(
    "edge", [edge for edge in EDGES if edge != "cli"]
)  # the demo is a program with names of its own
def test_no_class_or_function_of_an_edge_has_the_name_of_another(edge: str) -> None:
    names = Counter(
        node.name
        for name in ROOMS
        if name.partition(".")[0] == edge
        and name != "nats.postgresql"  # its Outbox and Inbox are those of another database
        for node in ast.parse(path_of(name).read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


# ---------------------------------------------------------------- what comes from outside
# Since 3.14 who asks for annotations evaluates them, and a name in them may exist for type checkers only.
ASKS_FOR_ANNOTATIONS = {
    "_event.py": {"get_annotations"},  # as references
    "_signature.py": {"inspect.signature"},  # as text
    "wiring/_types.py": {"get_annotations", "inspect.signature"},  # as references
    "testing/_events.py": {
        "typing.get_type_hints"
    },  # it says which name is not there: values cannot be made without it
    "nats/_options.py": {"get_type_hints"},  # of our own records
}


@pytest.mark.parametrize("name", ["__init__", *ORDER])
def test_the_core_needs_typing_extensions_and_nothing_else(name: str) -> None:
    assert foreign(path_of(name)) - sys.stdlib_module_names <= {"typing_extensions"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_annotations_are_asked_for_where_it_is_known_what_happens_if_they_cannot_be_evaluated(path: Path) -> None:
    asked = {
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute | ast.Name)
        and re.search(
            r"^inspect\.signature$|get_type_hints$|get_annotations$|__annotations__$|__annotate__$",
            ast.unparse(node),
        )
    }
    assert asked == ASKS_FOR_ANNOTATIONS.get(path.relative_to(PACKAGE).as_posix(), set())


def test_importing_the_package_imports_no_edge_and_no_other_package() -> None:
    from tests.programs import run_python

    program = (
        "import sys; before = set(sys.modules); import pyventus_typed\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names\n"
        "new.discard('_missing_stdlib_info')  # what a distribution says of the parts that it left out, since 3.15\n"
        "edges = {name.split('.')[1] for name in sys.modules if name.startswith('pyventus_typed.')}\n"
        f"print(sorted(new), sorted(edges & {set(EDGES)!r}))"
    )
    ended = run_python("-S", "-c", f"import sys; sys.path += {sys.path!r}\n{program}")
    assert ended.stderr == ""
    assert ended.stdout.strip() == "['pyventus_typed', 'typing_extensions'] []"


# ---------------------------------------------------------------- the doors
def test_the_facade_is_what_it_lists() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    names = [
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    names.remove("_ctrl_c")  # imported for what it does
    assert sorted(names) == sorted(pyventus_typed.__all__)
    assert pyventus_typed.__all__ == sorted(pyventus_typed.__all__)
    kinds = {type(node) for node in tree.body}
    assert kinds == {ast.Expr, ast.ImportFrom, ast.Assign}, "the façade holds names, nothing else"


def test_every_name_of_the_facade_has_a_contract() -> None:
    without = [
        name
        for name in pyventus_typed.__all__
        if name != "Outcome" and not (getattr(pyventus_typed, name).__doc__ or "").strip()
    ]
    assert without == []


def test_errors_lists_every_error_and_each_is_of_the_tree() -> None:
    classes = {
        name for name, thing in vars(errors).items() if isinstance(thing, type) and thing.__module__ == errors.__name__
    }
    assert classes == set(errors.__all__)
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, errors.PyventusError | Warning), name
        assert kind.__doc__, name


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_imports_the_facade_and_the_ground_and_no_other_file_of_the_core(edge: str) -> None:
    private = re.compile(
        rf"{NAME}\.((?!_spelling\b|_signature\b|_family\b|_libraries\b|_loops\b|_install\b)_\w+|processors)(\.|$)"
    )
    wrong = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in sorted((PACKAGE / edge).rglob("*.py"))
        for name in imports(path)
        if private.match(name)
    }
    assert wrong == set()


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_imports_another_one_only_through_its_door_or_its_command(edge: str) -> None:
    others = "|".join(other for other in EDGES if other != edge)
    private = re.compile(rf"{NAME}\.({others})\..*\b_(?!cli\b|parsing\b)\w+")
    wrong = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in sorted((PACKAGE / edge).rglob("*.py"))
        for name in imports(path)
        if private.match(name)
    }
    assert wrong == set()
