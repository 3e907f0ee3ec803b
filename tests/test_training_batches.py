"""What a batch is made of: the times, the rows, the noise and the labels, drawn in the documented order."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch.testing import assert_close

from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import (
    Batch,
    Training,
    every_point_once,
    low_noise_t,
    noisy_batches,
    uniform_t,
    with_replacement,
)

SCHEDULE = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4)
DATA = randn(50, 2, generator=stream("data"))
LABELS = torch.arange(50) % 3


def first(n, batches):
    return [batch for _, batch in zip(range(n), batches, strict=False)]


# Times


@pytest.mark.parametrize(
    ("draw", "share_up_to"),
    [(uniform_t, lambda u: u), (low_noise_t, lambda u: u ** (1 / 3))],
    ids=["uniform_t", "low_noise_t"],
)
def test_times_have_the_stated_distribution(draw, share_up_to):
    T, n = 20, 100_000
    t = draw(T, n, stream("t"))
    assert t.dtype == torch.int64 and t.shape == (n,) and t.min() == 1 and t.max() == T
    expected = [n * (share_up_to(k / T) - share_up_to((k - 1) / T)) for k in range(1, T + 1)]
    # fixed seed; a right implementation would fail for one seed in a thousand
    assert chisquare(t.bincount(minlength=T + 1)[1:], expected).pvalue > 1e-3


def test_half_of_the_low_noise_times_lie_in_the_first_eighth():
    t = low_noise_t(800, 40_000, stream("t"))
    assert float((t <= 100).double().mean()) == pytest.approx(0.5, abs=0.01)  # four standard errors


@pytest.mark.parametrize("draw", [uniform_t, low_noise_t])
@given(T=st.integers(1, 2000), n=st.integers(1, 50), seed=st.integers(0, 2**31))
def test_times_lie_in_1_to_T(draw, T, n, seed):
    t = draw(T, n, torch.Generator().manual_seed(seed))
    assert t.shape == (n,) and t.dtype == torch.int64 and 1 <= t.min() and t.max() <= T


def test_low_noise_times_stay_inside_at_both_ends_of_the_uniform_draw(monkeypatch):
    ends = torch.tensor([0.0, 1 - 2**-24])  # the smallest and the largest number that torch.rand can return
    monkeypatch.setattr(torch, "rand", lambda n, generator: ends)
    assert low_noise_t(500, 2).tolist() == [500, 1]


@pytest.mark.parametrize("draw", [uniform_t, low_noise_t])
def test_times_follow_their_generator(draw):
    assert torch.equal(draw(500, 9, stream("t")), draw(500, 9, stream("t")))


# Rows


@pytest.mark.parametrize(("N", "n"), [(50, 8), (3, 10), (1, 1)])
def test_rows_with_replacement_are_those_of_randint(N, n):
    g = stream("rows")
    want = [torch.randint(N, (n,), generator=g) for _ in range(4)]
    assert all(map(torch.equal, first(4, with_replacement(N, n, stream("rows"))), want))


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**31))
def test_every_point_comes_once_an_epoch_over_all_its_borders(N, n, seed):
    batches = first(-(-4 * N // n), every_point_once(N, n, torch.Generator().manual_seed(seed)))
    assert all(rows.shape == (n,) and rows.dtype == torch.int64 for rows in batches)
    for epoch in torch.cat(batches)[: 4 * N].split(N):
        assert epoch.sort().values.tolist() == list(range(N))


def test_every_epoch_has_an_order_of_its_own():
    g = stream("rows")
    orders = [torch.randperm(50, generator=g) for _ in range(3)]
    assert torch.equal(torch.cat(first(15, every_point_once(50, 10, stream("rows")))), torch.cat(orders))
    assert not torch.equal(orders[0], orders[1])


@pytest.mark.parametrize("draw", [with_replacement, every_point_once])
def test_rows_follow_their_generator_and_leave_earlier_ones_as_they_were(draw):
    rows = draw(7, 3, stream("rows"))
    kept = [next(rows) for _ in range(6)]
    copies = [k.clone() for k in kept]
    first(20, rows)
    assert all(map(torch.equal, kept, copies))
    assert all(map(torch.equal, kept, first(6, draw(7, 3, stream("rows")))))


# Noisy points


def by_hand(how, n, y, batches):
    """The batches in the documented order of draws: rows, then t, then eps, then the labels to drop."""
    g, left, made = stream("train"), torch.empty(0, dtype=torch.int64), []
    for _ in range(batches):
        if how.draw_rows is with_replacement:
            rows = torch.randint(len(DATA), (n,), generator=g)
        else:
            while len(left) < n:
                left = torch.cat([left, torch.randperm(len(DATA), generator=g)])
            rows, left = left[:n], left[n:]
        t = torch.randint(1, 21, (n,), generator=g)
        eps = torch.randn(n, 2, generator=g)
        labels = None if y is None else y[rows]
        if y is not None and how.p_uncond is not None:
            labels = torch.where(torch.rand(n, generator=g) < how.p_uncond, -1, labels)
        made.append((DATA[rows], t, eps, labels))
    return made


@pytest.mark.parametrize("draw_rows", [with_replacement, every_point_once])
@pytest.mark.parametrize(
    ("y", "p_uncond"),
    [(None, 0.2), (LABELS, 0.0), (LABELS, 0.3), (LABELS, 1.0), (LABELS, None)],
    ids=["no labels", "kept", "some dropped", "all dropped", "of a classifier"],
)
@pytest.mark.parametrize("n", [None, 1, 32, 70])
def test_a_stream_draws_rows_then_times_then_noise_then_labels(draw_rows, y, p_uncond, n):
    how = Training(batch_size=16, draw_rows=draw_rows, p_uncond=p_uncond)
    batches = noisy_batches(DATA, SCHEDULE, y, how, n=n, generator=stream("train"))
    for batch, (x_0, t, eps, labels) in zip(batches, by_hand(how, n or 16, y, 6), strict=False):
        assert isinstance(batch, Batch) and torch.equal(batch.t, t) and torch.equal(batch.eps, eps)
        ab = SCHEDULE.alpha_bar[t][:, None]
        assert_close(batch.x_t, (ab.sqrt() * x_0 + (1 - ab).sqrt() * eps).float())
        assert batch.y is None if y is None else torch.equal(batch.y, labels)


def test_every_time_is_drawn_by_the_given_function():
    how = Training(batch_size=9, draw_t=lambda T, n, generator: torch.arange(n) % T + 1)
    batch = next(noisy_batches(DATA, SCHEDULE, None, how, generator=stream("train")))
    assert batch.t.tolist() == list(range(1, 10))


@given(st.integers(1, 30), st.integers(1, 50), st.booleans(), st.integers(0, 2**31))
def test_one_epoch_of_batches_shows_every_point_with_its_label(N, n, labelled, seed):
    clean = NoiseSchedule.linear(T=1, beta_1=1e-12, beta_T=1e-12)  # x_t is x_0 but for 1e-6
    x_0, y = torch.arange(N).float()[:, None], torch.arange(N) * 7
    how = Training(batch_size=n, draw_rows=every_point_once, p_uncond=0.0)
    batches = noisy_batches(x_0, clean, y if labelled else None, how, generator=torch.Generator().manual_seed(seed))
    shown = first(-(-N // n), batches)
    points = torch.cat([batch.x_t for batch in shown])[:N, 0].round().long()
    assert points.sort().values.tolist() == list(range(N))
    if labelled:
        assert torch.equal(torch.cat([batch.y for batch in shown])[:N], 7 * points)
    else:
        assert all(batch.y is None for batch in shown)


def test_the_data_and_their_labels_are_not_written_to():
    x_0, y = DATA.clone(), LABELS.clone()
    for batch in first(3, noisy_batches(x_0, SCHEDULE, y, Training(batch_size=9, p_uncond=1.0))):
        for tensor in batch:
            tensor.fill_(-5)
    assert torch.equal(x_0, DATA) and torch.equal(y, LABELS)
