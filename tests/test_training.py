"""Training: what is drawn, what is reported, what is learnt, and what an interrupt leaves behind."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import nn
from torch.testing import assert_close

from statesdiff.exact import IdealDenoiser, bayes_loss, loss_per_t
from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import Step, cosine_decay, low_noise_t, one_cycle, train_denoiser, uniform_t

SCHEDULE = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4)
DATA = randn(50, 2, generator=stream("data"))


def small(seed=0, **changes):
    return init(Denoiser, **({"T": 20, "hidden": (16, 16)} | changes), generator=stream("init", seed))


def parameters(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def run(model, steps=20, seed=0, **options):
    return list(
        train_denoiser(model, DATA, SCHEDULE, steps=steps, batch_size=32, generator=stream("train", seed), **options)
    )


# Drawing t


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


# Learning rates


def rates(make, lr=0.1, steps=50):
    model = nn.Linear(1, 1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr)
    schedule, used = make(optimiser, lr, steps), []
    for _ in range(steps):
        used.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return used


def test_one_cycle_warms_up_for_a_third_and_ends_near_zero():
    used = rates(one_cycle)
    peak = used.index(max(used))
    assert 12 <= peak <= 18 and used[peak] == pytest.approx(0.1, rel=0.02)
    assert used[0] < 0.01 and used[-1] < 0.001
    assert used[:peak] == sorted(used[:peak]) and used[peak:] == sorted(used[peak:], reverse=True)


def test_cosine_decay_is_half_a_cosine():
    want = [0.05 * (1 + math.cos(math.pi * k / 50)) for k in range(50)]
    assert rates(cosine_decay) == pytest.approx(want, rel=1e-6)


# What is yielded


def test_a_record_for_every_step():
    records = run(small(), steps=12, lr=0.01, lr_schedule=cosine_decay)
    assert all(isinstance(r, Step) for r in records)
    assert [r.step for r in records] == list(range(1, 13))
    assert Step._fields == ("step", "loss", "lr")
    assert all(isinstance(r.loss, float) and math.isfinite(r.loss) for r in records)
    # the rate reported is the one this step used: the first is lr itself
    assert [r.lr for r in records] == pytest.approx([0.005 * (1 + math.cos(math.pi * k / 12)) for k in range(12)])


def test_the_loss_reported_is_that_of_the_batch_before_the_update():
    model, reference = small(), small()
    record = next(train_denoiser(model, DATA, SCHEDULE, batch_size=64, generator=stream("train")))
    g = stream("train")
    rows = torch.randint(50, (64,), generator=g)
    t = uniform_t(20, 64, g)
    eps = randn(64, 2, generator=g)
    loss = (reference(SCHEDULE.q_sample(DATA[rows], t, eps), t) - eps).square().mean()
    assert record.loss == pytest.approx(loss.item(), rel=1e-5)


def test_the_model_is_updated_before_each_record():
    model = small()
    seen = [parameters(model)]
    for _ in train_denoiser(model, DATA, SCHEDULE, steps=5, batch_size=32, generator=stream("train")):
        seen.append(parameters(model))
    for before, after in zip(seen, seen[1:], strict=False):
        assert not torch.equal(before, after)


def test_nothing_happens_before_the_first_record_is_asked_for():
    model = small()
    before = parameters(model)
    train_denoiser(model, DATA, SCHEDULE)
    assert torch.equal(parameters(model), before)


def test_equal_streams_give_equal_models():
    a, b, c = small(), small(), small()
    torch.manual_seed(1)
    first = run(a)
    torch.manual_seed(2)
    assert run(b) == first and torch.equal(parameters(a), parameters(b))
    assert run(c, seed=1) != first and not torch.equal(parameters(a), parameters(c))


def test_the_data_are_not_written_to():
    copy = DATA.clone()
    run(small())
    assert torch.equal(DATA, copy)


def test_every_t_is_drawn_by_the_given_function():
    asked = []

    def draw(T, n, generator):
        asked.append((T, n))
        return torch.full((n,), 7)

    class Spy(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(()))

        def forward(self, x, t):
            assert (t == 7).all()
            return x * self.w

    list(train_denoiser(Spy(), DATA, SCHEDULE, steps=3, batch_size=8, draw_t=draw))
    assert asked == [(20, 8)] * 3


# What is learnt


def test_training_reaches_the_bayes_floor_of_a_small_problem():
    # two points on a line: at every t the best predictor is a scaled tanh, which a small network can represent
    data = torch.tensor([[-1.0], [1.0]])
    model = small(D=1, hidden=(32, 32))
    records = list(
        train_denoiser(model, data, SCHEDULE, steps=1500, batch_size=512, lr=1e-2, generator=stream("train"))
    )
    first, tail = records[0].loss, sum(r.loss for r in records[-100:]) / 100
    times = range(1, 21)
    floor = float(bayes_loss(data, SCHEDULE, times, n=4000, generator=stream("floor")).mean())
    assert first > 4 * floor
    # the floor, on 4,000 draws, is known to about 2%, the tail to 1%; the network itself is allowed another 5%
    assert floor * 0.94 < tail < floor * 1.11
    x_0 = data[torch.randint(2, (4000,), generator=stream("rows"))]
    learnt = loss_per_t(model, x_0, SCHEDULE, times, generator=stream("eps"))
    exact = loss_per_t(IdealDenoiser(data, SCHEDULE), x_0, SCHEDULE, times, generator=stream("eps"))
    assert learnt.mean() - exact.mean() < 0.01  # the noise is the same: what is left is the network's own error
    assert (learnt - exact < 0.06).all()


# Stopping early


def usable(model):
    out = model(torch.ones(3, 2), 5)
    return out.isfinite().all() and parameters(model).isfinite().all()


def test_a_break_leaves_the_model_of_the_steps_done():
    stopped, whole = small(), small()
    for record in train_denoiser(stopped, DATA, SCHEDULE, steps=20, batch_size=32, generator=stream("train")):
        if record.step == 7:
            break
    path = []
    for _ in train_denoiser(whole, DATA, SCHEDULE, steps=20, batch_size=32, generator=stream("train")):
        path.append(parameters(whole))
    assert torch.equal(parameters(stopped), path[6]) and usable(stopped)


def test_an_interrupt_leaves_the_model_of_the_steps_done():
    model, count = small(), 0

    def draw(T, n, generator):
        nonlocal count
        count += 1
        if count == 6:
            raise KeyboardInterrupt  # in the middle of the sixth step
        return uniform_t(T, n, generator)

    steps = train_denoiser(model, DATA, SCHEDULE, steps=20, batch_size=32, draw_t=draw, generator=stream("train"))
    after = None
    with pytest.raises(KeyboardInterrupt):
        for _ in steps:
            after = parameters(model)
    assert torch.equal(parameters(model), after) and usable(model)


def test_divergence_is_an_error_that_names_the_step():
    class Explode(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(()))
            self.calls = 0

        def forward(self, x, t):
            self.calls += 1
            return x * self.w * (math.inf if self.calls == 3 else 1)

    model, seen = Explode(), 0
    with pytest.raises(FloatingPointError, match=r"the loss is (inf|nan) at step 3: is lr = 0.5 too high\?"):
        for record in train_denoiser(model, DATA, SCHEDULE, lr=0.5, generator=stream("train")):
            seen = record.step
    assert seen == 2 and model.w.isfinite()


# Bad arguments


@pytest.mark.parametrize("x_0", [torch.zeros(0, 2), torch.zeros(5), torch.tensor([[1.0, math.nan]])])
def test_data_that_are_no_points_are_refused(x_0):
    with pytest.raises(ValueError, match=r"x_0 must be a non-empty, finite tensor of shape \(N, D\)"):
        next(train_denoiser(small(), x_0, SCHEDULE))


@pytest.mark.parametrize(
    "bad", [{"steps": 0}, {"batch_size": 0}, {"lr": 0.0}, {"lr": -1.0}, {"lr": math.nan}, {"lr": math.inf}]
)
def test_senseless_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="steps and batch_size must be >= 1 and lr > 0"):
        next(train_denoiser(small(), DATA, SCHEDULE, **bad))


def test_a_model_for_another_T_is_refused():
    with pytest.raises(ValueError, match="the model was built for T = 50, the schedule has T = 20"):
        next(train_denoiser(small(T=50), DATA, SCHEDULE))


def test_a_model_for_another_dimension_is_refused():
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 3\)"):
        next(train_denoiser(small(D=3), DATA, SCHEDULE))


def test_weights_and_noise_keep_float32():
    model = small()
    run(model)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert_close(parameters(model), parameters(model).double().float())
