"""Print the sources of a notebook's cells, as Git shows them in a diff (CONTRIBUTING.md has the line that sets it up).

Outputs, images among them, are left out: they are made from the sources. It needs nothing but Python.
"""

import json
import sys


def sources(notebook: dict) -> str:
    """Each cell's text below a line with its kind, its id and its tags."""
    shown = []
    for cell in notebook["cells"]:
        tags = " ".join(cell["metadata"].get("tags", []))
        head = " ".join(["#", "%%", cell["cell_type"], cell.get("id", ""), tags]).rstrip()
        shown.append(f"{head}\n{''.join(cell['source'])}\n")
    return "\n".join(shown)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    print(sources(json.loads(text)) if text else "", end="")
