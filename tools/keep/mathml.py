"""TeX to MathML, which readers of ePub typeset themselves."""

import re
import unicodedata

from bs4 import BeautifulSoup, Tag
from latex2mathml.converter import convert

# Bold italic is a letter of its own in Unicode; browsers no longer heed the attribute that says so.
BOLD_ITALIC = {chr(int(unicodedata.decomposition(chr(c))[7:], 16)): chr(c) for c in range(0x1D71C, 0x1D756)}
TAG = re.compile(r"\\tag\{([^}]*)\}")


def typeset(article: Tag) -> None:
    """Replace each formula of an article by MathML, with its TeX as alternative text.

    Raises ValueError for a formula that cannot be converted.
    """
    for formula in article.select(".math"):
        tex = formula.get_text().strip()
        tex = tex[2:-2].strip() if tex.startswith((r"\[", r"\(")) else tex
        is_display = formula.name == "div"
        number = TAG.search(tex)
        math = mathml(TAG.sub("", tex), is_display)
        formula.clear()
        formula.attrs = {"class": "display" if is_display else "inline"}
        formula.append(math)
        if number:
            formula.append(Tag(name="span", attrs={"class": "number"}))
            formula.span.string = f"({number[1]})"


def mathml(tex: str, is_display: bool) -> Tag:
    """One formula as an element of MathML."""
    math = converted(prepared(tex), "block" if is_display else "inline")
    for sign in [mo for mo in math.select("mo") if mo.get_text().startswith("\\")]:  # after \bigl the name is left
        sign.string = converted(sign.get_text()).get_text()
    is_lost = r"\begin" in tex and not math.mtable
    if is_lost or re.search(r"[\\&]", math.get_text()):
        raise ValueError(f"cannot be converted to MathML, an unknown command or environment: {tex}")
    for letter in math.select("[mathvariant=bold-italic]"):
        if letter.string in BOLD_ITALIC:
            letter.string = BOLD_ITALIC[letter.string]
            del letter["mathvariant"]
    math["alttext"] = tex
    return math


def prepared(tex: str) -> str:
    """TeX as the converter wants it.

    It knows `split` and not `aligned`; Sphinx puts another `split` around what has several lines. An underline in a
    name is plain.
    """
    if r"\begin{aligned}" in tex:
        tex = re.sub(r"\\(begin|end)\{split\}", "", tex).replace("{aligned}", "{split}")
    return re.sub(r"(?<=\\texttt\{)[^}]*", lambda name: name[0].replace(r"\_", "_"), tex).strip()


def converted(tex: str, display: str = "inline") -> Tag:
    """What the converter makes of TeX."""
    try:
        return BeautifulSoup(convert(tex, display=display), "html.parser").math
    except Exception as error:  # the converter has many kinds of its own
        raise ValueError(f"cannot be converted to MathML: {tex}") from error
