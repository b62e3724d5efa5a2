"""The pages of the docs about this edge: every Python example runs, in the order of the page."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.programs import ROOT

PAGES = {
    "go-beyond-one-process.md": "invoice for order 1, attempt 1\n",
    "outbox.md": "2 events published\n",
}


@pytest.mark.parametrize("page", PAGES)
async def test_the_examples_of_the_page_run_and_print_what_it_says(page: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 2
    (tmp_path / "page.py").write_text("\n".join(blocks))
    for _ in range(2):  # a reader runs it again
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            "page.py",
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (process.returncode, err.decode(), out.decode()) == (0, "", PAGES[page])
