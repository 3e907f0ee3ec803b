"""The page of mistakes: it says what the sources say, each link leads somewhere, and a wrong name is found."""

import json
import re
from pathlib import Path

import pytest
from mistakes import HOLE, Book, Texts, page

from statesdiff import check
from tests.check.test_check import CHECKS, kind, named_mistakes, tables_of
from tests.check.test_check import OnPaper as Paper

ROOT = Path(__file__).resolve().parents[1]
MODULE = '''
HELD = "a mistake held by a constant"

def first(f):
    """Not a diagnosis: a docstring."""
    uneven = "it is uneven: "
    wrong = {"the sign is wrong": 1, uneven + "a root is missing": 2, "short": 3} | _more()
    if f is None:
        return Verdict(False, f"there are {n} of them")
    return rule_out({HELD: True}) or Verdict(True, "all is well")

def _more():
    return {"from a private function": 4}

second = FindTheLine("a = 1", {"A": (1, "a = 2")}, {1: "it is only a number"}, {"A": "two is too many"})
third = OnPaper(2.0, {"a factor too many": 4.0}, "well done")

def not_listed(f):
    return Verdict(False, "not one of the checks")
'''
MESSAGES = {
    "first": ["the sign is wrong", "it is uneven: a root is missing", f"there are {HOLE} of them",
              "from a private function", "a mistake held by a constant"],
    "second": ["two is too many"],
    "third": ["a factor too many"],
}  # fmt: skip


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(ROOT)


def test_every_name_that_is_linked_exists_and_is_one(book: Book) -> None:
    assert book.faults == []


def test_links_go_both_ways_and_between_kinds(book: Book) -> None:
    everything = [*book.errata.values(), *book.misconceptions.values(), *book.diagnoses.values()]
    for mistake in everything:
        for other in mistake.others:
            assert mistake in other.others and mistake.kind != other.kind
    linked = [name for name, erratum in book.errata.items() if erratum.others]
    assert len(linked) >= len(book.errata) - 2, "most errata are asked for or diagnosed somewhere"


def test_all_that_has_a_name_is_on_the_page(book: Book) -> None:
    text = "\n".join(page(book).values())
    for mistake in [*book.misconceptions.values(), *book.diagnoses.values()]:
        assert text.count(f"({mistake.target})=") == 1
    assert all(f"<{name}>" in text for name in book.errata)
    assert set(re.findall(r"<((?:misconception|diagnosis)-[\w-]+)>", text)) <= set(re.findall(r"\(([\w-]+)\)=", text))


def matches(said: str, written: set[str]) -> bool:
    """Whether a message is one of those that were read, in which `HOLE` is whatever is filled in."""
    return said in written or any(
        re.fullmatch(".*".join(map(re.escape, text.split(HOLE))), said) for text in written if HOLE in text
    )


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_check_compares_with_was_read_from_its_source(book: Book, name: str, monkeypatch) -> None:
    said = {diagnosis for _, mistakes, _ in named_mistakes(name, monkeypatch) for diagnosis in mistakes}
    said |= {diagnosis for table in tables_of("rule_out", name, monkeypatch) for diagnosis in table["mistakes"]}
    written = {mistake.text for mistake in book.diagnoses.values() if mistake.check == name}
    assert [diagnosis for diagnosis in said if not matches(diagnosis, written)] == []


@kind(Paper)
def test_slips_on_paper_were_read_from_their_source(book: Book, name: str) -> None:
    assert set(getattr(check, name).wrong) <= {m.text for m in book.diagnoses.values() if m.check == name}


def test_messages_are_read_however_they_are_written() -> None:
    assert Texts(MODULE).checks({"first", "second", "third"}) == MESSAGES


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for folder in ("book", "notebooks", "statesdiff/check"):
        (tmp_path / folder).mkdir(parents=True)
    answers = [{"text": "Yes.", "right": True}, {"text": "No.", "right": False, "misconception": "no-means-yes"}]
    cells = [
        {"cell_type": "markdown", "metadata": {"quiz": {"id": "is-it", "answers": answers}}, "source": ["Is it?"]},
    ]
    (tmp_path / "notebooks" / "03_things.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "statesdiff" / "check" / "things.py").write_text(MODULE, encoding="utf-8")
    listed = "from statesdiff.check.things import first, second, third\n"
    (tmp_path / "statesdiff" / "check" / "__init__.py").write_text(listed, encoding="utf-8")
    (tmp_path / "book" / "errata.md").write_text("(erratum-sign)=\n## 1. The sign is lost\n", encoding="utf-8")
    (tmp_path / "book" / "misconceptions.json").write_text('{"no-means-yes": "No is yes."}', encoding="utf-8")
    return tmp_path


def joined(root: Path, **group: list[str]) -> Book:
    (root / "book" / "mistakes.json").write_text(json.dumps([group]), encoding="utf-8")
    return Book(root)


def test_a_small_book(small: Path) -> None:
    book = joined(small, errata=["erratum-sign"], misconceptions=["no-means-yes"], diagnoses=["first: sign is wrong"])
    assert book.faults == [] and len(book.diagnoses) == 7
    parts = page(book)
    assert parts["errata"] == (
        "- {ref}`Erratum 1 <erratum-sign>`: The sign is lost. Diagnosed by *first*: {ref}`sign is wrong "
        "<diagnosis-first-1>`. Misconceptions: {ref}`no-means-yes <misconception-no-means-yes>` "
        "([Chapter 3](../notebooks/03_things.ipynb), {ref}`is-it <question-is-it>`)."
    )
    assert (
        "Asked in [Chapter 3](../notebooks/03_things.ipynb), {ref}`is-it <question-is-it>`." in parts["misconceptions"]
    )
    assert "### second\n\n[Chapter 3](../notebooks/03_things.ipynb)\n\n- (diagnosis-second-1)=\n" in parts["diagnoses"]
    assert "not one of" not in "".join(parts.values())


@pytest.mark.parametrize(
    ("group", "fault"),
    [
        ({"errata": ["erratum-sine"]}, "'erratum-sine' is the name of 0 errata, not of one"),
        ({"misconceptions": ["yes"]}, "'yes' is the name of 0 misconceptions"),
        ({"diagnoses": ["first: a"]}, "'first: a' is the name of 4 diagnoses"),
        ({"diagnoses": ["fourth: sign"]}, "'fourth: sign' is the name of 0 diagnoses"),
        ({"erratum": ["erratum-sign"]}, "a group has"),
    ],
)
def test_a_name_that_is_none_or_several_is_found(small: Path, group: dict, fault: str) -> None:
    faults = joined(small, **group).faults
    assert len(faults) == 1 and fault in faults[0]
