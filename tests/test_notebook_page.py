"""docs/notebook.ipynb is run whole on the demo's results, and prints what it shows."""

import re
import shutil

import nbformat
import pytest

from docs import notebooks
from tests.browser import launch_browser, needs_browser, open_tab
from tests.running import ROOT


def texts(notebook):
    """Return what each cell of code prints, or returns, as text."""
    return [
        [output.get("text") or output["data"]["text/plain"] for output in cell["outputs"]]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def frames_of(notebook):
    """Return the charts that cells show, as they reach Jupyter."""
    shown = [
        output["data"].get("text/html", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "data" in output
    ]
    return [each for each in shown if "<iframe" in each]


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
    frames = frames_of(ran)
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


@needs_browser
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_browser_draws_the_charts_inside_their_frames(ran, tmp_path):
    frames = frames_of(ran)
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><title>cells</title>{''.join(frames)}")
    with launch_browser() as browser, open_tab(browser, page) as tab:
        for number in range(2):
            frame = tab.page.frame_locator("iframe").nth(number)
            frame.locator("canvas").first.wait_for(timeout=15_000)
        assert tab.errors == []
        assert {url.partition(":")[0] for url in tab.requests} <= {"file", "about"}
