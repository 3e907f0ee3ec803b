"""What a page of the site becomes where nothing moves and nothing folds: on paper and in a reader without scripts.

Whatever the site does with scripts has its rule here. A player is its poster, a lab its static figure, and what is
folded, be it a solution or an answer, stands open.
"""

from bs4 import Tag

# Gone: what only a browser needs, the set-up that each notebook repeats, and links to this very file.
DROPPED = "script, style, canvas, button, input, a.headerlink, .to-keep, .toctree-wrapper, :not(details) > summary"
LABELS = {"tag_solution": "Solution"}


def still(article: Tag) -> Tag:
    """Change an article in place, and return it."""
    drop_setup(article)
    for found in article.select(DROPPED):
        found.decompose()
    for folded in article.select("details"):
        unfold(folded)
    for moving in article.select("[hidden]"):  # shown by a script when its time has come
        del moving["hidden"]
    return article


def drop_setup(article: Tag) -> None:
    """Drop the folded cells that are no solutions."""
    for cell in article.select("div.cell.tag_hide-cell:not(.tag_solution)"):
        cell.decompose()


def unfold(folded: Tag) -> None:
    """Turn a `details` into a box with its summary as the label."""
    cell = folded.find_parent("div", class_="cell")
    kinds = cell.get("class", []) if cell else []
    summary = folded.find("summary", recursive=False)
    label = next((LABELS[kind] for kind in kinds if kind in LABELS), None) or label_of(summary)
    if summary:
        summary.decompose()
    folded.name = "div"
    folded.attrs = {"class": "unfolded"}
    if label:
        title = Tag(name="p", attrs={"class": "label"})
        title.string = label
        folded.insert(0, title)


def label_of(summary: Tag | None) -> str:
    """What stands on a fold while it is closed."""
    if summary is None:
        return ""
    return (summary.find(class_="collapsed") or summary).get_text().strip()
