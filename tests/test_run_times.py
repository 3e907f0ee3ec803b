"""Measured run times: one command writes them into every chapter and the table, and changes nothing else."""

import json
import re
from pathlib import Path

import pytest
from nbformat import v4

from benchmarks import chapters

NAMES = ("01_states.ipynb", "12_flow.ipynb", "16_pictures.ipynb")
LOOM = {"machine": "a loom", "torch": "3.0"}
ROWS = {name: {"seconds": 9.4 + k, "MiB": 500 + k} | LOOM for k, name in enumerate(NAMES)}


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three chapters that say nothing yet, and results of all of them and of one that is gone."""
    for folder in ("notebooks", "book"):
        (tmp_path / folder).mkdir()
    for name in NAMES:
        cells = [v4.new_markdown_cell(f"# {int(name[:2])}. About {name[3:5]}"), v4.new_markdown_cell("Run time: ?")]
        text = json.dumps(v4.new_notebook(cells=cells), indent=1, ensure_ascii=False)
        (tmp_path / "notebooks" / name).write_text(text + "\n", encoding="utf-8")
    gone = {"seconds": 1.0, "MiB": 1, "machine": "a mill", "torch": "1.0"}
    results = {"chapters": ROWS | {"13_gone.ipynb": gone}}
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
    assert "Measured on a loom, with torch 3.0.\n" in table


def test_a_chapter_that_is_measured_elsewhere_leaves_the_machine_of_the_others(book: Path, monkeypatch) -> None:
    monkeypatch.setattr(chapters, "measure", lambda path: {"seconds": 2.0, "MiB": 3})
    monkeypatch.setattr(chapters, "processors", lambda: ["a wheel"])
    monkeypatch.setattr(chapters.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(chapters.torch, "__version__", "4.0")
    chapters.main([str(book / "notebooks" / NAMES[1])])
    rows = json.loads((book / "chapters.json").read_text(encoding="utf-8"))["chapters"]
    assert rows[NAMES[1]] == {"seconds": 2.0, "MiB": 3, "machine": "a wheel, 2 cores", "torch": "4.0"}
    assert all(rows[name] == ROWS[name] for name in (NAMES[0], NAMES[2]))
    table = (book / "book" / "run_times.md").read_text(encoding="utf-8")
    said = "Measured on a loom, with torch 3.0 (chapters 1, 16); on a wheel, 2 cores, with torch 4.0 (chapters 12).\n"
    assert said in table


def test_a_chapter_that_was_not_measured_is_named(book: Path) -> None:
    (book / "notebooks" / "14_new.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"not measured yet: 14_new\.ipynb"):
        chapters.main(["--write"])
    assert not (book / "book" / "run_times.md").exists()
