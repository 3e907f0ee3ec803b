"""A JupyterHub on this machine alone, for people who do not exist: any name, one password, no system users."""

import os
from pathlib import Path

folder = Path(os.environ["REHEARSAL_FOLDER"])
binaries = Path(os.environ["REHEARSAL_BINARIES"])
ports = os.environ["REHEARSAL_PORTS"].split(",")

c = get_config()  # noqa: F821  (traitlets puts it here)
c.JupyterHub.bind_url = f"http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = int(ports[1])
c.JupyterHub.db_url = f"sqlite:///{folder / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{ports[2]}"
c.ConfigurableHTTPProxy.command = os.environ["REHEARSAL_PROXY"].split(os.pathsep)
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ["REHEARSAL_PASSWORD"]
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "homes" / "{username}")
c.Spawner.cmd = [str(binaries / "jupyterhub-singleuser")]
c.Spawner.args = ["--allow-root"]
c.Spawner.http_timeout = c.Spawner.start_timeout = 180
c.Spawner.environment = {
    # pip finds nothing, and what the first cell would install has no such name: only the pulled folder is left
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "",
    "PIP_CONFIG_FILE": os.devnull,
    "STATESDIFF_SPEC": "statesdiff-from-nowhere",
    "STATESDIFF_STRICT": "1",
}
