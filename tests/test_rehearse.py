"""`make rehearse`, without holding one: what it asks for, what it keeps, and what it says where it cannot begin."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest
import rehearse
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from packaging.version import Version
from rehearsal import chapters, colab, environments, hub, needs, student, versions
from rehearsal.environments import Trouble

ROOT = Path(__file__).resolve().parents[1]
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_the_oldest_versions_are_the_lower_bounds_of_the_package() -> None:
    bounds = dict(line.split(",")[0].split(">=") for line in versions.dependencies())
    lines = versions.OLDEST.read_text(encoding="utf-8").splitlines()
    oldest = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert oldest.keys() == bounds.keys()
    for name, version in oldest.items():
        assert Version(version) == Version(bounds[name]), name


def test_colab_has_what_the_package_needs_or_the_first_cell_brings_it() -> None:
    lines = colab.REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    there = {line.partition("==")[0] for line in lines}
    assert {line.partition(">=")[0] for line in versions.dependencies()} - there == {"POT"} <= set(chapters.BROUGHT)


def test_the_image_takes_the_pins_of_the_book() -> None:
    lines = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert "-r ../requirements.txt" in lines
    *_, pin = hub.requirements()
    assert pin.startswith("nbgitpuller==") and pin in lines
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)
    runtime = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    assert runtime == f"python-{hub.PYTHONS[0]}"


def test_chapters_are_chosen_by_their_numbers() -> None:
    assert [path.name[:2] for path in chapters.chosen(["04", "02"])] == ["02", "04"]
    assert len(chapters.chosen([])) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    with pytest.raises(Trouble, match="there is no chapter '77': the chapters are 01, 02"):
        chapters.chosen(["02", "77"])


def test_an_installation_that_changes_a_version_is_seen() -> None:
    before = {"torch": "2.13.0", "numpy": "2.0.2", "statesdiff": "0.1"}
    assert chapters.changed(before, {"torch": "2.13.0", "numpy": "2.0.2", "pot": "0.9.7"}) == []
    assert chapters.changed(before, {"torch": "2.14.0"}) == ["torch", "numpy"]


def test_a_chapter_sees_no_other_python_and_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("STATESDIFF_SPEC", "another")
    seen = chapters.surroundings(Path("a.whl"), HOME="/home/new")
    assert "PYTHONPATH" not in seen
    assert (seen["STATESDIFF_SPEC"], seen["HOME"], seen["PATH"]) == ("a.whl", "/home/new", os.environ["PATH"])


def test_the_running_python_is_found_and_a_missing_one_is_named() -> None:
    assert environments.answers(environments.interpreter(["2.0", RUNNING]), RUNNING)
    with pytest.raises(Trouble, match="it needs Python 2.0 or 2.1, and none of these is on the PATH"):
        environments.interpreter(["2.0", "2.1"])


def test_a_shim_that_leads_nowhere_is_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python9.9"
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(Trouble, match="Python 9.9"):
        environments.interpreter(["9.9"])


@pytest.fixture
def installations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Environments are made in a temporary folder; the commands that would make them are listed instead of run."""
    commands: list[list[str]] = []

    def listed(command: list, **_: object) -> str:
        commands.append([str(word) for word in command])
        if "venv" in commands[-1]:
            Path(commands[-1][-1]).mkdir(parents=True)
        return ""

    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(environments, "run", listed)
    return commands


def test_an_environment_is_made_again_only_when_its_list_has_changed(
    tmp_path: Path, installations: list[list[str]]
) -> None:
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("numpy==2.0.2\n", encoding="utf-8")
    arguments = ["-r", str(wanted)]
    environments.prepare("one", [RUNNING], arguments)
    assert installations[-1][-2:] == arguments
    for change, made in ((None, 0), ("numpy==2.1.0\n", 3), (None, 0)):
        before = len(installations)
        if change:
            wanted.write_text(change, encoding="utf-8")
        environments.prepare("one", [RUNNING], arguments)
        assert len(installations) - before == made
    before = len(installations)
    environments.prepare("one", [RUNNING], arguments, fresh=True)
    assert len(installations) - before == 3


def test_an_environment_that_was_not_finished_is_made_again(
    tmp_path: Path, installations: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = environments.run

    def broken(command: list, **more: object) -> str:
        if "nowhere" in command:
            raise Trouble("no such package")
        return listed(command, **more)

    monkeypatch.setattr(environments, "run", broken)
    with pytest.raises(Trouble, match="no such package"):
        environments.prepare("one", [RUNNING], ["nowhere"])
    monkeypatch.setattr(environments, "run", listed)
    before = len(installations)
    environments.prepare("one", [RUNNING], ["nowhere"])
    assert len(installations) - before == 3


def test_a_command_that_fails_gives_its_last_line_and_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "a.log"
    with pytest.raises(Trouble, match=r"what it was \(python\S* -c, status 3; .*a.log has all of it\)"):
        environments.run([sys.executable, "-c", "print('more'); print('what it was'); exit(3)"], log=log)
    assert "more\nwhat it was" in log.read_text(encoding="utf-8")
    with pytest.raises(Trouble, match="/no/program cannot be run"):
        environments.run(["/no/program"])


def test_no_browser_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(hub.shutil, "which", lambda name: None)
    assert rehearse.main(["hub"]) == 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("hub     failed") and "no browser: none of chromium, " in line


def test_no_node_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "run", lambda *_, **__: f"{tmp_path}\n")
    with pytest.raises(Trouble, match="no Node.js: there is none at .*node"):
        hub.proxy(environments.Environment(tmp_path))


def test_a_folder_that_is_no_clone_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "ROOT", tmp_path)
    with pytest.raises(Trouble, match="no clone of a repository"):
        hub.published(tmp_path)


def test_the_ports_are_free_and_differ() -> None:
    ports = hub.free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))


def a_saved_notebook(path: Path, run: list[bool], outputs: list) -> Path:
    """A notebook whose cells all have a stored number, and those that ran here a time."""
    times = {"execution": {"iopub.execute_input": "10:00", "shell.execute_reply": "10:01"}}
    cells = [new_code_cell("1", execution_count=1, metadata=times if ran else {}) for ran in run]
    cells[-1].outputs = outputs
    path.write_text(json.dumps(new_notebook(cells=[new_markdown_cell("#"), *cells])), encoding="utf-8")
    return path


def test_a_student_sees_what_did_not_run_and_what_failed(tmp_path: Path) -> None:
    stored = a_saved_notebook(tmp_path / "a.ipynb", [True, False], [])
    assert (student.not_run(stored), student.failed(stored)) == (1, "")
    error = new_output("error", ename="ModuleNotFoundError", evalue="no statesdiff", traceback=[])
    broken = a_saved_notebook(tmp_path / "b.ipynb", [True, True], [error])
    assert (student.not_run(broken), student.failed(broken)) == (
        0,
        "a cell ended with ModuleNotFoundError: no statesdiff",
    )


def test_the_summary_names_each_part_and_the_status_tells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fails(names: list[str], fresh: bool) -> None:
        raise Trouble(f"failed: {names[0]}")

    monkeypatch.setattr(rehearse, "PARTS", {"one": lambda names, fresh: None, "two": fails})
    assert rehearse.main(["one", "--chapters", "02"]) == 0
    capsys.readouterr()
    assert rehearse.main(["--chapters", "02"]) == 1
    *_, one, two = capsys.readouterr().out.splitlines()
    assert one.split()[:2] == ["one", "passed"] and two.split()[:2] == ["two", "failed"] and "failed: 02" in two


def test_an_unknown_part_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        rehearse.main(["moon"])
    assert "no part 'moon': the parts are hub, colab, oldest, newest" in capsys.readouterr().err


def test_memory_is_summed_over_the_processes_of_one_command(tmp_path: Path) -> None:
    for number, command, peak in (("1", "server --port", 204_800), ("2", "server", 102_400), ("3", "other", 999_999)):
        (tmp_path / number).mkdir()
        (tmp_path / number / "cmdline").write_text(command, encoding="utf-8")
        (tmp_path / number / "status").write_text(f"Name:\tx\nVmHWM:\t{peak} kB\nVmRSS:\t1 kB\n", encoding="utf-8")
    (tmp_path / "4").mkdir()  # a process that has ended
    assert needs.peak_memory("server", tmp_path) == 300
    assert needs.peak_memory("nobody", tmp_path) is None


def test_disk_counts_a_file_of_two_names_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3 * needs.MIB)
    once = needs.disk(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    assert needs.disk(tmp_path) == once >= 3
