"""How ablations judge: the points, the samples drawn, each measure against a direct computation, the floors."""

import math

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from statesdiff.ablations import judging
from statesdiff.ablations.configs import Sampling
from statesdiff.ablations.judging import (
    denoising_losses,
    evaluate,
    evaluate_labels,
    floor,
    floor_points,
    labels_like,
    sample_and_evaluate,
)
from statesdiff.ablations.toys import Points, points
from statesdiff.data import Dataset, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from tests.support import small

SCHEDULE = NoiseSchedule.linear(8, 0.05, 0.5)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(judging, "DRAWS", 3)


def diverged(weight):
    """A network of two classes whose last layer has this weight everywhere."""
    model = small(T=8, n_classes=2)
    torch.nn.init.constant_(model.net[-1].weight, weight)
    return model


def cost(a, b):
    """The least total cost of a matching, by POT; the code uses scipy."""
    n = len(a)
    matrix = torch.cdist(a.double(), b.double()).numpy()
    return n * ot.emd2(np.full(n, 1 / n), np.full(n, 1 / n), matrix)


# The measures


def test_every_measure_by_hand():
    known = points("moons")
    samples = 0.3 * randn(1000, 2, generator=stream("samples"))
    found = evaluate(samples, known, known.train.x, seed=7)
    assert set(found) == {"NLL (kernel)", "EMD (total)", "EMD", "to train", "to unseen"}
    fresh = known.fresh(1000, 7).x
    squared = torch.cdist(samples.double(), fresh.double()) ** 2
    density = (-squared / 0.4).exp().mean() / (2 * math.pi * 0.1)  # tau = 0.1, D = 2
    assert found["NLL (kernel)"] == pytest.approx(-math.log(density), rel=1e-9)
    assert found["EMD"] == pytest.approx(cost(samples, fresh) / 1000, rel=1e-6)
    assert found["to train"] == pytest.approx(torch.cdist(samples, known.train.x).amin(1).mean().item(), rel=1e-4)
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(3):
        a, b = (rng.permutation(s.double().numpy())[:250] for s in (samples, fresh))
        draws.append(cost(torch.from_numpy(a), torch.from_numpy(b)))
    assert found["EMD (total)"] == pytest.approx(np.mean(draws), rel=1e-6)


def test_every_seed_has_points_of_its_own_to_be_judged_by():
    known = points("moons")
    samples = known.fresh(1000, 99).x
    by_seed = [evaluate(samples, known, known.train.x, seed) for seed in range(2)]
    assert all(by_seed[0][key] != by_seed[1][key] for key in ("NLL (kernel)", "EMD (total)", "EMD"))


def test_the_training_points_that_count_are_those_learnt_from():
    known = points("moons")
    few, samples = known.train.x[:20], known.train.x[20:1020]
    assert evaluate(samples, known, known.train.x, 0)["to train"] == 0
    distance = evaluate(samples, known, few, 0)["to train"]
    assert distance == pytest.approx(torch.cdist(samples, few).amin(1).mean().item(), rel=1e-4) and distance > 0.01


def test_unseen_draws_stand_beside_the_training_points():
    known = points("states")
    train, samples = known.fresh(50, 77).x, known.fresh(1000, 78).x
    found = evaluate(samples, known, train, 3)
    first = judging.FIRST_UNSEEN + 3 * judging.UNSEEN  # other sets for every seed
    others = [torch.cdist(samples, known.fresh(50, first + k).x).amin(1).mean() for k in range(10)]
    assert found["to unseen"] == pytest.approx(torch.stack(others).mean().item(), rel=1e-4)
    assert found["to train"] == pytest.approx(found["to unseen"], rel=0.3) and min(others) != max(others)
    assert evaluate(train.repeat(20, 1), known, train, 0)["to train"] == 0


def test_gaps_of_a_network_that_knows_nothing_and_of_the_copier(monkeypatch):
    monkeypatch.setattr(judging, "N_GAP", 500)
    known, schedule = points("states"), NoiseSchedule.linear()
    found = judging.gaps(small(T=500), schedule, known, known.fresh(50, 77).x, 3)
    assert list(found) == [f"{name}, t = {t}" for name in ("gap", "copier") for t in (1, 3, 10, 30, 100, 300)]
    assert abs(found["gap, t = 300"]) < 0.2 and found["copier, t = 1"] > 20
    assert judging.gaps(small(T=500), schedule, points("moons"), known.train.x, 3) == {}


def test_states_are_also_held_against_their_outlines():
    known = points("states")
    four = states(1000, seed=9)
    samples = four.x[four.y != 3]  # no Oklahoma
    found = evaluate(samples, known, known.train.x, 0)
    shares = [
        float((torch.cdist(outline_points(1000, label=k), samples).amin(1) <= 0.05).double().mean()) for k in range(5)
    ]
    assert found["coverage"] == pytest.approx(sum(shares) / 5, abs=1e-3)
    assert found["lowest coverage"] == pytest.approx(shares[3], abs=1e-3) and shares[3] < 0.2 < 0.9 < shares[0]
    assert found["distance"] == pytest.approx(torch.cdist(samples, outline_points()).amin(1).mean().item(), rel=1e-3)


def test_labels_are_judged_by_the_vote_of_the_neighbours():
    known = points("manycircles")
    real = known.fresh(4000, 5)
    wrong = (real.y + 1) % 8
    right, shifted = evaluate_labels(real.x, real.y, known, 0), evaluate_labels(real.x, wrong, known, 0)
    nearest = torch.cdist(real.x, known.train.x).topk(15, largest=False).indices
    votes = torch.stack([(known.train.y[nearest] == k).sum(1) for k in range(8)], 1)
    clear = votes.topk(2).values.diff(dim=1)[:, 0] != 0  # a tie may go either way
    share = float((votes.argmax(1) == real.y)[clear].double().mean())
    assert right["accuracy"] == pytest.approx(share, abs=0.02) and shifted["accuracy"] < 0.2
    assert shifted["EMD of a class (total)"] > 3 * right["EMD of a class (total)"]


def test_the_distance_of_a_class_by_hand():
    x = torch.cat([torch.zeros(400, 2), torch.ones(400, 2)])
    y = torch.arange(800) // 400
    data = Dataset(x, y, ("low", "high"))
    known = Points("two", data, data, lambda n, seed: data)
    # every sample of a class in one place, 3 to the right of its data for class 0: 250 matched, mean of the two classes
    samples = x + torch.tensor([3.0, 0.0]) * (y == 0)[:, None]
    assert evaluate_labels(samples, y, known, 0)["EMD of a class (total)"] == pytest.approx(250 * 3 / 2)


def test_samples_are_drawn_and_measured():
    known, model = points("moons"), small(T=8, n_classes=2)
    seen = sample_and_evaluate(model, SCHEDULE, Sampling(n=1000), known, known.train.x, 3)
    samples = Sampling(n=1000).draw(model, SCHEDULE, known.train.y, 3)
    losses = denoising_losses(model, SCHEDULE, known, known.train.x, 3)
    assert seen == evaluate(samples, known, known.train.x, 3) | losses
    y = labels_like(known.train.y, 1000, 3)
    guided = sample_and_evaluate(model, SCHEDULE, Sampling(n=1000, guidance=2.0), known, known.train.x, 3)
    samples = Sampling(n=1000, guidance=2.0).draw(model, SCHEDULE, y, 3)
    assert guided == evaluate(samples, known, known.train.x, 3) | losses | evaluate_labels(samples, y, known, 3)


def test_the_losses_part_for_a_predictor_that_knows_the_training_points_by_heart():
    known = points("moons")
    few = known.train.x[:20]
    learnt = denoising_losses(IdealDenoiser(few, SCHEDULE), SCHEDULE, known, few, 0)
    assert learnt["loss (train)"] < 0.8 * learnt["loss (fresh)"]

    def nothing(x_t, t):
        return torch.zeros_like(x_t)

    blind = denoising_losses(nothing, SCHEDULE, known, few, 0)
    assert blind["loss (train)"] == blind["loss (fresh)"] == pytest.approx(1, abs=0.05)  # the variance of the noise


def test_labels_come_in_the_proportions_of_the_data():
    y = torch.tensor([0] * 80 + [1] * 20)
    drawn = labels_like(y, 20_000, 0)
    assert float(drawn.double().mean()) == pytest.approx(0.2, abs=0.015)  # five standard errors
    assert torch.equal(labels_like(y, 20_000, 0), drawn) and not torch.equal(labels_like(y, 20_000, 1), drawn)


@pytest.mark.parametrize("weight", [math.nan, math.inf, 1e38])
@pytest.mark.parametrize("guidance", [None, 2.0])
def test_a_network_that_diverged_has_no_measures(weight, guidance):
    known, model = points("moons"), diverged(weight)
    assert sample_and_evaluate(model, SCHEDULE, Sampling(n=1000, guidance=guidance), known, known.train.x, 0) == {}


def test_samples_that_are_far_away_yet_finite_are_measured():
    known = points("moons")
    found = evaluate(torch.full((1000, 2), 1e30), known, known.train.x, 0)
    assert all(math.isfinite(value) for value in found.values()) and found["EMD"] > 1e29


# The floors


@pytest.mark.parametrize("name", ["moons", "helix", "states"])
def test_the_floor_is_the_same_computation_on_fresh_points(name):
    known = points(name)
    found = floor(known, Sampling(n=1000, guidance=1.0), 2)
    real = floor_points(known, 1000, 2)
    assert not set(map(tuple, real.x.tolist())) & set(map(tuple, known.fresh(1000, 2).x.tolist()))
    assert found == evaluate(real.x, known, known.train.x, 2) | evaluate_labels(real.x, real.y, known, 2)
    assert "accuracy" not in floor(known, Sampling(n=1000), 2)
    worse = evaluate(known.train.x[:1000] + 0.3, known, known.train.x, 2)
    assert all(found[key] < worse[key] for key in ("EMD", "EMD (total)", "to train"))


@pytest.mark.parametrize(("name", "share"), [("states", 0.2), ("moons", 0.5), ("blobs", 0.8)])
def test_class_counts_of_a_floor_vary_as_those_of_a_sampler(name, share):
    known = points(name)
    counts = torch.tensor([int((floor_points(known, 1000, seed).y == 0).sum()) for seed in range(120)]).double()
    spread = (1000 * share * (1 - share)) ** 0.5  # binomial; a tenth of a set has 0.95 of it
    assert counts.mean() == pytest.approx(1000 * share, abs=4 * spread / 120**0.5)
    assert 0.7 * spread < counts.std() < 1.25 * spread


def test_the_floor_of_ones_own_points_is_that_of_the_training_points(tmp_path):
    np.save(tmp_path / "own.npy", np.random.default_rng(1).normal(size=(2600, 2)))
    known = points(str(tmp_path / "own.npy"))
    found = floor(known, Sampling(n=1500), 0)
    assert found["to train"] == 0 and 0 < found["EMD"] < 0.2  # 260 against 260, minmax units
    matrix = torch.cdist(known.held_out.x, known.held_out.x + 0.5)
    pairs = linear_sum_assignment(matrix.numpy())
    shifted = evaluate(torch.cat([known.held_out.x + 0.5] * 4), known, known.train.x, 0)
    assert shifted["EMD"] == pytest.approx(float(matrix[pairs].mean()), rel=1e-4)
