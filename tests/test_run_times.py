"""Measured run times: one command writes them into every chapter and the table, and changes nothing else."""

import json
import re
from pathlib import Path

import pytest
from nbformat import v4

from benchmarks import chapters

NAMES = ("01_states.ipynb", "12_flow.ipynb", "16_pictures.ipynb")
ROWS = {name: {"seconds": 9.4 + k, "MiB": 500 + k} for k, name in enumerate(NAMES)}


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three chapters that say nothing yet, and results of all of them and of one that is gone."""
    for folder in ("notebooks", "book"):
        (tmp_path / folder).mkdir()
    for name in NAMES:
        cells = [v4.new_markdown_cell(f"# {int(name[:2])}. About {name[3:5]}"), v4.new_markdown_cell("Run time: ?")]
        text = json.dumps(v4.new_notebook(cells=cells), indent=1, ensure_ascii=False)
        (tmp_path / "notebooks" / name).write_text(text + "\n", encoding="utf-8")
    results = {"chapters": ROWS | {"13_gone.ipynb": {"seconds": 1.0, "MiB": 1}}, "machine": "a loom", "torch": "3.0"}
    (tmp_path / "chapters.json").write_text(json.dumps(results), encoding="utf-8")
    places = {"ROOT": tmp_path, "RESULTS": tmp_path / "chapters.json", "TABLE": tmp_path / "book" / "run_times.md"}
    for name, place in places.items():
        monkeypatch.setattr(chapters, name, place)
    return tmp_path


def test_all_chapters_and_the_table_are_written_at_once(book: Path) -> None:
    before = {name: (book / "notebooks" / name).read_text(encoding="utf-8") for name in NAMES}
    for _ in range(2):  # again, over what stands there
        chapters.main(["--write"])
        for k, name in enumerate(NAMES):
            text = (book / "notebooks" / name).read_text(encoding="utf-8")
            said = f"Run time: about {9 + k} s on two cores, with {500 + k} MiB of memory."
            assert text == before[name].replace("Run time: ?", said)
    table = (book / "book" / "run_times.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d+) \| \[(.+?)\]\(\.\./notebooks/(.+?)\) \| (\d+) s \| (\d+) MiB \|$", table, re.MULTILINE
    )
    assert rows == [
        (str(int(name[:2])), f"About {name[3:5]}", name, str(9 + k), str(500 + k)) for k, name in enumerate(NAMES)
    ]
    assert "Measured on a loom, with torch 3.0." in table


def test_a_chapter_that_was_not_measured_is_named(book: Path) -> None:
    (book / "notebooks" / "14_new.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"not measured yet: 14_new\.ipynb"):
        chapters.main(["--write"])
    assert not (book / "book" / "run_times.md").exists()
