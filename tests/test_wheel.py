"""The wheel, built and installed into an environment of its own, from which the checkout cannot be seen."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import torch

from statesdiff.checkpoints import book_denoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "statesdiff"


def run(*command, folder=None):
    """Run a command as a reader's shell would, and return what it printed."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The commands of a new environment, which has the wheel and, beside it, all that is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(PACKAGE, folder / "statesdiff", ignore=shutil.ignore_patterns("__pycache__"))
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".", folder=folder)
    (wheel,) = (folder / "dist").glob("statesdiff-*.whl")
    venv.create(folder / "env", with_pip=False)
    scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    run(*pip, "--python", scripts / "python", "install", "--no-deps", "--no-index", "--no-compile", wheel)
    site = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # a path in a .pth file brings the packages that lie there, and not what their own .pth files, like ours, point to
    (Path(site) / "here.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return scripts


def test_the_installed_package_is_not_the_checkout_and_has_all_its_files(scripts, tmp_path):
    where = "import pathlib, statesdiff; print(pathlib.Path(statesdiff.__file__).resolve().parent)"
    installed = Path(run(scripts / "python", "-c", where, folder=tmp_path).strip())
    assert installed.is_relative_to(scripts.parent.resolve())
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} >= {".py", ".safetensors", ".csv", ".json", ".js"}
    for path in files:
        assert (installed / path.relative_to(PACKAGE)).read_bytes() == path.read_bytes(), path


def test_the_command_samples_from_an_empty_folder(scripts, tmp_path):
    run(scripts / "statesdiff", "sample", "--n", 10, "--steps", 2, "--out", "x.npy", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    model, schedule = book_denoiser()
    want = last(ddim(model, schedule, randn(10, 2, generator=stream("sample")), steps=2))
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "x.npy")), want)  # on as many threads as it likes


def test_the_module_shows_its_help(scripts, tmp_path):
    shown = run(scripts / "python", "-m", "statesdiff", "--help", folder=tmp_path)
    assert shown.startswith("usage: statesdiff") and "sample" in shown
