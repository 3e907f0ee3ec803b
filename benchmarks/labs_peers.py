"""tfjs and jax-js, for `labs.py`: the same network, batch size and optimiser, one thread, their wasm backends.

Their batch is ready, features and all, while the labs draw theirs anew for every update: the comparison favours them.
"""

import json
import mimetypes
import statistics
from pathlib import Path

import torch
from labs_pages import IN_PAGE, PATIENCE, Measurer
from playwright.sync_api import Browser, Page, Route

from statesdiff.data import states
from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import low_noise_t

SITE = "http://peers.invalid/"  # never asked: every request is answered from the folder
BATCH, WARM_UP = 512, 10
SCRIPTS = {
    "@tensorflow/tfjs": ("@tensorflow/tfjs/dist/tf.min.js",
                         "@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js", "tfjs.js"),
    "@jax-js/jax": ("jax.js",),
}  # fmt: skip
TIMED = """async ([updates, warmUp]) => {
  for (let k = 0; k < warmUp; k++) await step();
  const begun = performance.now();
  let loss = 0;
  for (let k = 0; k < updates; k++) loss = await step();
  return [(performance.now() - begun) / updates, loss];
}"""


def problem() -> dict:
    """Weights, features and target of one batch, as plain lists: what each library is started with."""
    schedule, rng = NoiseSchedule.linear(), stream("train")
    model = init(Denoiser.fourier, generator=stream("init"))
    x_0 = states().x[torch.randint(0, 5000, (BATCH,), generator=rng)]
    t, eps = low_noise_t(schedule.T, BATCH, rng), randn(BATCH, 2, generator=rng)
    x_t = schedule.q_sample(x_0, t, eps)
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    seen = []
    hook = linear[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        model(x_t, t)
    hook.remove()
    weights = [(layer.weight.T.flatten().tolist(), layer.bias.tolist()) for layer in linear]
    sizes = [linear[0].in_features, *(layer.out_features for layer in linear)]
    target = eps - t[:, None] / schedule.T * x_t
    return {"sizes": sizes, "weights": weights, "x": seen[0].flatten().tolist(), "target": target.flatten().tolist(),
            "n": BATCH}  # fmt: skip


def open_peer(browser: Browser, modules: Path, scripts: tuple[str, ...]) -> Page:
    """A page with the library, answered from the folder that npm filled."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(SITE).split("?")[0]
        path = modules / name if name.startswith("@") else IN_PAGE / name
        if not name:
            tags = "".join(f'<script {"type=module" if s == "jax.js" else ""} src="/{s}"></script>' for s in scripts)
            route.fulfill(body=f'<!doctype html><link rel="icon" href="data:,">{tags}', content_type="text/html")
        elif path.is_file():
            route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(name)[0])
        else:
            route.fulfill(status=404, body=name)

    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.route("**/*", answer)
    page.goto(SITE)
    return page


def measure(browser: Browser, engine: Measurer, folder: Path, quick: bool) -> dict[str, dict]:
    """Milliseconds of an update by each library, in turn with the labs' own; and that it learns."""
    modules, updates, given = folder / "node_modules", 10 if quick else 60, problem()
    opened = {name: open_peer(browser, modules, scripts) for name, scripts in SCRIPTS.items()}
    first, times = {}, {name: [] for name in ["page", *opened]}
    for name, page in opened.items():
        page.wait_for_function("() => globalThis.start !== undefined")
        first[name] = page.evaluate("async (given) => { globalThis.step = await start(given); return step(); }", given)
    for _ in range(2 if quick else 5):
        times["page"].append(engine("update", updates=updates))
        for name, page in opened.items():
            ms, loss = page.evaluate(TIMED, [updates, WARM_UP])
            if not loss < first[name]:
                raise RuntimeError(f"{name} does not learn: the loss was {first[name]} and is {loss}")
            times[name].append(ms)
    return {
        name: {
            "version": version(modules / name),
            "median_ms": statistics.median(times[name]),
            "times_page": statistics.median(a / b for a, b in zip(times[name], times["page"], strict=True)),
        }
        for name in opened
    }


def version(package: Path) -> str:
    """The version that npm has installed."""
    return json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
