"""The pages about the package: what a docstring and a signature become, and that no module is left out."""

import re
from pathlib import Path

import pytest
from package_pages import PACKAGE, Module, escaped

ROOT = Path(__file__).resolve().parents[1]
SOURCE = '''
"""About `helper`, and [0, 1]."""
from torch import Tensor
import torch
from statesdiff.schedule import NoiseSchedule

HALF = 5e-1  # of a thing
_HIDDEN = 1
NAMES = {"a": 1, "b": 2}

def helper(x: Tensor, s: "NoiseSchedule", *, g: torch.Generator | None = None, lr: float = 1e-3) -> NoiseSchedule:
    """x (B, ...) * 2."""

def undocumented(): ...

class Record:
    """Two fields."""
    a: int
    b: float = 1e-4

    def grow(self, by: int) -> int:
        """More."""

    @property
    def size(self) -> int:
        """How large."""
'''


@pytest.fixture(scope="module")
def page() -> str:
    return Module("statesdiff.some", SOURCE).markdown()


@pytest.mark.parametrize(
    "line",
    [
        r"About {py:obj}`helper <statesdiff.some.helper>`, and \[0, 1\]\.",
        ':::{py:data} HALF\n:value: "5e-1"\n\nof a thing',
        "Keys: `'a'`, `'b'`",
        "{py:function} helper(x: Tensor, s: statesdiff.schedule.NoiseSchedule, *, "
        "g: Generator | None=None, lr: float=1e-3) -> statesdiff.schedule.NoiseSchedule",
        r"x (B, \.\.\.) \* 2\.",
        "::::{py:class} Record(a: int, b: float=1e-4)",
        ":::{py:method} grow(by: int) -> int",
        ":::{py:property} size\n:type: int",
    ],
)
def test_a_page_says(page: str, line: str) -> None:
    assert line in page


def test_what_is_not_for_others_is_left_out(page: str) -> None:
    assert "_HIDDEN" not in page and "undocumented" not in page


def test_signs_mean_themselves() -> None:
    assert escaped("a*b_c|d") == r"a\*b\_c\|d"


def test_every_module_is_on_one_page() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "book" / "api").glob("*.md")))
    listed = re.findall(r"\{api\} (\S+)", text)
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in (ROOT / PACKAGE).rglob("*.py")]
    modules = [name for name in modules if "__" not in name and ".programs." not in name]
    assert len(listed) == len(set(listed)) and set(modules) <= set(listed)
