"""The book: `make book` succeeds, and a browser finds every page whole, without asking any other host for anything."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from filelock import FileLock
from playwright.sync_api import Browser, Page

from tests import browsing

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# Everything a page is asked for in one call; what is folded is opened first, so that its figures load too.
INSPECT = r"""async () => {
  document.querySelectorAll("details").forEach(d => { d.open = true; });
  document.querySelectorAll("[hidden=until-found]").forEach(e => { e.hidden = false; });
  const images = [...document.images];
  images.forEach(image => { image.loading = "eager"; });
  await Promise.all(images.map(image => image.decode().catch(() => null)));
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  const article = document.querySelector("article") ?? document.body;
  const text = article.cloneNode(true);
  text.querySelectorAll("pre, code, script, style, mjx-container").forEach(e => e.remove());
  return {
    formulas: document.querySelectorAll(".math").length,
    typeset: document.querySelectorAll(".math mjx-container").length,
    broken: document.querySelectorAll("mjx-merror, [data-mjx-error]").length,
    raw: text.textContent.match(/\\\(|\\\[|\$\$/)?.[0] ?? null,
    images: images.map(i => ({
      source: i.currentSrc.slice(0, 120), width: i.naturalWidth, alt: i.alt, decoration: !i.closest("article"),
      squashed: Math.abs(i.height - i.width * i.naturalHeight / i.naturalWidth) > 2,
      enlarges: i.role === "button" || i.closest("a") !== null,
    })),
    links: [...document.querySelectorAll("a[href]")].map(a => a.href),
    ids: [...document.querySelectorAll("[id], a[name]")].map(e => e.id || e.name),
  };
}"""

# An element is too wide when it sticks out to the right and nothing around it scrolls or clips.
OVERFLOW = r"""() => {
  const width = document.documentElement.clientWidth;
  const found = [...document.querySelectorAll("article *")].filter(e => {
    if (!e.checkVisibility() || e.getBoundingClientRect().right <= width + 1) return false;
    for (let p = e.parentElement; p && p.tagName !== "ARTICLE"; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== "visible" && p.getBoundingClientRect().right <= width + 1) return false;
    return true;
  }).map(e => `${e.tagName.toLowerCase()}.${e.className}`);
  if (document.scrollingElement.scrollWidth > width + 1) found.unshift("the page scrolls sideways");
  return found.slice(0, 4);
}"""


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def html() -> Path:
    """The book, built by the command that readers use; what is up to date is not built again."""
    command = ["make", "book", f"PYTHON={sys.executable}"]
    with FileLock(ROOT / ".venv" / "building"):  # two workers may ask for it at once
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return HTML


browser = browsing.browser


@pytest.fixture(scope="module")
def server(html: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=html)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


def watch(page: Page, server: str, faults: list[str]) -> None:
    """Append to `faults` what goes wrong on `page`: errors in scripts, failed requests, requests to another host."""

    def request(request) -> None:
        if not request.url.startswith((server, "data:", "blob:")):
            faults.append(f"asks another host: {request.url}")

    page.on("request", request)
    page.on("requestfailed", lambda request: faults.append(f"request failed: {request.url}"))
    page.on("response", lambda response: response.status >= 400 and faults.append(f"{response.status}: {response.url}"))
    page.on("console", lambda message: message.type == "error" and faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))


def faults_of(seen: dict) -> Iterator[str]:
    """Yield what is wrong with the formulas and images of a page, given what INSPECT saw."""
    if seen["typeset"] < seen["formulas"] or seen["broken"]:
        yield f"{seen['typeset']} of {seen['formulas']} formulas are typeset, {seen['broken']} with an error"
    if seen["raw"]:
        yield f"shows TeX as text: {seen['raw']}"
    for image in seen["images"]:
        if not image["width"]:
            yield f"image does not load: {image['source']}"
        described = image["alt"].strip() and not image["alt"].endswith((".png", ".svg", ".jpg", ".gif"))
        if not described and not image["decoration"]:
            yield f"image has no description: {image['source']} {image['alt']!r}"
        if not image["decoration"] and image["squashed"]:
            yield f"image is squashed: {image['source']}"
        if not image["decoration"] and not image["enlarges"]:
            yield f"image does not open large: {image['source']}"


def visit(page: Page, url: str) -> tuple[dict, list[str]]:
    """Open `url`, at desktop and phone width. Return what the page holds, and its faults."""
    page.set_viewport_size(DESKTOP)
    page.goto(url)
    page.wait_for_selector("article, h1", state="attached")
    page.wait_for_load_state("load")
    seen = page.evaluate(INSPECT)
    faults = list(faults_of(seen))
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        faults += [f"too wide at {size['width']} px: {element}" for element in page.evaluate(OVERFLOW)]
    return seen, faults


def crawl(browser: Browser, server: str, first: str) -> tuple[dict[str, dict], list[str]]:
    """Follow the links from the page `first`. Return path -> what each page holds, and every fault found."""
    pages, faults, waiting, before = {}, [], [server + first], None

    def leave(page: Page, path: str, noticed: list[str], found: list[str]) -> None:
        page.wait_for_load_state("networkidle")  # half a second of silence: the next page was visited in it
        page.close()
        faults.extend(f"{path}: {fault}" for fault in noticed + found)

    for url in waiting:
        page, noticed = browser.new_page(), []
        watch(page, server, noticed)
        seen, found = visit(page, url)
        path = page.url.partition("#")[0].removeprefix(server)
        pages[path] = seen
        for link in seen["links"]:
            target = link.partition("#")[0].partition("?")[0]
            if target.startswith(server) and target.endswith(".html") and target not in waiting:
                waiting.append(target)
        if before:
            leave(*before)
        before = page, path, noticed, found
    leave(*before)
    return pages, faults


def dead_links(pages: dict[str, dict], server: str, html: Path) -> Iterator[str]:
    """Yield every link inside the book whose file or anchor does not exist."""
    for path, seen in pages.items():
        for link in seen["links"]:
            if not link.startswith(server):
                continue
            parts = urlsplit(link)
            target, anchor = unquote(parts.path).lstrip("/"), unquote(parts.fragment)
            if not (html / target).is_file():
                yield f"{path}: {link} leads nowhere"
            elif anchor and target in pages and anchor not in pages[target]["ids"]:
                yield f"{path}: {link} has no such anchor"


def expected_pages() -> list[str]:
    """Return the pages of the table of contents, the first page first."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [f"{file}.html" for file in files]


def test_book_builds(html: Path) -> None:
    assert f"url={expected_pages()[0]}" in (html / "index.html").read_text(encoding="utf-8")


def test_every_page_is_whole_in_a_browser(browser: Browser, server: str, html: Path) -> None:
    pages, faults = crawl(browser, server, first=expected_pages()[0])
    assert set(expected_pages()) <= set(pages)
    assert sum(seen["typeset"] for seen in pages.values()), (
        "no formula in the whole book: is MathJax looked for rightly?"
    )
    faults += sorted(set(dead_links(pages, server, html)))
    assert not faults, "\n".join(faults)


BROKEN = """<!doctype html><html lang="en"><title>broken</title><article>
<p class="math">\\(x\\)</p> <p>and $$y$$</p> <p style="width: 3000px">wide</p>
<img src="none.png" alt="a figure that is not there"> <img src="dot.svg" alt="dot.svg" style="width: 90px; height: 9px">
<img src="http://other.invalid/dot.png" alt="a figure from elsewhere">
<a href="missing.html">a</a> <a href="#nowhere">b</a>
<script>console.error("complaint"); throw new Error("thrown")</script></article></html>"""


def test_a_broken_page_is_seen(browser: Browser, tmp_path: Path) -> None:
    """Each thing that the test above looks for is found where it is wrong."""
    (tmp_path / "index.html").write_text(BROKEN, encoding="utf-8")
    (tmp_path / "missing.html").symlink_to("absent")
    (tmp_path / "dot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', encoding="utf-8"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        server = f"http://127.0.0.1:{httpd.server_port}/"
        pages, faults = crawl(browser, server, first="index.html")
        faults += dead_links(pages, server, tmp_path)
        httpd.shutdown()
    expected = (
        "0 of 1 formulas", "shows TeX as text", "too wide at 1280 px: the page", "too wide at 390 px: p.",
        "image does not load: http", "image has no description", "image is squashed", "image does not open large",
        "asks another host: http://other.invalid/dot.png", "request failed: http://other.invalid",
        "404: http", "console: complaint", "script error: thrown",
        "missing.html leads nowhere", "#nowhere has no such anchor",
    )  # fmt: skip
    for fault in expected:
        assert any(fault in found for found in faults), f"not noticed: {fault}"
