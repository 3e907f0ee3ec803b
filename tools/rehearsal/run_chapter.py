"""Run one notebook from top to bottom, as `python run_chapter.py NOTEBOOK`: status 1 and the error where a cell fails.

It runs in the environment that is rehearsed, whose only other guest is `nbclient`. Nothing is stored.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from patient import Client

SECONDS = 900  # for one cell; the first one installs


def main(path: Path) -> int:
    """Return 0, or 1 when a cell failed or took too long."""
    os.environ["STATESDIFF_STRICT"] = "1"  # a claim that does not hold is an error
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    client = Client(notebook, timeout=SECONDS, raise_on_iopub_timeout=True, kernel_name="python3", resources=resources)
    try:
        client.execute()
    except (CellExecutionError, TimeoutError) as error:
        print(error)
        return 1
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    print("".join(output.get("text", "") for output in setup.outputs).strip())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
