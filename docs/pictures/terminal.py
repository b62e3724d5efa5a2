"""The demo in a terminal, as it looked: `python -m docs.pictures.terminal` runs it and records what it left on the screen.

It is not among the pictures of `python -m docs.pictures`, which are the same on every machine: this one shows the standard
library of the Python that ran it, and how long that took.
"""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS = 92
COMMAND = ("-m", "pyventus_typed", "demo")
KEPT = Path(__file__).with_name("demo-terminal.svg")

_THEME = TerminalTheme((13, 17, 23), (230, 237, 243), [(72, 79, 88)] * 8, [(110, 118, 129)] * 8)

# Rich's own frame fetches a font from the network; this one takes what the reader has.
_FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" role="img" aria-label="The demo, in a terminal" xmlns="http://www.w3.org/2000/svg">
<title>The demo, in a terminal</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
{styles}
</style>
<defs>{lines}</defs>
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def screen() -> str:
    """What the demo leaves on a terminal, with its colours. Its progress bar, which wipes itself out, is not among it."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    with subprocess.Popen([sys.executable, *COMMAND], stdout=theirs, stdin=subprocess.DEVNULL, env=environment) as demo:  # noqa: S603  # our own command
        os.close(theirs)
        read = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other end is closed: the demo has ended
                break
            read += chunk
    if demo.returncode != 0:
        sys.exit(f"The demo ended with {demo.returncode}.")
    # The bar is drawn and wiped with escape sequences that move the cursor; the report begins behind the last of them.
    return read.decode().replace("\r\n", "\n").rpartition("\x1b[2K")[2]


def drawn(report: str) -> str:
    """*report* as a picture of a terminal in which the command was typed."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold"), "python " + " ".join(COMMAND)), highlight=False)
    console.print(Text.from_ansi(report.strip("\n")), highlight=False)
    picture = console.export_svg(title="", theme=_THEME, code_format=_FRAME, unique_id="demo", font_aspect_ratio=0.6)
    picture = re.sub(r"<text [^>]*>\n</text>", "", picture)  # rich draws the line breaks, too
    return "".join(f"{line.rstrip()}\n" for line in picture.splitlines() if line.strip())


if __name__ == "__main__":
    KEPT.write_text(drawn(screen()), encoding="utf-8")
