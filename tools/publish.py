"""What the publishing workflow does to the book: its address and branch are those of the repository that it runs in.

`python tools/publish.py https://github.com/OWNER/NAME` rewrites the working tree, from which the pages are built then:
links lead to the branch `published`, and the setup cells install the commit that last changed the package, so that a
notebook saved today meets the same package in a year. With `--push` the working tree stays as it is: the last commit
is rewritten and put on top of the branch `published` of the remote, so that whoever has pulled the branch can merge.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import set_repository

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "published"
PACKAGE = ("statesdiff", "pyproject.toml")  # what `pip install` takes from the repository
LEFT_OUT = ".github"  # GitHub lets no workflow write workflows, and they have nothing to do on this branch


def git(root: Path, *arguments: str, **environment: str) -> str:
    """Run git in `root` and return what it printed. Raises `subprocess.CalledProcessError`."""
    env = os.environ | environment
    done = subprocess.run(("git", *arguments), cwd=root, env=env, check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


def rewrite(root: Path, url: str, commit: str) -> None:
    """Write the address, the branch and the `commit` to install everywhere under `root`. Raises `ValueError`."""
    slug = set_repository.parse(url)
    for path, text in set_repository.disagreeing(root, set_repository.Place(slug, BRANCH, commit)).items():
        path.write_bytes(text.encode("utf-8"))


def package_commit(root: Path) -> str:
    """Return the commit that last changed the package; in a clone without the history that is another one."""
    return git(root, "log", "-1", "--format=%H", "--", *PACKAGE)


def published(root: Path, remote: str) -> str | None:
    """Return the commit at the tip of the branch `published` of `remote`, fetched; None if there is no such branch."""
    reference = f"refs/heads/{BRANCH}"
    if not git(root, "ls-remote", remote, reference):
        return None
    git(root, "fetch", "--quiet", remote, reference)
    return git(root, "rev-parse", "FETCH_HEAD")


def commit_rewritten(root: Path, url: str, parent: str | None) -> str:
    """Rewrite the last commit beside the working tree and commit it on top of `parent`. Return the new commit.

    Author and time are those of the last commit, so that the same source gives the same commit.
    """
    message = f"Published from {git(root, 'rev-parse', 'HEAD')}"
    author, email, date = git(root, "log", "-1", "--format=%an%n%ae%n%aI").splitlines()
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", author), ("EMAIL", email), ("DATE", date))}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git(root, "worktree", "add", "--quiet", "--detach", str(tree), "HEAD")
        try:
            rewrite(tree, url, package_commit(root))
            git(tree, "rm", "-r", "--quiet", "--cached", "--ignore-unmatch", LEFT_OUT)
            git(tree, "add", "--update", ":/", f":(exclude){LEFT_OUT}")
            content = git(tree, "write-tree")
            if parent and content == git(root, "rev-parse", f"{parent}^{{tree}}"):
                return parent
            on_top = ("-p", parent) if parent else ()
            return git(root, "commit-tree", content, *on_top, "-m", message, **identity)
        finally:
            git(root, "worktree", "remove", "--force", str(tree))


def push(root: Path, url: str, remote: str) -> str:
    """Put the rewritten last commit on the branch `published` of `remote`, never by force. Return what was done."""
    parent = published(root, remote)
    commit = commit_rewritten(root, url, parent)
    if commit == parent:
        return f"{BRANCH} is up to date at {commit}"
    git(root, "push", "--quiet", remote, f"{commit}:refs/heads/{BRANCH}")
    return f"{BRANCH} is now at {commit}"


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or push. Return 0, 1 when git failed, 2 when the address is no good."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="https://github.com/OWNER/NAME, the repository to publish in")
    parser.add_argument("--push", action="store_true", help=f"put the last commit on the branch {BRANCH} of the remote")
    parser.add_argument("--remote", default="origin", help="where to push to (default: origin)")
    options = parser.parse_args(arguments)
    try:
        if options.push:
            print(push(root, options.url, options.remote))
        else:
            rewrite(root, options.url, package_commit(root))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:  # git has said why
        print(f"failed: {' '.join(error.cmd)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
