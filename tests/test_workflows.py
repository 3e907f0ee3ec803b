"""The workflows: who may write, what they call, and that nothing from outside becomes a part of a command."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAY_WRITE = {
    "publish/notebooks": {"contents"},
    "publish/deploy": {"pages", "id-token"},
    "release/release": {"contents"},
    "release/pypi": {"id-token"},
}


def jobs() -> Iterator[tuple[str, dict]]:
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
            yield f"{path.stem}/{name}", job


def commands() -> list[str]:
    return [step["run"] for _, job in jobs() for step in job["steps"] if "run" in step]


def test_only_who_must_may_write() -> None:
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    rights = {
        name: {what for what, right in job.get("permissions", {}).items() if right == "write"} for name, job in jobs()
    }
    assert {name: writes for name, writes in rights.items() if writes} == MAY_WRITE


def test_what_they_call_is_there() -> None:
    called = {tool for command in commands() for tool in re.findall(r"(?:tools/\w+\.py|\.ci/\w+)", command)}
    assert {"tools/publish.py", "tools/release.py", "tools/release_files.py"} <= called
    assert not [tool for tool in called if not (ROOT / tool).is_file()]


def test_no_expression_stands_in_a_command() -> None:
    """A branch, a tag or an input goes through the environment, where a shell does not run it."""
    assert commands() and not [command for command in commands() if "${{" in command]


def test_pypi_is_off_until_its_owner_turns_it_on() -> None:
    job = dict(jobs())["release/pypi"]
    assert job["if"] == "vars.PUBLISH_TO_PYPI == 'true'" and job["environment"] == "pypi"
