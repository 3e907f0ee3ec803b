"""How the ablations judge a denoiser: what is measured on its samples, on its loss, and on real points instead."""

from dataclasses import replace

import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from statesdiff import metrics
from statesdiff.ablations.configs import Sampling
from statesdiff.ablations.homework import N_EMD, kernel_nll, total_emd
from statesdiff.ablations.memorising import TIMES, GapTest
from statesdiff.ablations.toys import Points
from statesdiff.data import JITTER, STATE_NAMES, Dataset, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import uniform_t

UNSEEN, FIRST_UNSEEN = 10, 20_000  # draws of as many points as there are to train on, and the seed of the first
N_GAP, FIRST_GAP = 4000, 30_000  # noisy points of either kind for a gap, and the seed of the first fresh ones
N_FRESH = 1000  # points that a network is judged by
N_OUTLINE = 2000  # they stand closer together than the jitter is wide
DRAWS = 40  # matchings; the homework averages 5, whose mean still varies by a tenth: see chapter 8


def evaluate(samples: Tensor, known: Points, train: Tensor, seed: int) -> dict[str, float]:
    """Every measure of samples (n, D), n >= 4 N_EMD, that needs no labels; `train` are the points learnt from.

    All are taken against 1,000 points that are fresh in every seed; where the distribution is not known, against the
    held-out points, whose luck every row of a table then shares. In the homework's conventions: "NLL (kernel)", and
    "EMD (total)" of 250 to 250 points, mean of DRAWS. In ours: "EMD", mean cost per point; "to train", mean distance
    to the nearest training point, and beside it "to unseen", mean of the same for UNSEEN other draws of as many points.
    For STATES also precision and recall about the true outline.
    """
    real = known.held_out.x if known.fresh is None else known.fresh(N_FRESH, seed).x
    n = min(N_FRESH, len(real))
    found = {
        "NLL (kernel)": kernel_nll(samples, real),
        "EMD (total)": float(total_emd(samples, real, n=N_EMD, draws=DRAWS, seed=seed).mean()),
        "EMD": metrics.emd(samples[:n], real[:n]),
        "to train": metrics.mean_distance(samples, train),
    }
    if known.fresh is not None:
        first = FIRST_UNSEEN + UNSEEN * seed
        unseen = [known.fresh(len(train), first + k).x for k in range(UNSEEN)]
        found["to unseen"] = sum(metrics.mean_distance(samples, x) for x in unseen) / UNSEEN
    return found | (_outline_measures(samples) if known.on_outline else {})


def evaluate_labels(samples: Tensor, y: Tensor, known: Points, seed: int) -> dict[str, float]:
    """What needs labels: samples (n, D) that were drawn for the labels y (n,).

    "accuracy": the share that 15 nearest training points would label y; "EMD of a class (total)": for each class 250
    samples (fewer, if it has fewer) to as many fresh points, mean of DRAWS and of the classes.
    """
    vote = KNeighborsClassifier(15).fit(known.train.x.numpy(), known.train.y.numpy())
    fresh = (known.fresh(8000, seed) if known.fresh else known.held_out).of_class
    costs = [
        total_emd(samples[y == k], fresh(k), n=min(N_EMD, int((y == k).sum())), draws=DRAWS, seed=seed).mean()
        for k in range(len(known.train.names))
    ]
    right = torch.from_numpy(vote.predict(samples.numpy())) == y
    return {"accuracy": float(right.double().mean()), "EMD of a class (total)": float(sum(costs) / len(costs))}


def sample_and_evaluate(
    model: nn.Module,
    schedule: NoiseSchedule,
    sampling: Sampling,
    known: Points,
    train: Tensor,
    seed: int,
    device: str = "cpu",
) -> dict[str, float]:
    """Draw samples on `device` and evaluate them; no measures, which a table shows as NaN, if anything diverged."""
    y = labels_like(known.train.y, sampling.n, seed)
    try:
        samples = sampling.draw(model.to(device), schedule, y, seed).cpu()
    except FloatingPointError:
        return {}
    finally:
        model.cpu()
    found = evaluate(samples, known, train, seed) | denoising_losses(model, schedule, known, train, seed)
    return found | (evaluate_labels(samples, y, known, seed) if sampling.guidance is not None else {})


def gaps(model: nn.Module, schedule: NoiseSchedule, known: Points, train: Tensor, seed: int) -> dict[str, float]:
    """The gap of `memorising.GapTest` at each of its times, for the model and, as "copier", for the best possible one.

    That is the ideal denoiser of the training points, which knows nothing but them. Only for STATES, whose distribution
    has a denoiser in closed form; otherwise nothing.
    """
    if not known.on_outline:
        return {}
    truth = IdealDenoiser(outline_points(N_OUTLINE), schedule, jitter=JITTER)
    fresh = known.fresh(N_GAP, FIRST_GAP + seed).x
    times = [t for t in TIMES if t <= schedule.T]
    test = GapTest(train, fresh, truth, schedule, times, n=N_GAP, generator=stream("gap", seed))
    found = {"gap": test(model), "copier": test(IdealDenoiser(train, schedule))}
    return {f"{name}, t = {t}": float(v) for name, at in found.items() for t, v in zip(test.times, at, strict=True)}


@torch.no_grad()
def denoising_losses(
    model: nn.Module, schedule: NoiseSchedule, known: Points, train: Tensor, seed: int, n: int = 4000
) -> dict[str, float]:
    """The loss per coordinate, t uniform, on training points and on fresh (or held-out) ones: the gap is over-fitting.

    n points of each, with the same times and noise, so that the gap is known better than either.
    """
    fresh = known.held_out.x if known.fresh is None else known.fresh(n, seed).x
    found = {}
    for name, x in (("loss (train)", train), ("loss (fresh)", fresh)):
        generator = stream("loss", seed)
        t, eps = uniform_t(schedule.T, n, generator), randn(n, x.shape[1], generator=generator)
        x_0 = x[torch.randint(len(x), (n,), generator=generator)]
        found[name] = float((model(schedule.q_sample(x_0, t, eps), t) - eps).square().mean())
    return found


def floor(known: Points, sampling: Sampling, seed: int) -> dict[str, float]:
    """The same measures of real points: those of `floor_points`."""
    real = floor_points(known, sampling.n, seed)
    found = evaluate(real.x, known, known.train.x, seed)
    return found | (evaluate_labels(real.x, real.y, known, seed) if sampling.guidance is not None else {})


def floor_points(known: Points, n: int, seed: int) -> Dataset:
    """n fresh points, or training points of a set whose distribution is not known, drawn as a sampler draws them.

    STATES, moons and circles have as many points of each class; those of a sampler vary. A floor with equal numbers
    would be too low for any sampler to reach, so this is a tenth of a larger set, shuffled.
    """
    if known.fresh is None:
        pool, rows = known.train, torch.randint(len(known.train), (n,), generator=stream("floor", seed))
    else:
        pool = known.fresh(10 * n, 1000 + seed)
        rows = torch.randperm(len(pool), generator=stream("floor", seed))[:n]
    return replace(pool, x=pool.x[rows], y=pool.y[rows])


def labels_like(y: Tensor, n: int, seed: int) -> Tensor:
    """n labels in the proportions of y, (n,)."""
    return y[torch.randint(len(y), (n,), generator=stream("labels", seed))]


def _outline_measures(samples: Tensor) -> dict[str, float]:
    shares = [metrics.coverage(samples, outline_points(1000, label=k)) for k in range(len(STATE_NAMES))]
    return {
        "distance": metrics.mean_distance(samples, outline_points()),
        "coverage": sum(shares) / len(shares),
        "lowest coverage": min(shares),
    }
