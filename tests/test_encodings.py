"""Text is read and written in UTF-8 everywhere, whatever the locale; ruff sees only some of the calls."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(
    p for part in ("statesdiff", "tools", "benchmarks", "tests", "book/_ext") for p in (ROOT / part).rglob("*.py")
)


def bare(source: str) -> list[str]:
    """The calls that would read or write text in the encoding of the locale."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call) for call in calls if opens_text(call) and "encoding" not in {k.arg for k in call.keywords}
    ]


def opens_text(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text"):
        return True
    modes = [a.value for a in [*call.args[1:2], *(k.value for k in call.keywords)] if isinstance(a, ast.Constant)]
    return isinstance(call.func, ast.Name) and call.func.id == "open" and not any("b" in str(mode) for mode in modes)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_utf_8(path):
    assert bare(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("p.read_text()", 1),
        ("p.write_text('x')", 1),
        ("open(p)", 1),
        ("open(p, 'w')", 1),
        ("open(p, mode='a')", 1),
        ("open(p, 'rb')", 0),
        ("open(p, encoding='utf-8')", 0),
        ("p.read_text(encoding='utf-8')", 0),
        ("p.write_bytes(b'x')", 0),
    ],
)
def test_a_call_without_encoding_is_found(source, found):
    assert len(bare(source)) == found
