"""Sphinx extension: `{api} NAME` on a page shows what that module of the package says of itself.

Sources are read and not imported, so that the pages build in seconds and without PyTorch. A docstring is plain text
with `names` in backticks; a name that its module defines, or takes from another of ours, becomes a link.
"""

import ast
import json
import re
from copy import deepcopy
from pathlib import Path
from zlib import crc32

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.logging import getLogger

PACKAGE = "statesdiff"
LONGEST_VALUE = 70  # characters: the value of a longer constant is not shown


class FullNames(ast.NodeTransformer):
    """In an annotation, a class of ours gets its full name, which Sphinx links and shortens; another its last one."""

    def __init__(self, full: dict[str, str]) -> None:
        self.full = full

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.full.get(node.id, node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.Name:
        return ast.Name(node.attr)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self.visit_Name(ast.Name(node.value)) if isinstance(node.value, str) else node

    def visit_arguments(self, node: ast.arguments) -> ast.arguments:
        for argument in [n for n in ast.walk(node) if isinstance(n, ast.arg) and n.annotation]:
            argument.annotation = self.visit(argument.annotation)
        return node


class Module:
    """The source of a module, and what it says as Markdown for MyST."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source, self.tree = name, source, ast.parse(source)
        self.full: dict[str, str] = {}  # what a name is called outside the module
        for node in self.tree.body:
            self.full |= {own: f"{name}.{own}" for own in defined(node)}
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE):
                self.full |= {taken.name: f"{node.module}.{taken.name}" for taken in node.names}

    def markdown(self) -> str:
        """The module's docstring, then its public names in the order of the source."""
        entries = [self.entry(node) for node in self.tree.body if is_public(node)]
        return "\n\n".join([fenced("py:module", self.name), self.text(self.tree), *entries])

    def entry(self, node: ast.stmt, method: bool = False) -> str:
        """A class, a function, a method or a constant as a directive of Sphinx's Python domain."""
        if isinstance(node, ast.ClassDef):
            methods = [self.entry(n, method=True) for n in node.body if isinstance(n, ast.FunctionDef) and is_public(n)]
            return fenced("py:class", self.head(node.name, constructor(node)), self.text(node), *methods)
        if not isinstance(node, ast.FunctionDef):
            return fenced("py:data", *self.constant(node))
        tags = {tag.id for tag in node.decorator_list if isinstance(tag, ast.Name)}
        if tags & {"property", "cached_property"}:
            return fenced("py:property", f"{node.name}\n:type: {self.types(node.returns)}", self.text(node))
        head = self.head(node.name, node.args, node.returns, method)
        head += "\n:classmethod:" if "classmethod" in tags else ""
        return fenced("py:method" if method else "py:function", head, self.text(node))

    def head(self, name: str, args: ast.arguments | None, returns: ast.expr | None = None, method: bool = False) -> str:
        """The name, the arguments and what is returned, in one line."""
        if args is None:
            return name
        args = deepcopy(args)
        del args.args[: int(method)]  # self or cls
        for values in (args.defaults, args.kw_defaults):  # as written: 1e-4, not 0.0001
            values[:] = [v and ast.Name(ast.get_source_segment(self.source, v)) for v in values]
        return f"{name}({self.types(args)})" + (f" -> {self.types(returns)}" if returns else "")

    def types(self, node: ast.AST) -> str:
        """Code with the names that a reader wants."""
        return ast.unparse(FullNames(self.full).visit(deepcopy(node)))

    def constant(self, node: ast.Assign | ast.AnnAssign) -> tuple[str, str]:
        """A constant with its value, if that is short, the comment at the end of its line, and the keys of a dict."""
        name, value = defined(node)[0], ast.get_source_segment(self.source, node.value)
        comment = escaped(self.source.splitlines()[node.end_lineno - 1][node.end_col_offset :].partition("# ")[2])
        if isinstance(node.value, ast.Dict) and node.value.keys:
            return name, f"{comment}\n\nKeys: " + ", ".join(f"`{ast.unparse(key)}`" for key in node.value.keys)
        is_shown = len(value) <= LONGEST_VALUE and "__file__" not in value and "\n" not in value
        return f"{name}\n:value: {json.dumps(value)}" if is_shown else name, comment

    def text(self, node: ast.AST) -> str:
        """The docstring: signs mean themselves, except for backticks."""
        parts = re.split(r"`([^`]+)`", ast.get_docstring(node) or "")
        parts[::2] = [escaped(part) for part in parts[::2]]
        parts[1::2] = [self.code(part) for part in parts[1::2]]
        return "".join(parts)

    def code(self, words: str) -> str:
        """What stands in backticks, as a link if it is a name of ours."""
        name, rest = re.match(r"(\w*)((?:\.\w+)?)", words).groups()
        is_ours = name in self.full and words.removesuffix("()") == name + rest
        return f"{{py:obj}}`{words} <{self.full[name]}{rest}>`" if is_ours else f"`{words}`"


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def is_public(node: ast.stmt) -> bool:
    """Whether a statement defines something that is meant for others."""
    names = [name for name in defined(node) if not name.startswith("_")]
    return bool(names) and not (isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is None)


def constructor(node: ast.ClassDef) -> ast.arguments | None:
    """The arguments of a class: of its `__init__`, or the fields of a record; None if it has neither."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return ast.arguments([], part.args.args[1:], part.args.vararg, part.args.kwonlyargs,
                                 part.args.kw_defaults, part.args.kwarg, part.args.defaults)  # fmt: skip
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    args = [ast.arg(field.target.id, field.annotation) for field in fields]
    return ast.arguments([], args, None, [], [], None, [f.value for f in fields if f.value]) if args else None


def escaped(text: str) -> str:
    """Plain text as Markdown; the point too, or `schedule.py` would be an address in Paraguay."""
    return re.sub(r"([\\*_{}\[\]<>$#|~^.])", r"\\\1", text)


def fenced(name: str, head: str, *content: str) -> str:
    """A directive of MyST around others, which have shorter fences."""
    body = "\n\n".join(content)
    fence = ":" * max([3, *(len(found) + 1 for found in re.findall(r"^:{3,}", body, re.MULTILINE))])
    return f"{fence}{{{name}}} {head}\n\n{body}\n{fence}"


class ModuleDirective(SphinxDirective):
    """`{api} NAME`: the docstring of a module of the package, and its public names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the source, and note that the page depends on it."""
        name = self.arguments[0]
        path = Path(self.env.srcdir, *name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        self.env.note_dependency(str(path))
        found = nodes.container()
        text = Module(name, path.read_text(encoding="utf-8")).markdown()
        self.state.nested_parse(StringList(text.splitlines(), str(path)), 0, found)
        for paragraph in found.findall(nodes.paragraph):
            paragraph["support_smartquotes"] = False  # (B, ...) and "beta" are code
        return found.children


def plain_if_unknown(app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.Element) -> object:
    """A type of Python's or of another package's is shown and not linked."""
    return content if node.get("refdomain") == "py" else None


def nothing_left_out(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of a module of the package that is on no page."""
    for path in sorted(Path(app.srcdir, PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(app.srcdir).with_suffix("").parts).removesuffix(".__init__")
        is_module = path.with_name("__init__.py").exists() and "__" not in name and name != PACKAGE
        if is_module and name not in env.get_domain("py").modules:
            getLogger(__name__).warning("book/api/ has no {api} %s", name)


def setup(app: Sphinx) -> dict:
    """Register the directive and the hooks; the version makes all pages again when this file changes."""
    app.add_directive("api", ModuleDirective)
    app.connect("missing-reference", plain_if_unknown)
    app.connect("env-check-consistency", nothing_left_out)
    version = crc32(Path(__file__).read_bytes())
    return {"env_version": version, "parallel_read_safe": True, "parallel_write_safe": True}
