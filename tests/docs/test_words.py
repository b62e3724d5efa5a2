"""Words that a reader has to look up, or that no native speaker would write: each kind was decided once, for code and pages."""

import re
from pathlib import Path

import pytest

import pyventus_typed
from tests.docs.pages import DOCS
from tests.programs import ROOT

PACKAGE = Path(pyventus_typed.__file__).parent
PAGES = [
    *(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md")),
]
CODE = [file for pattern in ("*.py", "*.html") for file in PACKAGE.rglob(pattern)]
KINDS = {".css", ".html", ".json", ".md", ".py", ".pyi", ".svg", ".toml", ".txt", ".yml"}
FOLDERS = (PACKAGE, DOCS, *(ROOT / name for name in ("tests", "benchmarks", "stubs", ".github")))
READ = {file.relative_to(PACKAGE if file in CODE else ROOT).as_posix(): file for file in (*PAGES, *CODE)}

WORDS = {
    r"the books\b|\bbooks\b(?=.*\b(balance|add up)\b)": "tally, or counts",
    r"\blook(s|ed|ing)? on\b": "watch",
    r"\b(is|are|was|were) told of\b": "is notified of",
    r"\bsees? to it\b": "makes sure",
    r"\blets? (?!.*\bin\b)(\w+ ){0,3}go\b(?! on)": "releases; goes first",
    r"\bfor ever\b": "forever",
    r"\btime-outs?\b": "timeout",
    r"\bstrangers?\b": "the user's; of another program",
    r"\bneighbou?rs?\b": "the others",
    r"\b(owed|owes)\b": "has still to send",
    r"\bset(s)? each other off\b": "trigger each other",
    r"\balso (when|if|where)\b": "even if",
    r"\b(stands?|stood) (in|on|under|at|beside|behind|below|above|there|here|first|where)\b(?! for)": "is",
    r"\bdoors?\b": "interface; module",
    r"\bhomes?\b(?! loop| page)": "the name of what it is; an emitter has a home loop",
    r"\bby way of\b": "with; through",
    r"\bin vain\b": "without success",
    r"\bhang(s)? together\b": "belong together",
    r"\bnot quite equal\b": "not exactly equal",
    r"(?<![Tt]here )\b(is|are|was|were) no (?!longer|other|better|more|such|way|need|one\b)": "is not a",
}
# A class that is gone, and a key.
NAMES = re.compile(r"`Door`|\.Door`|Home: 0")
ALLOWED = {
    ("docs/explanation/comparison-typing.md", "is no event"),  # its rows are written by benchmarks/typing/compare.py
}


def found(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if re.search(word, line, re.IGNORECASE) and not NAMES.search(line)]


@pytest.mark.parametrize("word", WORDS)
def test_code_and_pages_say_it_in_plain_words(word: str) -> None:
    wrong = [
        f"{name}: {line.strip()}"
        for name, file in READ.items()
        for line in found(file.read_text(encoding="utf-8"), word)
        if not any(name == page and part in line for page, part in ALLOWED)
    ]
    assert wrong == [], f"Say instead: {WORDS[word]}"


def test_each_word_would_be_found() -> None:
    bad = [
        "the books balance",
        "an observer looks on",
        "who is told of it",
        "the loop sees to it",
        "it lets the lock go",
        "waits for ever",
        "a time-out",
        "a stranger's code",
        "without harm to its neighbours",
        "what it owed",
        "these set each other off",
        "also when a loop ends",
        "an event stands in its row",
        "its only door",
        "the home of the emitter",
        "by way of events",
        "tried in vain",
        "they hang together",
        "the works are not quite equal",
        "orders is no linker",
    ]
    assert [[word for word in WORDS if found(line, word)] for line in bad] == [[word] for word in WORDS]


# ---------------------------------------------------------------- an unfinished merge
MERGE = re.compile(r"^(<{7}|>{7}|\|{7}) ", re.MULTILINE)


def test_no_file_keeps_the_marks_of_an_unfinished_merge() -> None:
    files = [
        file
        for folder in FOLDERS
        for file in folder.rglob("*")
        if file.suffix in KINDS and not {"_build", "__pycache__"} & set(file.parts)
    ] + [file for file in ROOT.iterdir() if file.suffix in KINDS]
    assert len(files) > 400, "all of them are read"
    assert [file for file in files if MERGE.search(file.read_text(encoding="utf-8"))] == []


def test_the_marks_would_be_found() -> None:
    assert [bool(MERGE.search(f"a\n{mark} main\n")) for mark in ("<" * 7, "|" * 7, ">" * 7, "=" * 7)] == [
        True,
        True,
        True,
        False,
    ]
