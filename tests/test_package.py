"""What holds of the package as a whole: what it can do without, and where its tests stand."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "statesdiff"
MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@each_module
def test_a_module_needs_no_dask(path: Path) -> None:
    assert not {module.split(".")[0] for module in imported(path)} & {"dask", "distributed"}


def test_the_tests_of_a_wing_stand_in_a_folder_of_its_name() -> None:
    wings = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders == wings | {"lab"}  # those of book/lab
    repeated = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(set(repeated)) == len(repeated), "pytest knows a test module by its name alone"
