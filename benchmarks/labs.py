"""What the labs of the pages must reach: training, sampling, dials, weight, in headless Chromium beside PyTorch.

python benchmarks/labs.py            # benchmarks/results/labs.json, about 6 minutes on an idle machine
python benchmarks/labs.py --quick    # a look, nothing is stored
python benchmarks/labs.py --peers DIR    # with tfjs and jax-js beside it, installed into DIR before:

npm install --prefix DIR @tensorflow/tfjs @tensorflow/tfjs-backend-wasm @jax-js/jax

Everything is measured in one run, what is compared in turn, on one thread: the ratios hold where the seconds do not.
An update includes the drawing of its batch. The time to a distance is the median time of an update times the updates
that the recipe needs: 5,000 samples by 500 ancestral steps, their mean distance to the training points, the median
over three seeds, interpolated between budgets on logarithmic scales.
smalldiffusion runs beside it once `pip install --no-deps -r benchmarks/requirements.txt` has been done.

The slow processor is this one with the browser's renderer processes, which hold the pages and their workers, stopped
by SIGSTOP for three quarters of every 20 ms; how much slower a worker becomes is measured, not assumed.
Each lab is used for a while, every control once from end to end, for the longest task of the page: by the clock, which
is what a reader feels, and of processor time, which other work on the machine lengthens less.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import labs_pages as pages  # first: it finds what the next line imports
import labs_peers as peers
import labs_training as training
import labs_using as using
import torch
from browser import launched
from playwright.sync_api import Browser

from statesdiff.files.atomic import write_atomically
from statesdiff.results import processors

RESULT = Path(__file__).parent / "results" / "labs.json"
SLOWER = 4
BEGUN = time.perf_counter()
N = 2000
SAMPLING = {  # what is sampled, and the most seconds for it
    "15 evaluations": ({"sampler": "dpmpp_2m", "steps": 15, "guided": False}, 0.2),
    "15 evaluations, DDIM": ({"sampler": "ddim", "steps": 15, "guided": False}, 0.2),
    "50 evaluations, DDIM": ({"sampler": "ddim", "steps": 50, "guided": False}, 0.5),
    "15 evaluations, guided": ({"sampler": "dpmpp_2m", "steps": 15, "guided": True}, 1.0),
}


class Target(NamedTuple):
    """What must be reached: at most `most`. `found` is None if it was not measured."""

    what: str
    found: float | None
    most: float
    unit: str

    @property
    def met(self) -> bool | None:
        """Whether it is reached."""
        return None if self.found is None else self.found <= self.most


def sampling(engine: pages.Measurer, repetitions: int) -> dict[str, float]:
    """Seconds for 2,000 points in a worker, the median of some runs after one that is not counted."""
    found = {}
    for name, (args, _) in SAMPLING.items():
        runs = [engine("sample", n=N, **args) for _ in range(repetitions + 1)]
        found[name] = statistics.median(runs[1:])
    return found


def slow(browser: Browser, folder: Path, engine: pages.Measurer, updates: float, quick: bool) -> dict:
    """The same on a slowed processor: how much slower it is, training to 0.018, sampling, one dial."""
    page, rounds, fast, slower = using.open_dial(browser, folder, "guidance"), 2 if quick else 5, [], []
    using.at_rest(page)
    for _ in range(rounds):
        fast.append(engine("update", updates=100))
        with pages.slowed(browser, SLOWER):
            slower.append(engine("update", updates=100))
    with pages.slowed(browser, SLOWER):
        seconds = sampling(engine, 1 if quick else 3)
        dial = using.answers(page, "guidance", 1 if quick else 3)
    page.close()
    factors = [b / a for a, b in zip(fast, slower, strict=True)]
    return {
        "means": "renderer processes stopped by SIGSTOP for 15 of every 20 ms", "a_worker_is_slower_by": factors,
        "seconds_to_0.018": updates * statistics.median(slower) / 1000, "sampling_seconds": seconds, "dial": dial,
    }  # fmt: skip


def use_dials(browser: Browser, folder: Path, movements: int) -> dict[str, dict]:
    """How soon each dial answers."""
    found = {}
    for dial in using.DIALS:
        page = using.open_dial(browser, folder, dial)
        found[dial] = using.answers(page, dial, movements)
        page.close()
    return found


def measure(quick: bool, installed: Path | None) -> dict:
    """Everything, one part after the other; each is announced."""
    with tempfile.TemporaryDirectory() as name, launched() as browser:
        folder = Path(name)
        files = pages.write_scripts(folder)
        engine = pages.Measurer(browser, folder, files)
        found = {"quick": quick, "browser": f"Chromium {browser.version}", "relaxed_simd": engine.relaxed}
        announce("training")
        found |= {"training": training.measure(engine, quick), "sampling_seconds": sampling(engine, 2 if quick else 7)}
        announce("dials")
        found["dials"] = use_dials(browser, folder, 2 if quick else 5)
        announce("every lab in use")
        found["used"] = {lab: using.use(browser, folder, lab, 150 if quick else 400) for lab in pages.lab_names()}
        found["gzip_bytes"], found["site_bytes"] = using.weights(found["used"], files), using.site_size()
        announce("a slow processor")
        updates = found["training"]["updates_to_0.018"]["page"]
        found["slow_processor"] = slow(browser, folder, engine, updates, quick)
        if installed:
            announce("peers")
            found["peers"] = peers.measure(browser, engine, installed, quick)
    return found


def announce(part: str) -> None:
    """What is being measured, after how many seconds."""
    print(f"{time.perf_counter() - BEGUN:5.0f} s: {part}", flush=True)


def targets(found: dict) -> Iterator[Target]:
    """Each figure that is asked for, with what is allowed."""
    train, used = found["training"], found["used"]
    seconds = train["seconds_to_0.018"]
    for name, most in (("page", 1.6), ("page, relaxed SIMD", 1.2)):
        value = seconds[name] / seconds["PyTorch"] if name in seconds else None
        yield Target(f"trained to 0.018, {name}", value, most, "x PyTorch")
    best = min(value for name, value in seconds.items() if name != "PyTorch")
    yield Target("trained to 0.018", best / train["smalldiffusion_seconds_to_0.018"], 1 / 20, "x smalldiffusion")
    long = train["as_long_as_ten_seconds_allow"]
    given = long["distance"] if not found["quick"] else None  # a quick look has not given it the time
    yield Target(f"distance after {training.WITHIN} s", given, training.BETTER, "")
    for name, (_, most) in SAMPLING.items():
        yield Target(f"2,000 points, {name}", found["sampling_seconds"][name], most, "s")
    for name, dial in found["dials"].items():
        yield Target(f"dial: {name}", dial["median_ms"], 100, "ms")
    for lab, row in used.items():
        for when in ("starting", "using"):
            yield Target(f"longest task {when} {lab}", row[when]["longest_ms"], 50, "ms")
    of_pages = found["gzip_bytes"]["pages"]
    heaviest = max(of_pages, key=of_pages.get)
    yield Target(f"heaviest page: {heaviest}", of_pages[heaviest] / 1000, 350, "kB")
    site = found["site_bytes"]
    yield Target("built site without downloads", site and site["without_downloads"] / 1e6, 32, "MB")


def print_tables(found: dict) -> None:
    """What was asked for, then the rest."""
    train = found["training"]
    print(f"\n{'an update, ms':28s}{'median':>9}{'x PyTorch':>11}   (least to most)")
    for name, ms in train["median_ms"].items():
        of = train["times_pytorch_an_update"].get(name)
        print(
            f"{name:28s}{ms:9.2f}" + (f"{of['median']:11.2f}   ({of['least']:.2f} to {of['most']:.2f})" if of else "")
        )
    print("\nto a mean distance of 0.018:")
    for name, seconds in train["seconds_to_0.018"].items():
        print(f"  {name:26s}{train['updates_to_0.018'][name.split(',')[0]]:7.0f} updates{seconds:9.2f} s")
    small = train["smalldiffusion_seconds_to_0.018"]
    print(f"  {'smalldiffusion':26s}{'':15}{small:9.2f} s ({train['smalldiffusion_seconds_are']})")
    print(f"\n{'dial, ms to 500 points':28s}{'median':>9}{'worst':>9}{'busy':>9}{'worst':>9}")
    for name, d in found["dials"].items():
        row = [d[key] for key in ("median_ms", "worst_ms", "busy_median_ms", "busy_worst_ms")]
        print(f"{name:28s}" + "".join(f"{value:9.0f}" for value in row))
    print(f"\n{'longest task, ms':20s}{'starting':>9}{'of cpu':>9}{'using':>9}{'of cpu':>9}{'over 50 ms':>12}")
    for lab, row in found["used"].items():
        both = [row[when][key] for when in ("starting", "using") for key in ("longest_ms", "longest_cpu_ms")]
        print(f"{lab:20s}" + "".join(f"{value:9.0f}" for value in both) + f"{row['using']['long_tasks']:12d}")
    print("\nkB by gzip: " + ", ".join(f"{k} {v / 1000:.0f}" for k, v in found["gzip_bytes"]["pages"].items()))
    s = found["slow_processor"]
    factors = s["a_worker_is_slower_by"]
    print(f"\na worker slowed down {statistics.median(factors):.1f} times ({min(factors):.1f} to {max(factors):.1f}):")
    rows = [f"to 0.018 {s['seconds_to_0.018']:.1f} s", *(f"{k} {v:.2f} s" for k, v in s["sampling_seconds"].items())]
    print("  " + "; ".join([*rows, f"a dial {s['dial']['median_ms']:.0f} ms"]))
    for name, peer in found.get("peers", {}).items():
        print(f"{name}: {peer['median_ms']:.1f} ms an update, {peer['times_page']:.1f} times the page's")
    print(f"\n{'what':44s}{'found':>10}{'at most':>10}")
    for t in targets(found):
        said = "not measured" if t.met is None else "met" if t.met else "NOT MET"
        shown = "-" if t.found is None else f"{t.found:.4g}"
        print(f"{t.what:44s}{shown:>10}{t.most:>10.4g} {t.unit:18s}{said}")


def main() -> None:
    """Measure, store unless it was a quick look, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repetitions, nothing is stored")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="a folder where npm has installed tfjs and jax-js")
    args = parser.parse_args()
    torch.set_num_threads(1)
    about = {"command": "python benchmarks/labs.py" + (" --peers DIR" if args.peers else ""),
             "processor": processors()[0], "cores": len(processors()), "python": platform.python_version(),
             "torch": torch.__version__, "load_before": [round(v, 2) for v in os.getloadavg()]}  # fmt: skip
    found = about | measure(args.quick, args.peers) | {"load_after": [round(v, 2) for v in os.getloadavg()]}
    rows = [t._asdict() | {"met": t.met} for t in targets(found)]
    print_tables(found)
    if not args.quick:
        text = json.dumps(found | {"targets": rows}, indent=1) + "\n"
        write_atomically(RESULT, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
