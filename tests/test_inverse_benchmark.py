"""The program of the table `inverse`: what its own pieces do, a run of next to nothing, and that it goes on."""

import math

import inverse as benchmark
import pandas as pd
import pytest
import torch
from torch.testing import assert_close

from statesdiff.results import table
from statesdiff.rng import randn, stream


def normal(x_t, t):
    """The exact noise predictor of N(0, I): the guess is sqrt(alpha_bar) x_t."""
    return (1 - benchmark.SCHEDULE.alpha_bar[t]).sqrt().float() * x_t


@pytest.mark.parametrize("t", [500, 100, 1])
def test_a_step_of_fixed_length_moves_by_it_along_the_gradient_of_the_distance(t):
    """For N(0, I) the guess is sqrt(alpha_bar) x, so that gradient is -+sqrt(alpha_bar), whatever the distance."""
    x_t, t = randn(6, 2, generator=stream("x")), torch.tensor(t)
    practised = benchmark.FixedLength(normal, torch.tensor([[1.0, 0.0]]), torch.tensor([0.2]), 0.03)
    beta, alpha_bar = (float(v[t]) for v in (benchmark.SCHEDULE.beta, benchmark.SCHEDULE.alpha_bar))
    moved = -(practised(x_t, t) - normal(x_t, t)) * beta / math.sqrt((1 - alpha_bar) * (1 - beta))
    towards = torch.sign(0.2 - math.sqrt(alpha_bar) * x_t[:, 0])
    assert_close(moved[:, 0], 0.03 * math.sqrt(alpha_bar) * towards, rtol=1e-3, atol=1e-5)
    assert_close(moved[:, 1], torch.zeros(6), rtol=0, atol=1e-6)


@pytest.fixture
def small(monkeypatch):
    for name, value in {"KNOWN": 20, "N": 12, "PARTICLES": 16, "TIMES": [500, 250, 60, 0], "LENGTHS": (0.01,)}.items():
        monkeypatch.setattr(benchmark, name, value)
    monkeypatch.setattr(benchmark, "stepped", lambda predictor, seed, length: benchmark.sampled(predictor, seed))
    benchmark.ideal.cache_clear()
    yield
    benchmark.ideal.cache_clear()


def test_a_cell_has_a_row_for_each_method_and_one_for_the_floor(small):
    found = benchmark.one("longitude", 0.5, 0, {"scale": 0.3, "length": 0.01})
    assert list(found.method[:2]) == ["floor", "replacement, 1"] and len(found) == 11
    assert found.EMD[0] > 0 and (found.noise == "learnt").sum() == 2
    twisted = found[found.method == "twisted"]
    assert twisted.effective.between(1, 16).all() and twisted["log evidence"].notna().all()
    assert len(benchmark.one("box", 0.5, 0, {"scale": 0.3})) == 8


@pytest.mark.parametrize("explodes", [False, True])
def test_the_seconds_of_a_method_are_those_of_its_drawing(small, monkeypatch, explodes):
    clock = [0.0]

    def draw():
        clock[0] += 1
        if explodes:
            raise FloatingPointError
        return torch.zeros(12, 2)

    def judged(x, fresh):
        clock[0] += 100
        return 0.5

    monkeypatch.setattr(benchmark.time, "process_time", lambda: clock[0])
    monkeypatch.setattr(benchmark, "emd", judged)
    monkeypatch.setattr(benchmark, "ways", lambda *_: [("a", "exact", draw), ("b", "learnt", draw)])
    found = benchmark.one("box", 0.5, 0, {"scale": 0.3})
    assert found.seconds[1:].tolist() == [1, 1] and found.EMD[1:].isna().all() == explodes


def test_the_best_scale_is_chosen_at_a_seed_of_its_own(small):
    assert benchmark.tuned("box", 0.5, "scale") in benchmark.SCALES
    assert benchmark.TUNING >= benchmark.SEEDS


def test_what_is_finished_is_kept(tmp_path, capsys):
    made = []

    def make():
        made.append(1)
        return pd.DataFrame({"EMD": [0.1]})

    for _ in range(2):
        assert benchmark.kept(tmp_path / "a.csv", make).EMD.tolist() == [0.1]
    assert made == [1]


def test_the_committed_table_is_complete():
    """Nine cells, the same seeds in each, eleven rows or eight; only gradient guidance may have flown apart."""
    rows = table("inverse")
    sizes = rows.groupby(["measurement", "width", "seed"]).size().unstack()
    assert sizes.shape[0] == 9 and sizes.shape[1] >= 4 and sizes.notna().all(axis=None)
    assert set(sizes.loc["longitude"].to_numpy().ravel()) == {11} and set(sizes.loc["box"].to_numpy().ravel()) == {8}
    assert set(rows[rows.EMD.isna()].method) <= {"gradient", "gradient, best scale"}
