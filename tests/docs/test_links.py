"""The check of the built site finds what is broken, and nothing else."""

from pathlib import Path

import pytest

from tests.programs import run_python


def check(site: Path, *, described: bool = True, **pages: str) -> tuple[int, str]:
    for name, body in pages.items():
        head = '<meta name="description" content="What it is about.">' if described else ""
        (site / f"{name}.html").write_text(f"<html><head>{head}</head><body>{body}</body></html>", encoding="utf-8")
    ended = run_python("docs/check_links.py", str(site))
    assert ended.stderr == ""
    return ended.code, ended.stdout


def test_links_to_pages_to_anchors_and_to_other_sites_are_fine(tmp_path: Path) -> None:
    one = '<h1 id="top-of-it"></h1><a href="two.html#there"></a><a href="#top-of-it"></a><a href="https://example.org/"></a>'
    assert check(tmp_path, one=one, two='<p id="there"></p><img src="data:image/png;base64,">') == (0, "")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<a href="two.html"></a>', "one.html: no such page: two.html\n"),
        ('<a href="#nowhere"></a>', "one.html: no such anchor: #nowhere\n"),
        ('<img src="picture.svg">', "one.html: no such page: picture.svg\n"),
        ('<script src="https://example.org/t.js"></script>', "one.html: fetches https://example.org/t.js\n"),
        ('<link href="//example.org/font.css">', "one.html: fetches //example.org/font.css\n"),
    ],
)
def test_what_is_broken_or_fetched_is_named(tmp_path: Path, body: str, complaint: str) -> None:
    assert check(tmp_path, one=body) == (1, complaint)


def test_a_site_without_pages_is_no_site(tmp_path: Path) -> None:
    assert check(tmp_path)[0] == 1


def test_a_page_that_does_not_say_what_it_is_about_is_named(tmp_path: Path) -> None:
    said = "one.html: has no description: its first paragraph makes one\n"
    assert check(tmp_path, described=False, one="", search="") == (1, said)
