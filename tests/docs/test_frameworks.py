"""Pages about frameworks that want a process of their own: Django is configured once in each, a notebook has a kernel."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import pyventus_typed
from tests.docs.pages import DOCS, Page
from tests.programs import run_python


def test_the_page_about_django_prints_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(Page("how-to/django.md").program, encoding="utf-8")
    ended = run_python("-W", "error::RuntimeWarning", "shop.py", cwd=tmp_path)
    (output,) = re.findall(
        r"^```output\n(.*?)^```$", (DOCS / "how-to" / "django.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert (ended.stdout, ended.code) == (output, 0), ended.stderr


@pytest.mark.timeout(120)  # a kernel starts
def test_the_cells_of_the_page_about_jupyter_show_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel imports the package that the tests import, and looks for its settings nowhere but here.
    monkeypatch.setenv("PYTHONPATH", str(Path(pyventus_typed.__file__).parents[1]))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    text = (DOCS / "how-to" / "jupyter.md").read_text(encoding="utf-8")
    sources = re.findall(r"^```(?:python|py)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    cells = [
        {"cell_type": "code", "source": s, "metadata": {}, "outputs": [], "execution_count": None} for s in sources
    ]
    notebook = nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})  # type: ignore[no-untyped-call]  # the framework is untyped
    NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [
        "".join(
            output.text if output.output_type == "stream" else f"{output.data['text/plain']}\n"
            for output in cell.outputs
        )
        for cell in notebook.cells
    ]
    assert "".join(shown) == "".join(re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


def test_what_the_page_about_jupyter_says_of_a_script_is_so() -> None:
    text = (DOCS / "how-to" / "jupyter.md").read_text(encoding="utf-8")
    cells = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ended = run_python("-c", "\n".join([*cells, "emitter.emit(Measured(2.5))"]))
    assert (ended.stdout, ended.stderr) == ("measured 2.5\n", "")
