"""docs/notebook.ipynb is run whole on the demo's results, and prints what it shows."""

import re
import shutil

import nbformat
import pytest

from docs import notebooks
from tests.running import ROOT


def texts(notebook):
    """Return what each cell of code prints, or returns, as text."""
    return [
        [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.fixture(scope="module")
def ran(demo_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(demo_run.results, folder / "results.duckdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        return notebooks.run(notebooks.NOTEBOOK, folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's libraries
def test_the_notebook_prints_what_it_shows(ran):
    shown = nbformat.read(notebooks.NOTEBOOK, as_version=4)
    assert texts(ran) == texts(shown), "renew it: python -m docs.notebooks"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_charts_of_the_notebook_reach_jupyter_as_frames(ran):
    frames = [
        output["data"]["text/html"]
        for cell in ran.cells
        for output in cell.get("outputs", ())
        if "<iframe" in output.get("data", {}).get("text/html", "")
    ]
    assert len(frames) == 2
    frame = r'<iframe title="\w+" srcdoc="[^"]+" sandbox="allow-scripts" style="[^"]+"></iframe>'
    assert all(re.fullmatch(frame, each) for each in frames)


def test_the_stored_notebook_holds_text_alone_and_is_small():
    notebook = nbformat.read(notebooks.NOTEBOOK, as_version=4)
    kinds = {
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        for kind in output.get("data", {})
    }
    assert kinds == {"text/plain"}
    assert notebooks.NOTEBOOK.stat().st_size < 30_000
