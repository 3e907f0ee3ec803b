"""Execute the notebooks and store their outputs, without the noise of the execution.

`python tools/run_notebooks.py` runs every notebook, `... notebooks/01_states.ipynb` the named ones. Running it twice on
an unchanged notebook gives the same file, byte for byte, as long as the outputs themselves are the same. Dropped are
widgets (they are dead in a static page), stderr with its progress bars, timings, and the versions of the kernel.
Figures are made small (see `figures.py`).
Cell ids, tags and all other metadata are kept. A notebook that fails is left as it was.
"""

import argparse
import os
import re
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path

import figures
import nbformat
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from patient import Client

from statesdiff.claims import STRICT
from statesdiff.files.atomic import write_atomically

ROOT = Path(__file__).resolve().parents[1]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# What Jupyter and Colab write into a cell's metadata about one execution.
NOISE = ("execution", "ExecuteTime", "outputId", "scrolled")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def execute(notebook: NotebookNode, folder: Path, timeout: int = 600) -> None:
    """Execute `notebook` in place, its kernel working in `folder`.

    Raises `nbclient.exceptions.CellExecutionError` when a cell fails or `CellTimeoutError` after `timeout` seconds.
    """
    client = Client(
        notebook,
        timeout=timeout,
        raise_on_iopub_timeout=True,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()


def clean_outputs(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Drop stderr, widgets and lines redrawn with a carriage return; join pieces of stdout, whose cut varies."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
        elif WIDGET_VIEW in output.get("data", {}):
            continue
        kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            lines = re.findall(r"[^\n]*\n|[^\n]+", output.text)
            output.text = "".join(line for line in lines if "\r" not in line)
    return [output for output in kept if output.get("text") != ""]


def shrink_figure(output: NotebookNode) -> None:
    """Store the figure of an output, if it has one, in as few bytes as show it."""
    data = output.get("data", {})
    if "image/png" in data:
        png = b64decode(data["image/png"])
        if (small := figures.shrink(png)) != png:
            data["image/png"] = b64encode(small).decode()


def clean(notebook: NotebookNode) -> NotebookNode:
    """Take the noise of an execution out of `notebook`, in place."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        for key in NOISE:
            cell.metadata.pop(key, None)
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
        cell.outputs = clean_outputs(cell.outputs)
        for output in cell.outputs:
            shrink_figure(output)
            if output.output_type == "execute_result":
                output.execution_count = count
    return notebook


def run(path: Path) -> bool:
    """Execute the notebook at `path` in its folder and store it. Return whether the file changed."""
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    execute(notebook, path.parent)
    after = nbformat.writes(clean(notebook)) + "\n"
    if after != before:
        write_atomically(path, lambda temporary: temporary.write_text(after, encoding="utf-8"))
    return after != before


def main(arguments: list[str] | None = None) -> int:
    """Run the named notebooks, or all. Return 0, or 1 when a notebook failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="the notebooks to run (default: notebooks/*.ipynb)")
    os.environ[STRICT] = "1"  # kernels inherit it: a chapter with a claim that does not hold is not stored
    failed = False
    for path in parser.parse_args(arguments).notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        start = time.perf_counter()
        try:
            changed = run(path.resolve())
        except (CellExecutionError, TimeoutError) as error:
            failed = True
            print(f"{path}: failed\n{error}", file=sys.stderr)
        else:
            print(f"{path}: {time.perf_counter() - start:.1f} s, {'stored' if changed else 'unchanged'}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
