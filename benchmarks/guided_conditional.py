"""Claims about guided and conditional sampling, from a homework report, as experiments with seeds.

python benchmarks/guided_conditional.py --seeds 15   # the table guided-conditional.csv, 24 minutes of one core

On the five toy sets of that report. Every seed trains its own networks, all of three layers of 128 on Fourier features,
in batches of 512 at low-noise times, as the book's recipe does but with a quarter of its updates: a conditional
denoiser, an unconditional one, and a classifier of noisy points. The rows, by the column `network`:

conditional              the conditional denoiser as it is: guidance of scale 1
guided 3, 5              the same network, classifier-free guidance of that scale
classifier 1             the unconditional denoiser and the classifier, scale 1: no denoiser was ever told a label
two halves               both trained with half of the updates: as many in all as the conditional denoiser had
short conditional        a conditional denoiser with a tenth of the updates
short classifier         the full unconditional denoiser and a classifier with a tenth of the updates
real                     fresh points

Each row is 250 samples of every class by 30 deterministic steps, judged against fresh points class by class, mean of
the classes: "accuracy", the share that 15 nearest training points give the right label; "EMD" to 250 fresh points;
"coverage", the share of 250 other fresh points that have a sample within the radius in which 95% of fresh points have
one among 250 others; "spread", the deviation about the mean of the class as a share of that of real points. Guidance
of scale 1 has to give the samples of "conditional", bit for bit, or the program stops.
"""

from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import pandas as pd
import torch
from runs import arguments, run_all
from scipy.spatial import cKDTree
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from statesdiff.ablations.studies import FIVE_SETS
from statesdiff.ablations.toys import Points, points
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.metrics import coverage, emd
from statesdiff.models import FREQUENCIES, Classifier, Denoiser, init
from statesdiff.results import FOLDER, write
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import denormals_flushed, low_noise_t, train_classifier, train_denoiser

SCHEDULE = NoiseSchedule.linear()
UPDATES, SHORT = 1000, 10  # a tenth of them
SCALES = (3.0, 5.0)
N, STEPS = 250, 30  # samples of each class
ENOUGH = 12  # times N fresh points have N of every class


def make(data: str, seed: int, updates: int = UPDATES) -> list[dict]:
    """The rows of one data set and one seed."""
    known = points(data)
    names = known.train.names
    y = torch.arange(len(names)).repeat_interleave(N)
    about, rows = {"data": data, "n": N}, []
    for name, predictor in predictors(known, y, seed, updates):
        samples = draw(predictor, y, known.train.x.shape[1], seed)
        rows.append({"network": name} | judge(samples, y, known, seed))
        if name == "conditional":
            by_guidance = draw(ClassifierFreeGuidance(predictor.func, y, 1.0), y, samples.shape[1], seed)
            if not torch.equal(samples, by_guidance):
                raise AssertionError(f"guidance of scale 1 differs from the conditional network: {data}, seed {seed}")
    x = torch.cat([fresh(data, 2_000 + seed, k) for k in range(len(names))])
    rows.append({"network": "real"} | judge(x, y, known, seed))
    return [about | {"network": row.pop("network"), "seed": seed} | row for row in rows]


def predictors(known: Points, y: Tensor, seed: int, updates: int) -> Iterator[tuple[str, NoisePredictor]]:
    """Each way to draw the classes y, by the name that the table gives it."""
    few, half = max(1, updates // SHORT), max(1, updates // 2)
    told, untold, judge_of_classes = (trained(kind, known, seed, updates) for kind in ("told", "untold", "classifier"))
    yield "conditional", partial(told, y=y)
    yield from ((f"guided {scale:g}", ClassifierFreeGuidance(told, y, scale)) for scale in SCALES)
    yield "classifier 1", ClassifierGuidance(untold, judge_of_classes, SCHEDULE, y)
    halves = (trained(kind, known, seed, half) for kind in ("untold", "classifier"))
    yield "two halves", ClassifierGuidance(*halves, SCHEDULE, y)
    yield "short conditional", ClassifierFreeGuidance(trained("told", known, seed, few), y)
    short = trained("classifier", known, seed, few)
    yield "short classifier", ClassifierGuidance(untold, short, SCHEDULE, y)


def trained(kind: str, known: Points, seed: int, steps: int) -> nn.Module:
    """A network that is "told" the labels, one that is not, "untold", or a "classifier" of noisy points."""
    x, y, K = known.train.x, known.train.y, len(known.train.names)
    options = {"steps": steps, "generator": stream(f"train/{kind}", seed)}
    if kind == "classifier":
        build = partial(Classifier, x.shape[1], 500, K, (128,) * 3, "relu", *FREQUENCIES)
        net = init(build, generator=stream("init/classifier", seed))
        updates = train_classifier(net, x, SCHEDULE, y, lr=3e-3, **options)
    else:
        told = kind == "told"
        net = init(Denoiser.fourier, D=x.shape[1], n_classes=K if told else 0, generator=stream(f"init/{kind}", seed))
        updates = train_denoiser(net, x, SCHEDULE, y if told else None, lr=8e-3, draw_t=low_noise_t, **options)
    with denormals_flushed():
        last(updates)
    return net


def draw(predictor: NoisePredictor, y: Tensor, D: int, seed: int) -> Tensor:
    """One sample for each label in y; every way starts from the same noise."""
    x_T = randn(len(y), D, generator=stream("sample", seed))
    return last(ddim(predictor, SCHEDULE, x_T, steps=STEPS))


def judge(samples: Tensor, y: Tensor, known: Points, seed: int) -> dict[str, float]:
    """The measures of samples (n, D) with labels y (n,), N of each class: means over the classes."""
    right = np.asarray(vote(known.name).predict(samples.numpy())) == y.numpy()
    rows = []
    for k in range(len(known.train.names)):
        mine, real, other = samples[y == k], fresh(known.name, seed, k), fresh(known.name, 1_000 + seed, k)
        found = {"EMD": emd(mine, real), "coverage": coverage(mine, other, reach(known.name, k))}
        rows.append(found | {"spread": deviation(mine) / deviation(real)})
    return {"accuracy": float(right.mean())} | pd.DataFrame(rows).mean().to_dict()


def deviation(x: Tensor) -> float:
    """The root of the mean square distance from the mean."""
    return float((x - x.mean(0)).square().sum(1).mean().sqrt())


@cache
def fresh(data: str, seed: int, k: int) -> Tensor:
    """N fresh points of class k, (N, D)."""
    return points(data).fresh(ENOUGH * N, seed).of_class(k)[:N]


@cache
def vote(data: str) -> KNeighborsClassifier:
    """The label that most of the 15 nearest training points have."""
    train = points(data).train
    return KNeighborsClassifier(15).fit(train.x.numpy(), train.y.numpy())


@cache
def reach(data: str, k: int, sets: int = 10) -> float:
    """The radius within which 95% of fresh points of class k have one of N others; over several pairs of sets."""
    draws = [fresh(data, 5_000 + i, k).numpy() for i in range(2 * sets)]
    pairs = zip(draws[::2], draws[1::2], strict=True)
    return float(np.quantile(np.concatenate([cKDTree(a).query(b)[0] for a, b in pairs]), 0.95))


def main() -> None:
    """Make the table."""
    args = arguments(__doc__.splitlines()[0], "guided_conditional", seeds=4, data=FIVE_SETS)
    keys = [(data, seed) for seed in range(args.seeds) for data in args.data]
    rows = pd.DataFrame(run_all(make, keys, args.folder, args.workers))
    frame = pd.concat([rows[rows["data"] == data] for data in args.data], ignore_index=True)
    what = "guided and conditional sampling, class by class"
    options = f"--seeds {args.seeds} --data {' '.join(args.data)}"
    about = f"python benchmarks/guided_conditional.py {options}: {what}"
    print(write(frame, FOLDER / "guided-conditional.csv", about))


if __name__ == "__main__":
    main()
