"""Check the built site: every link and anchor inside of it, that no page loads anything from elsewhere, and that each says
in its description what it is about, as search engines and chats show it.

`python docs/check_links.py docs/_build/html` prints what is broken; the exit code is 1 if anything is.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from typing_extensions import override

# What a browser fetches by itself, as opposed to what a reader clicks on.
FETCHED: Final = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src", "object": "data"}
# Made by Sphinx, of names alone.
WITHOUT_TEXT: Final = {"genindex.html", "search.html", "py-modindex.html"}


class Reader(HTMLParser):
    """The anchors of a page, its links, and what it fetches."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.description: str = ""

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.anchors.update(value for name, value in found.items() if name == "id" or (tag, name) == ("a", "name"))
        if tag == "meta" and found.get("name") == "description":
            self.description = found.get("content", "")
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag in FETCHED and FETCHED[tag] in found:
            self.fetched.add(found[FETCHED[tag]])


def read(page: Path) -> Reader:
    """What is on *page*."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader


def problems(site: Path) -> list[str]:
    """What is broken in *site*, a line each."""
    pages = {page.resolve(): read(page) for page in sorted(site.rglob("*.html"))}
    found = [] if pages else [f"{site}: no page is here"]
    for page, reader in pages.items():
        name = page.relative_to(site.resolve())
        if not reader.description and str(name) not in WITHOUT_TEXT:
            found.append(f"{name}: has no description: its first paragraph makes one")
        for link in sorted(reader.links | reader.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in reader.fetched and parts.scheme != "data":
                    found.append(f"{name}: fetches {link}")
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                found.append(f"{name}: no such page: {link}")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{name}: no such anchor: {link}")
    return found


if __name__ == "__main__":
    broken = problems(Path(sys.argv[1]))
    sys.stdout.write("".join(f"{line}\n" for line in broken))
    sys.exit(1 if broken else 0)
