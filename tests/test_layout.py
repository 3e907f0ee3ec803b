"""The layout of every page: on a laptop nothing scrolls sideways, and a checker of accessibility finds no fault."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Browser, Page

from tests import browsing, test_book

SIZES = (test_book.DESKTOP, {"width": 1440, "height": 900}, test_book.PHONE)
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
OPEN = r"""async () => {
  document.querySelectorAll("details").forEach(d => { d.open = true; });
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
}"""

# What scrolls sideways, or would if it were not cut off, and by how much. Phones may scroll, but not the page itself,
# nor the number of an equation out of sight.
MEASURE = r"""phone => {
  const article = document.querySelector("article") ?? document.body, edge = document.documentElement.clientWidth;
  const words = e => e.textContent.trim().replace(/\s+/g, " ").slice(0, 50);
  const clips = e => getComputedStyle(e).overflowX !== "visible";
  const beyond = e => clips(e) ? e.scrollWidth - e.clientWidth : 0;
  const around = function* (e) { for (; e && e !== article; e = e.parentElement) yield e; };
  const found = [];
  const tell = (kind, e, over) => { if (over > 1) found.push(`${kind} by ${Math.round(over)} px: ${words(e)}`); };
  const seen = {formulas: "div.math", tables: "article table", code: "article pre", numbers: "mjx-labels mjx-mtd"};
  for (const [kind, selector] of Object.entries(seen)) {
    const elements = [...document.querySelectorAll(selector)].filter(e => e.checkVisibility());
    seen[kind] = elements.length;
    if (kind !== "numbers" && phone) continue;
    for (const e of elements) {
      const inside = kind === "formulas" ? [...e.querySelectorAll("mjx-container, mjx-table")] : [];
      const right = e.getBoundingClientRect().right;
      tell(kind, e, Math.max(right - article.getBoundingClientRect().right, ...[...around(e), ...inside].map(beyond)));
      if (kind === "numbers" && right > edge) found.push(`number out of sight: ${words(e)}`);
    }
  }
  for (const e of document.querySelectorAll("article span.math")) {
    const drawn = e.querySelector("mjx-math")?.getBoundingClientRect().right - e.getBoundingClientRect().right;
    if (!phone || getComputedStyle(e).overflowX === "hidden") tell("inline formula cut off", e, drawn);
  }
  tell("the page", document.body, document.scrollingElement.scrollWidth - edge);
  return [seen, found];
}"""

# A checker looks at every element, and code has thousands that look alike: of each look, one stays. Drawings of
# formulas have the colour of the text around them, and are hidden from assistive technology. Nothing moves meanwhile.
THIN = r"""() => {
  const still = document.createElement("style");
  still.textContent = "*, ::before, ::after { transition: none !important; animation: none !important }";
  document.head.append(still);
  document.querySelectorAll("mjx-math").forEach(e => e.remove());
  for (const block of document.querySelectorAll("pre, dt.sig")) {
    const looks = new Set();
    for (const e of block.querySelectorAll("span:not(:has(*))")) {
      const look = [...e.classList, ...e.parentElement.classList].join();
      if (looks.has(look)) e.remove();
      looks.add(look);
    }
  }
}"""

# The elements with text whose colours, size and backgrounds no page has had yet: their contrast is to be checked.
NEW_LOOKS = r"""([scheme, known]) => {
  document.documentElement.dataset.theme = scheme;
  const looks = new Set(known), found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim()) || !e.checkVisibility()) continue;
    const style = getComputedStyle(e), look = [scheme, style.color, style.fontSize, style.fontWeight, style.opacity];
    for (let p = e; p; p = p.parentElement) look.push(getComputedStyle(p).backgroundColor, getComputedStyle(p).opacity);
    const key = look.filter((part, i) => i < 5 || !["rgba(0, 0, 0, 0)", "1"].includes(part)).join();
    if (looks.has(key)) continue;
    looks.add(key);
    found.push(key);
    e.dataset.look = scheme;
  }
  return found;
}"""

SERIOUS = r"""async ([context, rules]) => {
  const {violations} = await axe.run(context, {resultTypes: ["violations"], preload: false, ...rules});
  return violations.filter(v => ["serious", "critical"].includes(v.impact)).flatMap(
    v => v.nodes.map(n => `${v.id}: ${n.target} ${n.any[0]?.message ?? n.failureSummary}`));
}"""


def widths(page: Page) -> Iterator[tuple[dict, list[str]]]:
    """Yield what the open `page` holds, and what is too wide in it, at each size."""
    for size in SIZES:
        page.set_viewport_size(size)
        seen, faults = page.evaluate(MEASURE, size is test_book.PHONE)
        yield seen, [f"{size['width']} px: {fault}" for fault in faults]


def inaccessible(page: Page, looks: set[str]) -> Iterator[str]:
    """Yield every serious fault of the open `page`, its colours in light and dark; `looks` gets what was looked at."""
    page.set_viewport_size(test_book.DESKTOP)
    page.evaluate(THIN)
    page.evaluate(AXE)
    yield from page.evaluate(SERIOUS, [{"include": ["html"]}, {"rules": {"color-contrast": {"enabled": False}}}])
    for scheme in ("light", "dark"):
        if new := page.evaluate(NEW_LOOKS, [scheme, sorted(looks)]):
            looks.update(new)
            context = {"include": [f"[data-look={scheme}]"]}
            for fault in page.evaluate(SERIOUS, [context, {"runOnly": ["color-contrast"]}]):
                yield f"{scheme}: {fault}"


html, browser = test_book.html, browsing.browser


def look(page: Page, path: Path, looks: set[str]) -> tuple[dict, list[str]]:
    """Open the file `path`. Return how many formulas, tables, cells and numbers it holds, and its faults."""
    page.goto(path.as_uri())
    page.evaluate(OPEN)
    measured = list(widths(page))
    return measured[-1][0], [fault for _, faults in measured for fault in faults] + list(inaccessible(page, looks))


def test_pages_fit_and_are_accessible(browser: Browser, html: Path) -> None:
    pages = [p for p in sorted(html.rglob("*.html")) if p.name != "index.html" and "_static" not in p.parts]
    page, faults, looks, total = browser.new_page(color_scheme="light"), [], set(), Counter()
    for path in pages:
        seen, found = look(page, path, looks)
        total.update(seen)
        faults += [f"{path.relative_to(html)}: {fault}" for fault in found]
    page.close()
    assert set(+total) == {"formulas", "tables", "code", "numbers"}, f"nothing of a kind found: {total}"
    assert not faults, "\n".join(faults)


BROKEN = """<!doctype html><html lang="en"><head><title>broken</title>
<style>[data-theme=dark] .dim { background: #fff; color: #ccc } pre, .table, .math { overflow-x: auto }</style></head>
<body><main><article><h1>Broken</h1><pre class="code">long %s</pre>
<div class="table"><table><tr><td style="min-width: 1500px">cell</td></tr></table></div>
<div class="math"><div style="width: 1300px">formula</div>
<mjx-labels><mjx-mtd style="display: block; width: 1300px; text-align: right">(7)</mjx-mtd></mjx-labels></div>
<p style="background: #fff; color: #bbb">faint</p><p class="dim">dim</p><div style="width: 400px">wide on a phone</div>
<span class="math" style="display: inline-block; width: 9px; overflow: hidden"><mjx-math style="display: inline-block;
width: 90px">x</mjx-math></span></article></main></body></html>""" % ("code " * 300)


def test_faults_are_seen(browser: Browser, tmp_path: Path) -> None:
    """Each thing that the test above looks for is found where it is wrong, and only there."""
    (tmp_path / "broken.html").write_text(BROKEN, encoding="utf-8")
    page = browser.new_page(color_scheme="light")
    _, faults = look(page, tmp_path / "broken.html", set())
    page.close()
    wide = ("1280 px: formulas", "1440 px: tables", "1280 px: code", "1440 px: code", "1280 px: inline formula cut off")
    phone = ("390 px: numbers", "390 px: number out of sight: (7)", "390 px: inline formula", "390 px: the page")
    for fault in (*wide, *phone, "light: color-contrast: p", "dark: color-contrast: .dim"):
        assert any(found.startswith(fault) for found in faults), f"not noticed: {fault}"
    assert not any(
        found.startswith(("1440 px: formulas", "390 px: code", "light: color-contrast: .dim")) for found in faults
    )
