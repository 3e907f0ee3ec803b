"""A page from disk with the labs' script on it, in one browser for all their tests."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import labs
import pytest
import torch
from playwright.sync_api import Browser, Page
from torch import Tensor

from tests import browsing, test_book

LAB = test_book.ROOT / "book" / "lab"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Labs</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="lab.css"></head><body>%s<script src="lab.js"></script></body></html>"""
# What every script of the tests may use. Arrays of numbers travel as text, which is much faster than as lists.
HELPERS = """
globalThis.f32 = (v) => Float32Array.from(v);
globalThis.network = (config, weights) => new statesdiff.Network(config).load(f32(weights));
globalThis.revive = (v) => Array.isArray(v) ? v.map(revive) : !v || typeof v !== "object" ? v
  : "f64" in v ? Array.from(new Float64Array(statesdiff.bytesOf(v.f64).buffer))
  : Object.fromEntries(Object.entries(v).map(([k, e]) => [k, revive(e)]));
globalThis.plain = (v) => {
  if (ArrayBuffer.isView(v) || (Array.isArray(v) && v.every((e) => typeof e === "number"))) {
    const bytes = new Uint8Array(Float64Array.from(v).buffer), parts = [];
    for (let i = 0; i < bytes.length; i += 9000) parts.push(String.fromCharCode(...bytes.subarray(i, i + 9000)));
    return { f64: btoa(parts.join("")) };
  }
  if (Array.isArray(v)) return v.map(plain);
  return v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, e]) => [k, plain(e)])) : v;
};
"""

browser = browsing.browser


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts as the book has them, without the book."""
    folder = tmp_path_factory.mktemp("labs")
    labs.write_changed(labs.static_files(LAB), folder)
    return folder


class Engine:
    """The engine in a page: `engine("(a, b) => ...", a, b)` gives what the function returns, arrays as tensors."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def __call__(self, script: str, *arguments: object) -> object:
        script = f"async (given) => plain(await ({script})(...revive(given)))"
        return as_tensors(self.page.evaluate(script, as_text(arguments)))

    def load(self, relaxed: bool) -> None:
        """Take one of the two kernels."""
        self("async (relaxed) => (await statesdiff.loadKernel({ relaxed })).relaxed", relaxed)


def as_text(value: object) -> object:
    """Tensors, flat, as the text of their numbers, wherever they are."""
    if isinstance(value, Tensor):
        return {"f64": b64encode(value.detach().flatten().double().numpy().tobytes()).decode()}
    if isinstance(value, dict):
        return {name: as_text(v) for name, v in value.items()}
    return [as_text(v) for v in value] if isinstance(value, (list, tuple)) else value


def as_tensors(value: object) -> object:
    """The reverse: numbers as float64 tensors (n,)."""
    if isinstance(value, dict) and "f64" in value:
        return torch.frombuffer(bytearray(b64decode(value["f64"])), dtype=torch.float64) if value["f64"] else None
    if isinstance(value, dict):
        return {name: as_tensors(v) for name, v in value.items()}
    return [as_tensors(v) for v in value] if isinstance(value, list) else value


def open_page(browser: Browser, folder: Path, body: str = "", **options: object) -> tuple[Page, list[str]]:
    """A page with that body and the labs' script, from disk; and the list that its faults go to."""
    (folder / "index.html").write_text(PAGE % body, encoding="utf-8")
    page, faults = browser.new_page(**options), []
    address = (folder / "index.html").as_uri()
    test_book.watch(page, address.removesuffix("index.html"), faults)
    page.goto(address)
    page.evaluate(HELPERS)
    return page, faults


@pytest.fixture(scope="module")
def plain_engine(browser: Browser, folder: Path) -> Iterator[Engine]:
    page, faults = open_page(browser, folder)
    engine = Engine(page)
    engine.load(relaxed=False)
    yield engine
    page.close()
    assert not faults


@pytest.fixture(scope="module")
def relaxed_engine(browser: Browser, folder: Path) -> Iterator[Engine]:
    page, faults = open_page(browser, folder)
    engine = Engine(page)
    if not engine("() => statesdiff.hasRelaxedSimd()"):
        pytest.skip("this browser has no relaxed SIMD")
    engine.load(relaxed=True)
    yield engine
    page.close()
    assert not faults


@pytest.fixture(params=["simd", "relaxed"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """The engine with either kernel."""
    return request.getfixturevalue("plain_engine" if request.param == "simd" else "relaxed_engine")


def close(found: Tensor, wanted: Tensor, atol: float, rtol: float = 0.0) -> None:
    """The numbers of a lab against the package's, flat."""
    torch.testing.assert_close(found.flatten().double(), wanted.detach().flatten().double(), atol=atol, rtol=rtol)
