"""Runs a notebook of the documentation, and writes what its cells print.

python -m docs.notebooks        docs/notebook.ipynb, on the results of `tapeflow demo`

Text alone is stored: a chart is a megabyte of HTML, which Jupyter shows when it is run.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent / "notebook.ipynb"
LIMIT_S = 60  # of a cell


def run(notebook: Path, folder: Path) -> Any:
    """Run all cells in a folder with `results.duckdb`; return the notebook with its outputs.

    Raises nbclient's CellExecutionError for a cell that fails.
    """
    import nbformat  # noqa: PLC0415  # slow
    from nbclient import NotebookClient  # noqa: PLC0415  # slow

    read = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(read, timeout=LIMIT_S, kernel_name="python3", resources=place).execute()
    return read


def strip(notebook: Any) -> None:
    """Remove all of the outputs but their text, and what differs from run to run."""
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        for output in cell.get("outputs", ()):
            if "data" in output:
                output["data"] = {"text/plain": output["data"]["text/plain"]}
                output["metadata"] = {}


def main() -> None:
    """Run it from the command line."""
    import nbformat  # noqa: PLC0415  # slow

    with tempfile.TemporaryDirectory() as folder:
        demo = [sys.executable, "-m", "tapeflow", "demo", "--results", f"{folder}/results.duckdb"]
        subprocess.run(demo, check=True, capture_output=True)
        made = run(NOTEBOOK, Path(folder))
    strip(made)
    nbformat.write(made, NOTEBOOK)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
