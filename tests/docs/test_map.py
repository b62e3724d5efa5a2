"""The map of the house shows every file of the core, in the order in which they are to be read."""

import re

from tests.docs.pages import DOCS
from tests.programs import HOUSE

MAP = (DOCS / "contributing" / "map.md").read_text(encoding="utf-8")
LINES = (HOUSE / "tests" / "architecture" / "order.txt").read_text(encoding="utf-8").splitlines()


def test_the_map_names_the_files_of_the_core_from_top_to_bottom() -> None:
    core = [line for line in LINES if line and not line.startswith("#") and "." not in line]
    floors = MAP[MAP.index("| Ground") : MAP.index("| Edges")]
    assert [name for name in re.findall(r"`(\w+)`", floors) if name != "__init__"] == core


def test_the_map_names_the_files_of_the_engine_from_top_to_bottom() -> None:
    engine = [line.removeprefix("processors.") for line in LINES if line.startswith("processors.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/processors/`") : MAP.index("## Why the books")]
    assert re.findall(r"`(_\w+)`", table) == engine


def test_the_map_names_the_files_of_the_wiring_check_from_top_to_bottom() -> None:
    wiring = [line.removeprefix("wiring.") for line in LINES if line.startswith("wiring.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/wiring/`") : MAP.index("## The engine")]
    assert re.findall(r"`(_\w+)`", table) == wiring


def test_the_map_names_the_files_of_the_testing_kit_from_top_to_bottom() -> None:
    kit = [line.removeprefix("testing.") for line in LINES if line.startswith("testing.")]
    table = MAP[MAP.index("| Files of `pyventus_typed/testing/`") :]
    assert re.findall(r"`(\w+)`", table) == kit
