"""Sphinx extension: what Sphinx and the theme write that assistive technology cannot read is written otherwise."""

import re

from sphinx.application import Sphinx

# A signature of several lines is a list of definitions without terms; an entry of the bibliography has a role
# that a list may not hold.
PARAMETERS = re.compile(r"<dl>\n(.*?)</dl>", re.DOTALL)


def mend(body: str) -> str:
    """Return the HTML of a page with parameters as plain lines, and references as items of their list."""

    def lines(match: re.Match) -> str:
        inside = match[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
        return f'<span class="sig-lines">\n{inside}</span>'

    return PARAMETERS.sub(lines, body).replace('role="doc-biblioentry"', 'role="listitem"')


def mend_page(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Mend the text of a page; name the arrows that unfold a part of the contents after that part."""
    context["body"] = mend(context.get("body", ""))
    contents = context.get("generate_toctree_html")
    if contents is None:
        return

    def named(*args: object, **kwargs: object) -> object:
        tree = contents(*args, **kwargs)
        for part in getattr(tree, "select", lambda _: [])("li.has-children"):
            part.select_one("summary")["aria-label"] = f"Pages of “{part.select_one('a').get_text(strip=True)}”"
        return tree

    context["generate_toctree_html"] = named


def setup(app: Sphinx) -> dict:
    """Register the hook, after the theme's."""
    app.connect("html-page-context", mend_page, priority=900)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
