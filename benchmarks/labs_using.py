"""The labs themselves, for `labs.py`: how soon a dial answers, what holds the page up, and what is fetched."""

import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import labs_pages as pages
from playwright.sync_api import Browser, Page

POINTS = 500
# The lab, what is chosen first, the slider, and the values that it moves between.
DIALS = {
    "guidance": ("guidance", {}, "scale", (1, 2, 4, 8, 0.5)),
    "guidance-free": ("guidance-free", {}, "scale", (1, 2, 4, 8, 0.5)),
    "sampling, DPM-Solver++": ("sampling", {"sampler": "dpmpp_2m"}, "evaluations", (7, 6)),  # 15 and 10 evaluations
    "sampling, DDIM": ("sampling", {"sampler": "ddim"}, "evaluations", (7, 6)),
}
REST = "document.querySelector('.lab').dataset.state === 'done'"


def at_rest(page: Page) -> None:
    """Wait until the lab has done what it was asked."""
    page.wait_for_function(REST)
    page.wait_for_timeout(50)


def open_dial(browser: Browser, folder: Path, name: str) -> Page:
    """The dial's lab, after a first movement, which starts the worker."""
    lab, choices, slider, values = DIALS[name]
    page = pages.open_page(browser, folder, lab)
    for control, value in choices.items():
        page.evaluate("([name, value]) => turn(name, value)", [control, value])
    page.evaluate("([name, value, n]) => answer(name, value, n)", [slider, values[-1], POINTS])
    return page


def answers(page: Page, name: str, movements: int) -> dict[str, float]:
    """Milliseconds from a movement to the frame with 500 points: from rest, and while the lab is still at work."""
    _, _, slider, values = DIALS[name]
    move = "([name, value, n]) => answer(name, value, n)"
    at_rest(page)
    rested, busy = [], []
    for k in range(movements):
        rested.append(page.evaluate(move, [slider, values[k % len(values)], POINTS]))
        at_rest(page)
    for k in range(movements):
        busy.append(page.evaluate(move, [slider, values[k % len(values)], POINTS]))
    at_rest(page)
    found = {"median_ms": statistics.median(rested), "worst_ms": max(rested), "movements": movements}
    return found | {"busy_median_ms": statistics.median(busy), "busy_worst_ms": max(busy)}


def drag(page: Page) -> None:
    """Across every picture of the lab, with the mouse."""
    for place in page.locator(".lab-picture").all():
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        for k in range(12):
            page.mouse.move(x + 6 * k, y - 4 * k)
        page.mouse.up()


@contextmanager
def traced(browser: Browser) -> Iterator[dict[str, float]]:
    """Longest task of a page's main thread in the block, in milliseconds by the clock and of processor time."""
    longest = {"longest_ms": 0.0, "longest_cpu_ms": 0.0}
    browser.start_tracing(categories=["toplevel"])
    yield longest
    events = json.loads(browser.stop_tracing())["traceEvents"]
    named = [event for event in events if event["name"] == "thread_name"]
    main = {(e["pid"], e["tid"]) for e in named if e["args"]["name"] == "CrRendererMain"}
    tasks = [e for e in events if e["name"].endswith("::RunTask") and (e["pid"], e["tid"]) in main]
    if not tasks:
        raise RuntimeError("the browser's trace has no task of a page's main thread")
    longest["longest_ms"] = max(task.get("dur", 0) for task in tasks) / 1000
    longest["longest_cpu_ms"] = max(task.get("tdur", 0) for task in tasks) / 1000


def use(browser: Browser, folder: Path, lab: str, pause: float) -> dict[str, object]:
    """Start a lab, use all of its controls: the longest task of the page in both, and the files that it asked for."""
    asked: list[str] = []
    with traced(browser) as starting:
        page = pages.open_page(browser, folder, lab, asked)
        page.wait_for_timeout(100)
    page.evaluate("longTasks.length = 0")
    with traced(browser) as using:
        drag(page)
        page.evaluate("(pause) => useLab(pause)", pause)
        drag(page)
        page.wait_for_timeout(200)
    state, long_tasks = page.locator(".lab").get_attribute("data-state"), page.evaluate("longTasks.length")
    page.close()
    if state == "failed":
        raise RuntimeError(f"the lab {lab} failed while it was used")
    files = sorted({name for name in asked if name.startswith("lab")})
    return {"starting": starting, "using": using | {"long_tasks": long_tasks}, "files": files}


def weights(used: dict[str, dict], files: dict[str, str]) -> dict[str, dict[str, int]]:
    """Bytes by gzip that each lab asks for, and each page with all of its labs."""
    size = {name: pages.packed(text) for name, text in files.items()}
    fixed = {"lab-loader.js", "lab.css", "lab.js"}
    of = {lab: fixed | set(found["files"]) for lab, found in used.items()}
    total = {lab: sum(map(size.get, names)) for lab, names in of.items()}
    on_page = {
        page: sum(map(size.get, set().union(*(of[lab] for lab in labs))))
        for page, labs in pages.labs_of_pages().items()
    }
    return {"files": size, "labs": total, "pages": on_page}


def site_size() -> dict[str, int] | None:
    """Bytes of the built book, and of it without what is there to be downloaded; None if it is not built."""
    html = pages.ROOT / "_build" / "html"
    if not (html / "index.html").is_file():
        return None
    sizes = {path: path.stat().st_size for path in html.rglob("*") if path.is_file()}
    downloads = sum(size for path, size in sizes.items() if path.relative_to(html).parts[0] == "_downloads")
    return {"all": sum(sizes.values()), "without_downloads": sum(sizes.values()) - downloads}
