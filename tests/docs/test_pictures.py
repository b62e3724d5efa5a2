"""The pictures of the documentation are what their script makes of the library as it is."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.programs import ROOT, run_python

FOLDER = ROOT / "docs" / "pictures"
PICTURES = [FOLDER / f"{name}.svg" for name in ("ends", "life", "orderings")]


def test_the_pictures_are_what_the_script_makes(tmp_path: Path) -> None:
    ended = run_python("-W", "error", "-m", "docs.pictures", str(tmp_path))
    assert (ended.code, ended.stderr) == (0, "")
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert drawn == {path.name: path.read_text(encoding="utf-8") for path in PICTURES}, "python -m docs.pictures"


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_needs_no_network_and_has_colours_for_light_and_dark(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert "@media (prefers-color-scheme: dark)" in text


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_no_text_of_a_picture_is_cut_off(path: Path) -> None:
    picture = ET.fromstring(path.read_text(encoding="utf-8"))
    width, height = float(picture.get("width", "0")), float(picture.get("height", "0"))
    texts = picture.findall("{http://www.w3.org/2000/svg}text")
    assert texts
    for text in texts:
        x, long = float(text.get("x", "0")), 7.3 * len(text.text or "")
        left = x - {"start": 0, "middle": long / 2, "end": long}[text.get("text-anchor", "start")]
        assert left >= 0, text.text
        assert left + long <= width, text.text
        assert float(text.get("y", "0")) < height, text.text
