"""What holds of the package as a whole: what a wheel has in it, who imports what, and where its tests stand."""

import ast
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "statesdiff"
MODULES = sorted(PACKAGE.rglob("*.py"))
each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of everything that a module imports; the name is "" where the module itself is."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@each_module
def test_a_module_needs_no_dask(path: Path) -> None:
    assert not {module.split(".")[0] for module, _ in imported(path)} & {"dask", "distributed"}


@each_module
def test_a_module_uses_no_other_modules_private_names(path: Path) -> None:
    private = [f"{module}.{name}" for module, name in imported(path) if name.startswith("_") or "._" in module]
    others = {name for module, name in imported(path) if module.startswith("statesdiff") and name}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in others:
            private += [f"{node.value.id}.{node.attr}"] * (node.attr.startswith("_") and not node.attr.endswith("__"))
    assert not private


def test_the_tests_of_a_wing_stand_in_a_folder_of_its_name() -> None:
    wings = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders == wings
    repeated = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(set(repeated)) == len(repeated), "pytest knows a test module by its name alone"


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "statesdiff", ignore=ignore)
    files = {str(file.relative_to(tmp_path)) for file in (tmp_path / "statesdiff").rglob("*") if file.is_file()}
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("statesdiff-*.whl")
    assert files <= set(zipfile.ZipFile(wheel).namelist())
