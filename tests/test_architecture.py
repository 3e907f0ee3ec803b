"""Who may import what: no circles, the method knows no wing, files know files alone, and what is private stays so.

The rules are checked on the source text, and the checkers on small made-up sources that break them.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WINGS = {path.parent.name for path in ROOT.glob("statesdiff/*/__init__.py")} - {"files"}
Sources = Mapping[str, str]  # the text of each module, by its dotted name


def sources_under(folder: str, prefix: str = "") -> dict[str, str]:
    """The modules of a folder; a package goes by its own name."""
    found = {}
    for path in (ROOT / folder).rglob("*.py"):
        parts = path.relative_to(ROOT / folder).with_suffix("").parts
        found[".".join([*([prefix] if prefix else []), *parts]).removesuffix(".__init__")] = path.read_text(
            encoding="utf-8"
        )
    return found


PACKAGE = sources_under("statesdiff", "statesdiff")
ALL = PACKAGE | sources_under("tools") | sources_under("benchmarks") | sources_under("tests", "tests")


def imports(name: str, source: str, known: Sources) -> Iterator[tuple[str, str | None, str]]:
    """Each import as (module, the name taken from it or None where it is the module itself, what it is called here)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:  # relative: whoever writes "from . import x" in a package's module means its parent
                parents = name.split(".")[: -node.level or None]
                module = ".".join([*parents, *([module] if module else [])])
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                called = alias.asname or alias.name
                yield (whole, None, called) if whole in known else (module, alias.name, called)


def graph_of(sources: Sources) -> dict[str, set[str]]:
    """The modules among these that each of them imports."""
    return {
        name: {module for module, _, _ in imports(name, source, sources)} & sources.keys()
        for name, source in sources.items()
    }


def circles(sources: Sources) -> list[str]:
    """One way round for each module from which imports lead back to it."""
    graph, found = graph_of(sources), []
    for start in sorted(graph):
        ways, seen = [[start]], set()
        while ways:
            way = ways.pop()
            for following in sorted(graph[way[-1]] - seen):
                seen.add(following)
                ways.append([*way, following])
            if start in graph[way[-1]]:
                found.append(" > ".join([*way, start]))
                break
    return found


def wings_in_the_method(sources: Sources) -> list[str]:
    """What a flat module of the package, the command line aside, imports from a wing."""
    flat = [
        name for name in sources if name.count(".") == 1 and name.split(".")[1] not in {*WINGS, "files", "__main__"}
    ]
    return [
        f"{name}: {module}"
        for name in flat
        for module in named(name, sources)
        if module.startswith("statesdiff.") and module.split(".")[1] in WINGS
    ]


def beyond_files(sources: Sources) -> list[str]:
    """What a module of `files` imports from the rest of the package."""
    return [
        f"{name}: {module}"
        for name in sources
        if name.startswith("statesdiff.files")
        for module in named(name, sources)
        if module.split(".")[0] == "statesdiff" and not module.startswith("statesdiff.files.")
    ]


def named(name: str, sources: Sources) -> Iterator[str]:
    """Everything that a module imports, in full: a module, or a name in one."""
    for module, taken, _ in imports(name, sources[name], sources):
        yield f"{module}.{taken}" if taken else module


def private(part: str) -> bool:
    return part.startswith("_") and not part.endswith("__")


def private_of_others(sources: Sources) -> list[str]:
    """Each use of an underscore name of another module: imported, or an attribute of a module that was imported."""
    found = []
    for name, source in sources.items():
        modules = {}
        for module, taken, called in imports(name, source, sources):
            if module not in sources:
                continue
            if any(map(private, module.split("."))) or (taken and private(taken)):
                found.append(f"{name}: {module}.{taken}" if taken else f"{name}: {module}")
            if taken is None:
                modules[called] = module
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and private(node.attr) and ast.unparse(node.value) in modules:
                found.append(f"{name}: {modules[ast.unparse(node.value)]}.{node.attr}")
    return found


# The rules hold


def test_imports_lead_nowhere_back():
    assert circles(PACKAGE) == []


def test_the_method_imports_no_wing():
    assert wings_in_the_method(PACKAGE) == []


def test_files_import_files_alone():
    assert beyond_files(PACKAGE) == []


def test_nobody_uses_what_is_private_to_another():
    assert private_of_others(ALL) == []


def test_the_rules_look_at_all_there_is():
    assert {"statesdiff", "statesdiff.schedule", "statesdiff.files.points", "statesdiff.check"} <= PACKAGE.keys()
    assert {"run_notebooks", "tests.support"} <= ALL.keys()
    assert {"check", "ablations", "project", "results"} <= WINGS
    assert "statesdiff.files.atomic" in graph_of(PACKAGE)["statesdiff.checkpoints"]
    assert graph_of(PACKAGE)["statesdiff.check"] > {"statesdiff.check.sampling"}


# The rules can be broken


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("import statesdiff.b", "import statesdiff.a"),
        ("from statesdiff import b", "from statesdiff.a import f"),
        ("from . import b", "from .a import f"),
        ("def f():\n    from statesdiff.b import g", "from statesdiff import a as c"),
    ],
)
def test_a_circle_of_two_is_found_however_it_is_written(a, b):
    sources = {"statesdiff": "", "statesdiff.a": a, "statesdiff.b": b, "statesdiff.c": "import statesdiff.a"}
    assert circles(sources) == [
        "statesdiff.a > statesdiff.b > statesdiff.a",
        "statesdiff.b > statesdiff.a > statesdiff.b",
    ]


def test_a_longer_circle_is_found_and_a_diamond_is_none():
    sources = {"a": "import b, c", "b": "import d", "c": "import d", "d": "import os"}
    assert circles(sources) == []
    assert circles(sources | {"d": "from a import f"})[0] in ("a > b > d > a", "a > c > d > a")
    assert circles({"a": "import a"}) == ["a > a"]


@pytest.mark.parametrize(
    "line",
    [
        "import statesdiff.ablations.toys",
        "from statesdiff.ablations import toys",
        "from statesdiff.ablations.toys import points",
        "from statesdiff import ablations",
        "from .ablations.toys import points",
        "def f():\n    import statesdiff.ablations",
    ],
)
def test_a_method_that_imports_a_wing_is_found(line):
    wing = {"statesdiff": "", "statesdiff.ablations": "", "statesdiff.ablations.toys": ""}
    sources = wing | {"statesdiff.data": line, "statesdiff.rng": "import torch"}
    assert [found.split(":")[0] for found in wings_in_the_method(sources)] == ["statesdiff.data"]
    assert wings_in_the_method(wing | {"statesdiff.__main__": line, "statesdiff.check.states": line}) == []


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("from statesdiff.files.tensors import read_tensors", True),
        ("from .tensors import read_tensors", True),
        ("import numpy", True),
        ("from statesdiff.data import states", False),
        ("from statesdiff import data", False),
        ("from ..data import states", False),
        ("import statesdiff", False),
    ],
)
def test_a_file_reader_that_looks_beyond_files_is_found(line, allowed):
    sources = {"statesdiff.files": "", "statesdiff.files.tensors": "", "statesdiff.data": ""}
    assert (beyond_files(sources | {"statesdiff.files.points": line}) == []) is allowed


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("from statesdiff.data import _read", "statesdiff.data._read"),
        ("from statesdiff.data import _read as read", "statesdiff.data._read"),
        ("from .data import _read", "statesdiff.data._read"),
        ("import statesdiff.data\nstatesdiff.data._read(3)", "statesdiff.data._read"),
        ("import statesdiff.data as d\nd._read(3)", "statesdiff.data._read"),
        ("from statesdiff import data\ndef f():\n    return data._read", "statesdiff.data._read"),
        ("from statesdiff import _secret", "statesdiff._secret"),
        ("from statesdiff._secret import known", "statesdiff._secret.known"),
    ],
)
def test_what_is_private_to_another_is_found(source, used):
    sources = {"statesdiff": "", "statesdiff.data": "", "statesdiff._secret": "", "statesdiff.plotting": source}
    assert private_of_others(sources) == [f"statesdiff.plotting: {used}"]


@pytest.mark.parametrize(
    "source",
    [
        "from statesdiff.data import states, __doc__",
        "from statesdiff import __main__ as cli\ncli.__doc__",
        "from dataclasses import _MISSING_TYPE",  # not ours
        "def _own(self):\n    return self._x\n_own(_own)",
        "import statesdiff.data as d\nd.states()._x",
    ],
)
def test_what_is_ones_own_or_public_or_not_ours_is_no_use_of_another(source):
    sources = {"statesdiff": "", "statesdiff.data": "", "statesdiff.__main__": "", "statesdiff.plotting": source}
    assert private_of_others(sources) == []
