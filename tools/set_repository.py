"""Write the address and the branch of the repository wherever they stand; `repository:` in _config.yml decides.

`python tools/set_repository.py https://github.com/OWNER/NAME --branch BRANCH` changes _config.yml and every file that
carries them; what is not given is taken from _config.yml; `--check` writes nothing and names the files that disagree.
With `--commit HASH` the setup cells install that commit in place of the branch. Nothing else changes in a file: a
notebook keeps every other byte. Recognised are the forms below, so that links to other people's repositories stay.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "_config.yml"
CARRIERS = ("README.md", "CITATION.cff", "pyproject.toml", "book/*.md", "notebooks/*.ipynb")
PLACEHOLDER = "OWNER"  # the owner of a book without an address

OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
NAME = r"[\w-]+(?:\.(?!git\b)[\w-]+)*"
SLUG = rf"{OWNER}/{NAME}"
BRANCH = r"\w(?:[\w/-]|\.(?!\.|/|lock\b))*(?<![./])"
PREFIXES = (
    r"git clone https://github\.com/",
    r"git\+https://github\.com/",
    r"colab\.research\.google\.com/github/",
    r"^(?:repository-code|url): [\"']?https://github\.com/",  # CITATION.cff
    r"^\w+ = \"https://github\.com/",  # pyproject.toml, [project.urls]
)
ANYWHERE = re.compile(rf"(?P<prefix>{'|'.join(PREFIXES)})(?P<slug>{SLUG})", re.MULTILINE)
# In README.md and CITATION.cff, where a link with one of these endings is to ourselves.
WORKFLOW = re.compile(
    rf"(?P<prefix>https://github\.com/)(?P<slug>{SLUG})(?=/actions/workflows/|/issues\b|/discussions\b)"
)
PAGES = re.compile(rf"https://{OWNER}\.github\.io/{NAME}")
LINK = re.compile(rf"(colab\.research\.google\.com/github/{SLUG}/blob/)(?:{BRANCH})(?=/notebooks/)")
INSTALLED = re.compile(rf"(git\+https://github\.com/{SLUG}@)(?:{BRANCH})")
KEY = r"^(repository:\n(?:[ ]+.*\n)*?[ ]+{}: *)([^\s#]+)"
NOT_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}  # to YAML


@dataclass(frozen=True)
class Place:
    """Where the book lies: `OWNER/NAME` on GitHub, the branch that links lead to, and what setup cells install."""

    slug: str
    branch: str
    commit: str | None = None  # None: the branch

    @property
    def url(self) -> str:
        """The address of the repository."""
        return f"https://github.com/{self.slug}"

    @property
    def is_placeholder(self) -> bool:
        """Whether nobody has given the book an address yet."""
        return self.slug.startswith(f"{PLACEHOLDER}/")


def parse(url: str) -> str:
    """Return `OWNER/NAME` of a GitHub address; a trailing `/` or `.git` is allowed. Raises `ValueError`."""
    match = re.fullmatch(rf"https://github\.com/({SLUG})(?:\.git)?/?", url)
    if match is None:
        raise ValueError(f"the repository must be given as https://github.com/OWNER/NAME, not {url!r}")
    return match[1]


def parse_branch(name: str) -> str:
    """Return `name` if a branch, a tag or a commit can be called so. Raises `ValueError`."""
    if re.fullmatch(BRANCH, name, re.ASCII) is None:
        raise ValueError(f"a branch is named by letters, digits and any of . _ / - inside, not {name!r}")
    return name


def configured(root: Path) -> Place:
    """Return the place that _config.yml in `root` names. Raises `ValueError`."""
    text = (root / CONFIG).read_text(encoding="utf-8")
    found = [re.search(KEY.format(key), text, re.MULTILINE) for key in ("url", "branch")]
    if None in found:
        raise ValueError(f"{CONFIG} must have `repository:` with `url:` and `branch:`, a line each")
    url, branch = (match[2].strip("\"'") for match in found)
    return Place(parse(url), parse_branch(branch))


def set_key(text: str, key: str, value: str) -> str:
    """Return the configuration `text` with `value` for `repository: key`, quoted where YAML would not read a word."""
    is_word = value[0].isalpha() and value.lower() not in NOT_WORDS
    written = value if is_word else f'"{value}"'

    def line(match: re.Match) -> str:
        return match[0] if match[2].strip("\"'") == value else match[1] + written

    return re.sub(KEY.format(key), line, text, flags=re.MULTILINE)


def rewrite(path: Path, text: str, place: Place) -> str:
    """Return `text`, the content of the file `path`, with the address and the branch of `place`."""
    if path.name == CONFIG:
        return set_key(set_key(text, "url", place.url), "branch", place.branch)
    text = ANYWHERE.sub(rf"\g<prefix>{place.slug}", text)
    text = LINK.sub(rf"\g<1>{place.branch}", text)
    text = INSTALLED.sub(rf"\g<1>{place.commit or place.branch}", text)
    if path.name in ("README.md", "CITATION.cff"):
        owner, name = place.slug.split("/")
        text = WORKFLOW.sub(rf"\g<prefix>{place.slug}", text)
        text = PAGES.sub(f"https://{owner}.github.io/{name}", text)
    return text


def disagreeing(root: Path, place: Place) -> dict[Path, str]:
    """Return the files under `root` that name another place, each with what it should hold."""
    found = {}
    for path in [root / CONFIG, *sorted(f for pattern in CARRIERS for f in root.glob(pattern))]:
        text = path.read_bytes().decode("utf-8")
        if (new := rewrite(path, text, place)) != text:
            found[path] = new
    return found


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check. Return 0, 1 when `--check` found a file that disagrees, 2 when what was given is no good."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", help="https://github.com/OWNER/NAME (default: the one in _config.yml)")
    parser.add_argument("--branch", help="branch or tag that links lead to (default: the one in _config.yml)")
    parser.add_argument("--commit", help="what setup cells install (default: the branch)")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that disagree")
    options = parser.parse_args(arguments)
    try:
        now = configured(root)
        slug = parse(options.url) if options.url else now.slug
        branch = now.branch if options.branch is None else parse_branch(options.branch)
        commit = None if options.commit is None else parse_branch(options.commit)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    found = disagreeing(root, Place(slug, branch, commit))
    for path, text in found.items():
        print(f"{'differs' if options.check else 'rewritten'}: {path.relative_to(root)}")
        if not options.check:
            path.write_bytes(text.encode("utf-8"))
    return int(options.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
