"""Sphinx extension: the page `book/mistakes.md` lists, by name, what goes wrong, and links each name to the others.

Three kinds have a name: the errata of `book/errata.md`, the misconceptions of `book/misconceptions.json`, which wrong
answers to the chapters' questions carry, and the diagnoses of the self-checks. `book/mistakes.json` says which belong
together. All of it is read from the sources, nothing is imported and nothing is kept, so the page says what they say;
a name that does not exist is a warning.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

PAGE = "book/mistakes"
PLACE = re.compile(r"^<!-- mistakes: (\w+) -->$", re.MULTILINE)
ERRATUM = re.compile(r"^\((erratum-[\w-]+)\)=\n## (\d+)\. (.+)$", re.MULTILINE)
GROUP = {"errata", "misconceptions", "diagnoses"}
HOLE = "…"  # what a message says of the reader's numbers


@dataclass
class Mistake:
    """Something with a name: where it is met, and what else documents it."""

    kind: str
    target: str  # what a link leads to
    text: str
    where: list[str] = field(default_factory=list)  # links in Markdown
    check: str = ""  # of a diagnosis
    label: str = ""  # what a link says
    others: list["Mistake"] = field(default_factory=list)

    def link(self) -> str:
        """A link with a short text."""
        return f"{{ref}}`{plain(self.label)} <{self.target}>`"


def slug(name: str) -> str:
    """A name as part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def plain(text: str) -> str:
    """Text of a link of a role: no backticks, and no brackets that would end it."""
    return text.replace("`", "").replace("<=", "≤").replace("<", "‹").replace(">", "›")


def escaped(text: str) -> str:
    """Plain text as Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>$#|~])", r"\\\1", text)


# What the sources say


class Texts(ast.NodeVisitor):
    """The diagnoses of each check of a module, read from its source: keys of tables of mistakes, and verdicts."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.values = {}  # what short names stand for
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.values.setdefault(node.targets[0].id, node.value)

    def checks(self, names: set[str]) -> dict[str, list[str]]:
        """The messages of the checks with these names, each once, in the order of the source."""
        return {name: list(dict.fromkeys(self.messages(node))) for node in self.tree.body
                for name in defined(node) if name in names}  # fmt: skip

    def messages(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """Yield what stands in a function and in the private ones that it uses."""
        for part in ast.walk(node):
            for key in found_in(part):
                text = self.text(key)
                if " " in text.replace(HOLE, ""):
                    yield text
            if isinstance(part, ast.Name) and part.id.startswith("_") and part.id not in seen:
                for other in self.tree.body:
                    if part.id in defined(other):
                        yield from self.messages(other, seen | {part.id})

    def text(self, node: ast.AST | None) -> str:
        """A string as it is written, with `HOLE` for what is only known later."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else HOLE
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self.text(node.left) + self.text(node.right)
        if isinstance(node, ast.JoinedStr):
            return "".join(self.text(part) for part in node.values)
        return self.text(self.values[node.id]) if isinstance(node, ast.Name) and node.id in self.values else HOLE


def found_in(node: ast.AST) -> list[ast.expr]:
    """The expressions of a node that are messages, if they are strings: keys of a table, a verdict's, a praise."""
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key]
    if not isinstance(node, ast.Call):
        return []
    called = getattr(node.func, "id", "")
    if called == "FindTheLine":
        praise = next((word.value for word in node.keywords if word.arg == "praise"), node.args[3:4])
        return list(getattr(praise[0] if isinstance(praise, list) and praise else praise, "values", []))
    is_failure = called == "Verdict" and len(node.args) > 1 and getattr(node.args[0], "value", None) is False
    return [node.args[1]] if is_failure else []


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    return [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]


def cells_of(path: Path) -> list[dict]:
    """The cells of a notebook, each with its source as one text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def chapter(path: Path) -> str:
    """A link to a chapter."""
    return f"[Chapter {int(path.stem[:2])}](../notebooks/{path.name})"


class Book:
    """All that has a name, from the sources of the book in `root`, and the groups that belong together."""

    def __init__(self, root: Path) -> None:
        self.root, self.faults = root, []
        self.notebooks = sorted(root.glob("notebooks/[0-9]*.ipynb"))
        self.checks = {path.stem[3:]: root / "statesdiff" / "check" / f"{path.stem[3:]}.py" for path in self.notebooks}
        self.errata = self.read_errata()
        self.misconceptions = self.read_misconceptions()
        self.diagnoses = self.read_diagnoses()
        for group in json.loads((root / "book" / "mistakes.json").read_text(encoding="utf-8")):
            self.join(group)

    def sources(self) -> list[Path]:
        """The files that the page depends on."""
        names = ("errata.md", "misconceptions.json", "mistakes.json")
        checks = [path for path in self.checks.values() if path.exists()]
        checks.append(self.root / "statesdiff" / "check" / "__init__.py")
        return [*(self.root / "book" / name for name in names), *self.notebooks, *checks]

    def read_errata(self) -> dict[str, Mistake]:
        text = (self.root / "book" / "errata.md").read_text(encoding="utf-8")
        return {
            name: Mistake("errata", name, title, label=f"Erratum {number}")
            for name, number, title in ERRATUM.findall(text)
        }

    def read_misconceptions(self) -> dict[str, Mistake]:
        told = json.loads((self.root / "book" / "misconceptions.json").read_text(encoding="utf-8"))
        found = {
            name: Mistake("misconceptions", f"misconception-{name}", text, label=name) for name, text in told.items()
        }
        for path in self.notebooks:
            for quiz in [cell["metadata"]["quiz"] for cell in cells_of(path) if "quiz" in cell["metadata"]]:
                for name in [answer["misconception"] for answer in quiz["answers"] if "misconception" in answer]:
                    if name in found:
                        found[name].where.append(f"{chapter(path)}, {{ref}}`{quiz['id']} <question-{quiz['id']}>`")
        return found

    def read_diagnoses(self) -> dict[str, Mistake]:
        found, listed = {}, ast.parse((self.root / "statesdiff" / "check" / "__init__.py").read_text(encoding="utf-8"))
        names = {alias.name for node in listed.body if isinstance(node, ast.ImportFrom) for alias in node.names}
        for path in self.notebooks:
            module = self.checks[path.stem[3:]]
            texts = Texts(module.read_text(encoding="utf-8")).checks(names) if module.exists() else {}
            for check, messages in texts.items():
                for k, message in enumerate(messages, 1):
                    target = f"diagnosis-{slug(check)}-{k}"
                    found[f"{check}: {message}"] = Mistake(
                        "diagnoses", target, message, [chapter(path)], check, message
                    )
        return found

    def named(self, kind: str, name: str) -> list[Mistake]:
        """What a group means by a name: an id, or of a diagnosis the check and words that it contains."""
        if kind != "diagnoses":
            matching = [mistake for key, mistake in getattr(self, kind).items() if key == name]
        else:
            check, _, words = name.partition(": ")
            matching = [m for m in self.diagnoses.values() if m.check == check and words in m.text]
            for mistake in matching:
                mistake.label = words
        if len(matching) != 1:
            self.faults.append(f"book/mistakes.json: {name!r} is the name of {len(matching)} {kind}, not of one")
        return matching

    def join(self, group: dict[str, list[str]]) -> None:
        """Link everything in a group with everything of another kind in it."""
        if not set(group) <= GROUP:
            self.faults.append(f"book/mistakes.json: a group has {sorted(GROUP)}, got {sorted(group)}")
        members = [
            mistake for kind in sorted(GROUP) for name in group.get(kind, []) for mistake in self.named(kind, name)
        ]
        for mistake in members:
            mistake.others += [m for m in members if m.kind != mistake.kind and m not in mistake.others]


# The page


def line(kind: str, mistakes: list[Mistake]) -> str:
    """The links to the mistakes of one kind, as a sentence; nothing if there are none."""
    head = {"errata": "Documented in", "misconceptions": "Misconceptions:", "diagnoses": "Diagnosed by"}[kind]
    by_check: dict[str, list[str]] = {}
    for mistake in mistakes:
        if mistake.kind == kind:
            asked = f" ({'; '.join(mistake.where)})" if kind == "misconceptions" and mistake.where else ""
            by_check.setdefault(mistake.check, []).append(mistake.link() + asked)
    links = "; ".join(
        f"*{escaped(check)}*: {', '.join(found)}" if check else ", ".join(found) for check, found in by_check.items()
    )
    return f"{head} {links}." if links else ""


def also(mistake: Mistake) -> str:
    """What else documents a mistake."""
    return " ".join(filter(None, (line(kind, mistake.others) for kind in sorted(GROUP - {mistake.kind}))))


def entry(mistake: Mistake, text: str) -> str:
    """An item of a list that can be linked to."""
    return f"- ({mistake.target})=\n  {text}".rstrip()


def page(book: Book) -> dict[str, str]:
    """The parts of the page, as Markdown."""
    errata = [
        f"- {m.link()}: {m.text}. {also(m) or 'No question asks it, and no check names it.'}"
        for m in book.errata.values()
    ]
    wrong = [
        entry(m, f"**{m.label}**: {escaped(m.text)} Asked in {'; '.join(m.where) or 'no question'}. {also(m)}")
        for m in book.misconceptions.values()
    ]
    checks: dict[str, list[Mistake]] = {}
    for mistake in book.diagnoses.values():
        checks.setdefault(mistake.check, []).append(mistake)
    named = [
        f"### {escaped(check)}\n\n{mistakes[0].where[0]}\n\n"
        + "\n".join(
            entry(m, f"**{k}** {escaped(m.text)}{'. ' * bool(m.others)}{also(m)}") for k, m in enumerate(mistakes, 1)
        )
        for check, mistakes in checks.items()
    ]
    return {"errata": "\n".join(errata), "misconceptions": "\n".join(wrong), "diagnoses": "\n\n".join(named)}


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the lists into the page's text before it is read."""
    if docname != PAGE:
        return
    book = Book(Path(app.srcdir))
    for path in [*book.sources(), Path(__file__)]:
        app.env.note_dependency(str(path))
    for fault in book.faults:
        getLogger(__name__).warning(fault)
    parts = page(book)
    source[0] = PLACE.sub(lambda found: parts[found[1]], source[0])


def setup(app: Sphinx) -> dict:
    """Register the hook."""
    app.connect("source-read", fill)
    return {"version": "1.0", "parallel_read_safe": True, "parallel_write_safe": True}
