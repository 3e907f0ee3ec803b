"""The prose pages: every program on them prints what the page shows below it."""

import contextlib
import io
import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[1] / "book"
PROGRAM = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)
# how_to_use.md evaluates a file that the reader has made: its numbers are those of one run
PROGRAMS = [
    pytest.param(*match.groups(), id=f"{page.stem}-{k}")
    for page in (BOOK / "notation.md", BOOK / "errata.md")
    for k, match in enumerate(PROGRAM.finditer(page.read_text(encoding="utf-8")), 1)
]


def test_the_pages_have_programs():
    assert len(PROGRAMS) == 17


@pytest.mark.parametrize("source, printed", PROGRAMS)
def test_a_program_prints_what_the_page_shows(source, printed):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(source, "page", "exec"), {})
    assert output.getvalue() == printed
