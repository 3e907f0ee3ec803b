"""The pages of the book about the project, and the tables on them."""

from pathlib import Path

BOOK = Path(__file__).parents[2] / "book"
PROJECT, INSTRUCTORS = BOOK / "project.md", BOOK / "instructors.md"


def rows(page, heading):
    """The cells of the table that has `heading` in its first line."""
    lines = page[page.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
