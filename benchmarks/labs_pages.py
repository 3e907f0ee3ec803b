"""Pages with labs for `labs.py`: made of the book's own scripts, opened from disk, slowed down if asked."""

import gzip
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(ROOT / "tools")]
import labs as extension  # noqa: E402  the Sphinx extension, which makes the scripts of the book

IN_PAGE = Path(__file__).parent / "in_page"
PLACE = '<div class="lab" data-lab="{}" data-state="idle"></div>'
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Labs</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="lab.css"></head><body>%s<script src="lab.js"></script></body></html>"""
PATIENCE = 120_000  # milliseconds
PERIOD = 0.02  # seconds; of a slowed processor's turns


def write_scripts(folder: Path) -> dict[str, str]:
    """Write the labs' scripts into the folder; return them, name -> text."""
    files = extension.static_files(ROOT / "book" / "lab")
    extension.write_changed(files, folder)
    return files


def open_page(browser: Browser, folder: Path, lab: str | None = None, asked: list[str] | None = None) -> Page:
    """A page of the folder, with that lab started or without any; `in_page/page.js` ran before its scripts.

    The names of the files that it asks for, now and later, go to `asked`.
    """
    (folder / "index.html").write_text(PAGE % (PLACE.format(lab) if lab else ""), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    if asked is not None:
        page.on("request", lambda request: asked.append(Path(urlsplit(request.url).path).name))
    page.add_init_script(path=IN_PAGE / "page.js")
    page.goto((folder / "index.html").as_uri())
    if lab:
        page.wait_for_selector("[data-mounted]")
    return page


class Measurer:
    """The labs' engine in a worker of an empty page: `measurer("update", updates=100)`."""

    def __init__(self, browser: Browser, folder: Path, files: dict[str, str]) -> None:
        self.page = open_page(browser, folder)
        data = [files[f"lab-{name}.js"] for name in ("states", "fourier", "classifier")]
        parts = [files["lab.js"], (IN_PAGE / "worker.js").read_text(encoding="utf-8"), *data]
        self.page.evaluate("startMeasuring", "\n".join(parts))
        self.relaxed = self.page.evaluate("() => statesdiff.hasRelaxedSimd()")

    def __call__(self, task: str, relaxed: bool | None = None, **args: object) -> object:
        """What a task of `in_page/worker.js` returns, with either kernel; the one that readers get if none is named."""
        args |= {"relaxed": self.relaxed if relaxed is None else relaxed}
        return self.page.evaluate("([task, args]) => measure(task, args)", [task, args])


@contextmanager
def slowed(browser: Browser, times: float) -> Iterator[None]:
    """While the block runs, every process of the browser that runs pages, with its workers, gets one turn in `times`.

    The processes are stopped and continued by signals, so this needs Linux or macOS; the pages must be open already.
    """
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    renderers, over = [process["id"] for process in found if process["type"] == "renderer"], threading.Event()

    def turns() -> None:
        while not over.is_set():
            send(signal.SIGSTOP)
            time.sleep(PERIOD * (times - 1) / times)
            send(signal.SIGCONT)
            time.sleep(PERIOD / times)

    def send(number: int) -> None:
        for pid in renderers:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue  # its page was closed

    thread = threading.Thread(target=turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def lab_names() -> list[str]:
    """Every lab of the book."""
    return sorted(path.stem for path in (ROOT / "book" / "lab" / "labs").glob("*.js"))


def labs_of_pages() -> dict[str, list[str]]:
    """Page -> the labs on it, as its source says."""
    pages = {}
    for path in sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            found = re.findall(r"^[`:]{3,}\{lab\} ([a-z-]+)", text, re.MULTILINE)
        else:
            tags = [tag for cell in json.loads(text)["cells"] for tag in cell["metadata"].get("tags", [])]
            found = [tag.removeprefix("lab:") for tag in tags if tag.startswith("lab:")]
        if found:
            pages[path.stem] = found
    return pages


def packed(text: str) -> int:
    """Bytes of a file as a server sends it, by gzip."""
    return len(gzip.compress(text.encode(), 9))
