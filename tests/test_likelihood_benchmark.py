"""The table of KLs: what the program measures, on few points, and what the committed rows say."""

import likelihood as benchmark
import pytest
import torch

from statesdiff.data import STATE_NAMES
from statesdiff.intervals import interval
from statesdiff.results import table
from tests.support import small


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(benchmark, "N", 20)


def test_a_known_density_is_judged_in_closed_form(few):
    known = benchmark.contestants()
    truth = benchmark.one(*known["real"], seed=0)
    assert all(abs(truth[name]) < 1e-5 for name in truth if name.startswith("KL"))
    vague = benchmark.one(*known["Gaussian"], seed=0)
    assert 1.8 < vague["KL"] < 2.8 and vague["KL"] == pytest.approx(
        sum(vague[f"KL, {name}"] for name in STATE_NAMES) / 5, rel=1e-5
    )


def test_samples_are_drawn_from_the_density_that_is_judged():
    density, draw = benchmark.of_mixture(torch.tensor([[0.5, -1.0]]), 0.2)
    x = draw(0)
    assert x.shape == (2000, 2) and (x.mean(0) - torch.tensor([0.5, -1.0])).abs().max() < 0.02
    assert (x.std(0) - 0.2).abs().max() < 0.01
    assert density(torch.tensor([[0.5, -1.0]]))[0] > density(torch.tensor([[1.5, -1.0]]))[0] + 10


def test_a_network_is_judged_by_its_likelihood(few, monkeypatch):
    monkeypatch.setattr(benchmark, "network", lambda name: small(T=500, skip=True))
    found = benchmark.one(*benchmark.of_network("any"), seed=0)
    assert found["KL"] > 0.5 and found["NLL"] > 2 and found["deviation"] > 0


def test_the_rows_have_what_the_chapter_says():
    rows = table("likelihood")
    groups = rows.groupby("network")
    kl = groups.KL.apply(interval)
    assert (groups.size().drop("plain") == 20).all() and groups.size()["plain"] == 10
    assert 2 * kl["fourier"].half_width < 0.02
    assert groups["KL, Oklahoma"].mean()["fourier without Oklahoma, 4,000 steps"] > 5
    order = groups.KL.mean().drop("real").sort_values().index
    assert list(order[-2:]) == ["no Oklahoma", "one point"] and groups.NLL.mean().idxmin() == "one point"
