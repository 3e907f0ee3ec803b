"""The ePub: a file of XHTML for each page, with MathML and no script."""

import base64
import mimetypes
from collections.abc import Iterator
from datetime import datetime, timezone
from hashlib import sha256
from html import escape
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from bs4 import Tag

from .front import Front, code_style
from .links import in_files, relink
from .mathml import typeset
from .pages import Page
from .still import still

HERE = Path(__file__).parent
# What HTML still understands and XHTML of today has no place for.
OUTDATED = ("align", "border", "halign", "valign", "nowrap", "width", "height")
CONTAINER = """<?xml version="1.0" encoding="utf-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/content.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""


def write(pages: list[Page], html: Path, front: Front, out: Path) -> None:
    """Write `pages`, which lie in the folder `html`, to the file `out`; `front` has what the title page says."""
    part = out.with_suffix(".part")
    try:
        with ZipFile(part, "w", ZIP_DEFLATED) as archive:
            archive.writestr("mimetype", "application/epub+zip", ZIP_STORED)  # first and plain, as the format wants it
            archive.writestr("META-INF/container.xml", CONTAINER)
            for name, data in files(pages, html, front):
                archive.writestr(f"book/{name}", data)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def files(pages: list[Page], html: Path, front: Front) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of all that the book consists of, the package file last."""
    images, cover = {}, ""
    if front.picture:
        cover = keep_image(images, front.picture.read_bytes(), front.picture.suffix)
    for page in pages:
        still(page.article)
        collect_images(page, html, images)
        plain(page.article)
        typeset(page.article)
    relink(pages, in_files)
    texts = {"title.xhtml": document(front.title, front.body(cover)), "nav.xhtml": nav(pages)}
    texts |= {f"{page.key}.xhtml": document(page.title, chapter(page)) for page in pages}
    texts["style.css"] = (HERE / "epub.css").read_text(encoding="utf-8") + code_style()
    yield from ((name, text.encode("utf-8")) for name, text in texts.items())
    yield from images.items()
    yield "content.opf", package(front, texts, images, cover).encode("utf-8")


def keep_image(images: dict[str, bytes], data: bytes, suffix: str) -> str:
    """Put an image among the others, once, and return its name."""
    name = f"images/{sha256(data).hexdigest()[:16]}{suffix}"
    images[name] = data
    return name


def collect_images(page: Page, html: Path, images: dict[str, bytes]) -> None:
    """Lead the images of a page to files of the book, those within the page too."""
    for image in page.article.select("img[src]"):
        source = image["src"]
        if source.startswith("data:"):
            kind, _, data = source.removeprefix("data:").partition(";base64,")
            image["src"] = keep_image(images, base64.b64decode(data), mimetypes.guess_extension(kind) or "")
        else:
            file = (html / page.name).parent / source
            image["src"] = keep_image(images, file.read_bytes(), file.suffix)
        image.attrs.setdefault("alt", "")


def plain(article: Tag) -> None:
    """Take off attributes that XHTML no longer has; Sphinx makes the lines of a signature a list without terms."""
    for tag in article.select("dt.sig dl, dt.sig dl > dd"):
        tag.name = "div"
    for tag in article.find_all(True):
        for name in OUTDATED:
            tag.attrs.pop(name, None)


def chapter(page: Page) -> str:
    """The text of a page; the first of a part has its name above the title."""
    part = f'<p class="part">{escape(page.part)}</p>' if page.part else ""
    return part + page.article.decode_contents(formatter="minimal")


def document(title: str, body: str) -> str:
    """A file of XHTML."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="en" xml:lang="en">
<head><title>{escape(title)}</title><link rel="stylesheet" href="style.css"/></head>
<body>
{body}
</body></html>"""


def nav(pages: list[Page]) -> str:
    """The contents: parts, chapters and their sections."""
    items, is_open = [], False
    for page in pages:
        if page.part:
            items.append("</ol></li>" * is_open + f"<li><span>{escape(page.part)}</span><ol>")
            is_open = True
        sections = "".join(entry(in_files(page, anchor), title) for anchor, title in page.sections())
        items.append(entry(in_files(page, ""), page.title, f"<ol>{sections}</ol>" if sections else ""))
    items.append("</ol></li>" * is_open)
    body = f'<nav epub:type="toc" id="toc"><h1>Contents</h1><ol>{"".join(items)}</ol></nav>'
    return document("Contents", body)


def entry(address: str, title: str, below: str = "") -> str:
    """A line of the contents, with what is below it."""
    return f'<li><a href="{escape(address)}">{escape(title)}</a>{below}</li>'


def package(front: Front, texts: dict[str, str], images: dict[str, bytes], cover: str) -> str:
    """The package file: what the book is, its files, and their order."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    items = [item(name, properties(name, text)) for name, text in texts.items()]
    items += [item(name, "cover-image" if name == cover else "") for name in images]
    spine = [f'<itemref idref="{identifier(name)}"/>' for name in texts if name.endswith(".xhtml")]
    return f"""<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" xml:lang="en">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">{uuid5(NAMESPACE_URL, front.title + front.version).urn}</dc:identifier>
<dc:title>{escape(front.title)}</dc:title>
<dc:creator>{escape(front.author)}</dc:creator>
<dc:language>en-GB</dc:language>
<dc:description>{escape(front.subtitle)}</dc:description>
<dc:rights>Text and figures: CC BY 4.0. Code: MIT.</dc:rights>
<meta property="dcterms:modified">{now}</meta>
</metadata>
<manifest>
{"".join(items)}</manifest>
<spine>{"".join(spine)}</spine>
</package>"""


def properties(name: str, text: str) -> str:
    """What a reader must know of a file before it opens it."""
    found = [word for word, sign in (("mathml", "<math"), ("svg", "<svg")) if sign in text]
    return " ".join(["nav"] * (name == "nav.xhtml") + found)


def item(name: str, properties: str) -> str:
    """A line of the manifest."""
    kinds = {".xhtml": "application/xhtml+xml", ".css": "text/css"}
    kind = kinds.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
    said = f' properties="{properties}"' if properties else ""
    return f'<item id="{identifier(name)}" href="{escape(name)}" media-type="{kind}"{said}/>\n'


def identifier(name: str) -> str:
    """The name of a file as an identifier."""
    return "f-" + name.replace("/", "-")
