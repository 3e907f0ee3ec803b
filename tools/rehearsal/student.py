"""What a student does with a link to a notebook on a hub, in a browser: log in, wait, run all, move the slider.

`python student.py LINK NAME PASSWORD NOTEBOOK BROWSER PICTURES`, where NOTEBOOK is the file that the hub will have
pulled. Prints a line for each step; the status is 1, with what was seen last, where one fails.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

MINUTES = 60_000  # in playwright's milliseconds


class Unseen(Exception):
    """What a student would not have seen as it should be."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step and its seconds, when it is done."""
    start = time.perf_counter()
    yield
    print(f"  {name:40s}{time.perf_counter() - start:6.0f} s", flush=True)


def log_in(page: Page, link: str, name: str, password: str) -> None:
    """Open the link and fill in the form that the hub puts before it."""
    page.goto(link)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.locator("#login_submit").click()


def run_all(page: Page, notebook: Path) -> None:
    """Run all cells from the menu; save until the saved notebook says that every cell has run. Raises Unseen."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    deadline = time.monotonic() + 600
    while unrun := not_run(notebook):
        if (why := failed(notebook)) or time.monotonic() > deadline:
            raise Unseen(why or f"after ten minutes {unrun} cells had not run")
        page.wait_for_timeout(2000)
        page.keyboard.press("Control+s")
    if why := failed(notebook):
        raise Unseen(why)


def cells_of(notebook: Path, tries: int = 50) -> list[dict]:
    """The code cells of a saved notebook. One that is being saved may be half a file: it is read again."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except json.JSONDecodeError:
        if tries == 1:
            raise Unseen(f"{notebook.name} was saved as no notebook") from None
        time.sleep(0.1)
        return cells_of(notebook, tries - 1)
    return [cell for cell in cells if cell["cell_type"] == "code"]


def failed(notebook: Path) -> str:
    """The first error in a saved notebook, or ""."""
    for cell in cells_of(notebook):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                return f"a cell ended with {output['ename']}: {output['evalue']}"
    return ""


def not_run(notebook: Path) -> int:
    """How many cells have no time in their metadata at which they ended: stored outputs have none, see hub.SETTINGS."""
    return sum("shell.execute_reply" not in cell["metadata"].get("execution", {}) for cell in cells_of(notebook))


def move_slider(page: Page) -> None:
    """Move the first slider with the keyboard until the figure under it is another one."""
    widget = page.locator(".widget-interact", has=page.locator(".noUi-handle")).first
    widget.scroll_into_view_if_needed()
    picture = widget.locator("img").first
    before = picture.get_attribute("src")
    handle = widget.locator(".noUi-handle").first
    handle.focus()
    for _ in range(5):
        handle.press("ArrowRight")
    deadline = time.monotonic() + 60
    while picture.get_attribute("src") == before:
        if time.monotonic() > deadline:
            raise Unseen("the slider moved and the figure stayed as it was")
        page.wait_for_timeout(250)


def visit(page: Page, link: str, name: str, password: str, notebook: Path) -> None:
    """The whole visit. Raises Unseen or playwright's Error at the first thing that is not as it should be."""
    with step("log in, start a server, pull"):
        log_in(page, link, name, password)
        page.locator(".jp-Notebook").first.wait_for(timeout=5 * MINUTES)
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=2 * MINUTES)
    if not notebook.exists():
        raise Unseen(f"the repository was not pulled: there is no {notebook}")
    with step(f"run all of {notebook.name}"):
        run_all(page, notebook)
    with step("move the slider"):
        move_slider(page)


def main(arguments: list[str]) -> int:
    """Return 0, or 1 where a step failed; a picture of the end is kept either way."""
    link, name, password, notebook, browser, pictures = arguments
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(2 * MINUTES)
        why = ""
        try:
            visit(page, link, name, password, Path(notebook))
        except (Unseen, Error) as error:
            why = str(error).splitlines()[0]
        page.screenshot(path=Path(pictures) / f"hub-{Path(notebook).stem}.png")
        chromium.close()
    print(why, end="\n" if why else "")
    return int(bool(why))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
