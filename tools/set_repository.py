"""Write the address of the repository wherever it stands: one place decides, `repository: url` in _config.yml.

`python tools/set_repository.py https://github.com/OWNER/NAME` changes _config.yml and every file that carries the
address; without an address it takes the one in _config.yml; `--check` writes nothing and names the files that disagree.
Only the address changes in a file: a notebook keeps every other byte. Recognised are the forms below, so that links to
other people's repositories stay as they are.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "_config.yml"
CARRIERS = ("README.md", "CITATION.cff", "pyproject.toml", "book/*.md", "notebooks/*.ipynb")

OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
NAME = r"[\w-]+(?:\.(?!git\b)[\w-]+)*"
SLUG = rf"{OWNER}/{NAME}"
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
URL_IN_CONFIG = re.compile(r"(?P<before>^repository:\n(?:  .*\n)*?  url: *)\S+", re.MULTILINE)


def parse(url: str) -> str:
    """Return `OWNER/NAME` of a GitHub address; a trailing `/` or `.git` is allowed. Raises `ValueError`."""
    match = re.fullmatch(rf"https://github\.com/({SLUG})(?:\.git)?/?", url)
    if match is None:
        raise ValueError(f"the repository must be given as https://github.com/OWNER/NAME, not {url!r}")
    return match[1]


def configured(root: Path) -> str:
    """Return `OWNER/NAME` as _config.yml in `root` has it."""
    return parse(yaml.safe_load((root / CONFIG).read_text(encoding="utf-8"))["repository"]["url"])


def rewrite(path: Path, text: str, slug: str) -> str:
    """Return `text`, the content of the file `path`, with the address of the repository `slug`."""
    if path.name == CONFIG:
        return URL_IN_CONFIG.sub(rf"\g<before>https://github.com/{slug}", text)
    text = ANYWHERE.sub(rf"\g<prefix>{slug}", text)
    if path.name in ("README.md", "CITATION.cff"):
        owner, name = slug.split("/")
        text = WORKFLOW.sub(rf"\g<prefix>{slug}", text)
        text = PAGES.sub(f"https://{owner}.github.io/{name}", text)
    return text


def disagreeing(root: Path, slug: str) -> dict[Path, str]:
    """Return the files under `root` that do not name the repository `slug`, each with what it should hold."""
    found = {}
    for path in [root / CONFIG, *sorted(f for pattern in CARRIERS for f in root.glob(pattern))]:
        text = path.read_bytes().decode("utf-8")
        if (new := rewrite(path, text, slug)) != text:
            found[path] = new
    return found


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check. Return 0, 1 when `--check` found a file that disagrees, 2 when the address is no good."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", help="https://github.com/OWNER/NAME (default: the one in _config.yml)")
    parser.add_argument("--check", action="store_true", help="write nothing; name the files that disagree")
    options = parser.parse_args(arguments)
    try:
        slug = parse(options.url) if options.url else configured(root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    found = disagreeing(root, slug)
    for path, text in found.items():
        print(f"{'differs' if options.check else 'rewritten'}: {path.relative_to(root)}")
        if not options.check:
            path.write_bytes(text.encode("utf-8"))
    return int(options.check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
