"""Two published solutions of the course project, trained as their authors did: every noisy point, for hours.

    python benchmarks/course_recipes.py step                    # two hours on one idle core; stop and repeat at will
    python benchmarks/course_recipes.py cosine --device cuda    # minutes; on a processor nearly four hours
    python benchmarks/course_recipes.py cosine --part classifier --epochs 5
    python benchmarks/course_recipes.py table                   # judge whatever has been trained so far

The recipes, `cosine` and `step`, are named after their learning-rate schedules. Both precompute a noisy copy of each
of the N = 5,000 points of STATES at each of the T = 500 times, 2.5 million in all, and draw the noise afresh only now
and then. An epoch is one pass over all of them in a new order. The networks are the project's own: 4 x 256 for the
noise, 100, 200, 500 for the class, ReLU, on (x, y, t_bar). The publications leave three things open: the noise is
refreshed before epochs 1, 51, 101, ... (1, 26, 51, ...); `cosine`'s classifier uses Adam, as its denoiser does; the
classifier of `step` halves its rate when the mean loss of the epoch stops falling.

Every random number depends on the recipe and the number of the epoch alone, and after every epoch the whole state is
written to FOLDER/RECIPE/, one file of at most 2.5 MB for each network. So a run that was stopped repeats only the epoch
under way, and ends with the same numbers as one that was not. With `--device cuda` the same random numbers go to the
graphics card, where an epoch takes less than a second and sums are rounded otherwise. The committed curves were made
there, but for `cosine`'s classifier and the last 144 of the 500 epochs of its denoiser: those were trained on a
processor that others used as well, so that its seconds say little. Its state lies beside the results, and is taken from
there where FOLDER has none.

On its way a network is judged after each of the first ten epochs, then after every tenth, after the last with old noise
and after the first three with new: by its loss on fresh points, and a denoiser by 2,000 samples, always from the same
noise, so that only the network differs.

`table` draws 5,000 samples without and 5,000 of each class with guidance (scale 1, the project's deterministic
update, all 500 steps) and puts them next to the published figures, the book's own recipes and weights, and real
points that nobody was trained on. A stored row is kept until there is something new to judge; a new one takes some five
minutes. The published figures belong to the course's data, the others to the book's: compare the NLL through its gap,
its difference from the NLL of the training points themselves. Published accuracies go by the label of the nearest
real point, the others by the exact posterior. Seconds are of the training alone: processor time of one thread, or on a
graphics card the time that passed.
"""

import argparse
import json
import platform
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from course_rows import METRICS, SCHEDULE, Row, ancestral, judge, solutions
from course_training import RECIPES, Training

from statesdiff.data import STATE_NAMES, Dataset, states
from statesdiff.files.atomic import write_atomically
from statesdiff.models import Denoiser
from statesdiff.results import processors
from statesdiff.rng import stream
from statesdiff.training import denormals_flushed

FOLDER = Path("_build") / "course_recipes"
RESULTS = Path(__file__).parent / "results"
MADE_BY = {
    "course_recipes.csv": "python benchmarks/course_recipes.py table: all solutions; "
    "'judged' says by what, where not by 5,000 samples of the last epoch in 500 steps",
    "course_recipes_curve.csv": "python benchmarks/course_recipes.py table: every epoch of every training so far",
}
N_CURVE = 2000  # samples drawn to judge a denoiser on its way


def is_judged(epoch: int, refresh: int) -> bool:
    """Whether the network is judged after this epoch; its noise is new before epochs 1, refresh + 1, ..."""
    return epoch <= 10 or epoch % 10 == 0 or epoch % refresh < 4


def judge_on_its_way(training: Training, fresh: Dataset) -> dict[str, float]:
    """The loss on fresh points and, of a denoiser, what its samples are worth."""
    found = {"loss (fresh)": training.fresh_loss(fresh, SCHEDULE)}
    if training.part.build is Denoiser:
        generator = stream(f"{training.label}/curve")  # the same for every epoch
        found |= judge(ancestral(training.net, N_CURVE, generator, training.device))
    return found


def train(training: Training, epochs: int) -> None:
    """Go on to `epochs` epochs, store the state after each, judge the network now and then."""
    if len(training.curve) >= epochs:
        return
    data, fresh = states(), states(seed=1)
    for record in training.epochs(data, SCHEDULE):
        if is_judged(record["epoch"], training.part.refresh):
            record |= judge_on_its_way(training, fresh)
        training.save()
        print(training.label, record, flush=True)
        if record["epoch"] >= epochs:
            return


def machine() -> dict[str, str]:
    """Where a row was made: processor, versions."""
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {"machine": f"{processors()[0]}, one thread"} | versions


def update(rows: dict[str, Row | None], result: Path) -> dict[str, dict]:
    """Make what is new, keep what is stored, write `result` after each row; a row that is None keeps what is stored."""
    stored = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
    stored = {name: stored[name] for name in rows if name in stored}
    for name, row in rows.items():
        if row is not None and stored.get(name, {}).get("key") != row.key:
            print(f"judging: {name}", flush=True)
            stored[name] = machine() | {"key": row.key} | row.make()
            text = json.dumps({name: stored[name] for name in rows if name in stored}, indent=1) + "\n"
            write_atomically(result, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))
    return {name: stored[name] for name in rows if name in stored}


def flat(rows: dict[str, dict]) -> pd.DataFrame:
    """One line for each solution and set of samples."""
    lines = []
    for name, row in rows.items():
        for which, values in row["sets"].items():
            seconds = {f"{part}_seconds": value for part, value in row.get("seconds", {}).items()}
            about = {"solution": name, "samples": which, "trained": row.get("trained"), "device": row.get("device")}
            about["judged"] = row.get("judged", {}).get("all" if which == "all" else "classes")
            lines.append(about | values | seconds)
    columns = ["solution", "samples", "trained", "judged", *METRICS]
    columns += ["device", "denoiser_seconds", "classifier_seconds"]
    return pd.DataFrame(lines).reindex(columns=columns)


def curves(folder: Path, result: Path) -> pd.DataFrame:
    """Every epoch of every training in `folder`; a training that is not there keeps what is stored."""
    tables = {}
    if result.exists():
        stored = pd.read_csv(result, comment="#", float_precision="round_trip")  # it is written again as it was
        tables = dict(iter(stored.groupby(["recipe", "part"])))
    for recipe, parts in RECIPES.items():
        for part in parts:
            path = folder / recipe / f"{part}.pt"
            if path.exists():
                curve = pd.DataFrame(Training(recipe, part, path).curve)
                tables[recipe, part] = curve.assign(recipe=recipe, part=part)
    columns = ["recipe", "part", "epoch", "device", "loss", "loss (fresh)", "lr", "cpu_seconds", "wall_seconds"]
    columns += ["NLL", "gap", "distance", "coverage"]
    return pd.concat(tables.values()).reindex(columns=columns) if tables else pd.DataFrame(columns=columns)


def markdown(rows: dict[str, dict]) -> str:
    """Two tables: without a class, with the seconds that both trainings took; and the classes, in order of label."""
    first = [["solution", "trained: denoiser + classifier", "on", "seconds", *METRICS[:-1]]]
    second = [["solution", *METRICS]]
    for name, row in rows.items():
        seconds = " + ".join(f"{value:,.0f}" for value in row.get("seconds", {}).values())
        values = [number(row["sets"]["all"].get(metric), metric) for metric in METRICS[:-1]]
        first.append([name, row.get("trained") or "-", row.get("device") or "-", seconds or "-", *values])
        classes = [row["sets"].get(state, {}) for state in STATE_NAMES]
        second.append([name, *(" ".join(number(c.get(metric), metric) for c in classes) for metric in METRICS)])
    return f"Without a class\n\n{piped(first)}\n\n{', '.join(STATE_NAMES)}\n\n{piped(second)}\n"


def number(value: float | None, metric: str) -> str:
    """Three or four decimals, signed if it is a difference; "-" for what is not known."""
    if value is None:
        return "-"
    return {"gap": f"{value:+.3f}", "distance": f"{value:.4f}"}.get(metric, f"{value:.3f}")


def piped(lines: list[list[str]]) -> str:
    """A Markdown table, the first line its head."""
    lines = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def table(folder: Path, results: Path = RESULTS, quick: bool = False) -> str:
    """Bring the result files up to date with what lies in `folder` -> the tables as Markdown."""
    curve = curves(folder, results / "course_recipes_curve.csv")
    rows = update(solutions(folder, quick), results / "course_recipes.json")
    for name, frame in (("course_recipes_curve.csv", curve), ("course_recipes.csv", flat(rows))):
        text = f"# {MADE_BY[name]}\n{frame.to_csv(index=False)}"
        write_atomically(results / name, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))
    return markdown(rows)


def count(text: str) -> int:
    """A whole number of at least 1."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    top = argparse.ArgumentParser(description="Train and judge two published solutions of the course project.")
    top.add_argument("what", choices=[*RECIPES, "table"], help="the recipe to train, or the table of all results")
    top.add_argument("--part", choices=["denoiser", "classifier"], help="train only this network")
    top.add_argument("--epochs", type=count, help="stop here, or at the recipe's own number; repeat to go on")
    top.add_argument("--folder", type=Path, default=FOLDER, help=f"where the state is kept, default {FOLDER}")
    top.add_argument("--quick", action="store_true", help="table: judge by fewer samples, of a class in 50 steps")
    top.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is asked for, or print the table."""
    args = parser().parse_args(argv)
    torch.set_num_threads(1)
    if args.what == "table":
        print(table(args.folder, quick=args.quick))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped: the state after the last whole epoch is kept"))
    folder = args.folder / args.what
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in RECIPES[args.what].items():
        if args.part in (None, name):
            path, kept = folder / f"{name}.pt", RESULTS / f"{args.what}_{name}.pt"
            if kept.exists() and not path.exists():
                shutil.copy(kept, path)
            training = Training(args.what, name, path, args.device)
            with denormals_flushed():
                train(training, min(args.epochs or part.epochs, part.epochs))


if __name__ == "__main__":
    main()
