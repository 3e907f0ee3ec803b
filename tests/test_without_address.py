"""Where the address is the placeholder no page leads to it; where a fork published, links lead to its own branch."""

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import publish
import pytest
import set_repository
import without_address
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = "notebooks/01_states.ipynb"
HUB = "https://hub.example.edu"


def a_small_book(folder: Path) -> None:
    """Write the configuration of the book with the top of a chapter, which has the link to Colab, and no more."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["launch_buttons"]["jupyterhub_url"] = HUB
    config["sphinx"] = {"local_extensions": {"without_address": str(ROOT / "book" / "_ext")}}
    config["html"].pop("favicon")
    for unused in ("logo", "bibtex_bibfiles"):
        config.pop(unused)
    chapter = json.loads((ROOT / CHAPTER).read_text(encoding="utf-8"))
    chapter["cells"] = chapter["cells"][:4]
    (folder / "notebooks").mkdir()
    (folder / CHAPTER).write_text(json.dumps(chapter, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: {CHAPTER.removesuffix('.ipynb')}\n", encoding="utf-8")


def links_of(folder: Path) -> list[str]:
    """Build the book in `folder` and return the addresses on the page of its chapter, without those of the theme."""
    command = [Path(sys.executable).with_name("jupyter-book"), "build", folder, "-q", "-W", "-n", "--keep-going"]
    built = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    page = (folder / "_build/html" / CHAPTER).with_suffix(".html").read_text(encoding="utf-8")
    assert "What would it mean" in page and "git+https://github.com/" in page
    return [unescape(link) for link in re.findall(r'href="([^"]+)"', page) if re.search(r"github|colab|hub\.", link)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    a_small_book(folder)
    return folder


def test_the_placeholder_leads_nowhere_and_the_address_of_a_fork_to_its_branch(folder: Path) -> None:
    """One after the other in one folder: what was built before the address was set is not kept."""
    placeholder = set_repository.Place(f"{set_repository.PLACEHOLDER}/statesdiff", "main")
    for file, text in set_repository.disagreeing(folder, placeholder).items():
        file.write_text(text, encoding="utf-8")
    assert links_of(folder) == []

    publish.rewrite(folder, "https://github.com/some-school/diffusion", "0" * 40)
    repository = "https://github.com/some-school/diffusion"
    colab = f"https://colab.research.google.com/github/some-school/diffusion/blob/published/{CHAPTER}"
    pulled = f"repo={repository.replace(':', '%3A')}&urlpath=lab/tree/diffusion/{CHAPTER}&branch=published"
    hub, found = f"{HUB}/hub/user-redirect/git-pull?{pulled}", links_of(folder)
    assert {hub, colab, repository} < set(found)
    assert found.count(colab) == 2  # in the menu and in the chapter
    assert [link.partition("?")[0] for link in set(found) - {hub, colab, repository}] == [f"{repository}/issues/new"]


def test_the_placeholder_is_the_same_everywhere() -> None:
    assert without_address.PLACEHOLDER == f"https://github.com/{set_repository.PLACEHOLDER}/"
    assert without_address.COLAB.endswith(f"/github/{set_repository.PLACEHOLDER}/")
