"""Training: what is reported, what is learnt, what an interrupt leaves behind, and what is refused."""

import inspect
import math
from dataclasses import FrozenInstanceError, fields
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from statesdiff.exact import IdealDenoiser, bayes_loss, loss_per_t
from statesdiff.models import Classifier, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import (
    Step,
    Training,
    adam,
    adam_w,
    constant,
    cosine_decay,
    decay_at,
    denormals_flushed,
    every_point_once,
    noisy_batches,
    one_cycle,
    train_classifier,
    train_denoiser,
    uniform_t,
    with_replacement,
)
from tests import support
from tests.support import weights

SCHEDULE = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4)
DATA = randn(50, 2, generator=stream("data"))
LABELS = torch.arange(50) % 3
small = partial(support.small, T=20, hidden=(16, 16))


def run(model, steps=20, seed=0, **options):
    return list(
        train_denoiser(model, DATA, SCHEDULE, steps=steps, batch_size=32, generator=stream("train", seed), **options)
    )


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


def test_constant_is_the_rate_given_at_every_step():
    assert rates(constant) == [0.1] * 50


def test_one_cycle_warms_up_for_a_third_and_ends_near_zero():
    used = rates(one_cycle)
    peak = used.index(max(used))
    assert 12 <= peak <= 18 and used[peak] == pytest.approx(0.1, rel=0.02)
    assert used[0] < 0.01 and used[-1] < 0.001
    assert used[:peak] == sorted(used[:peak]) and used[peak:] == sorted(used[peak:], reverse=True)


def test_an_average_grows_old_with_the_training():
    assert decay_at(1, 0.999) == pytest.approx(2 / 11) and decay_at(10**6, 0.999) == 0.999
    # the weight of the start after n updates is the product of the decays: next to nothing
    assert math.prod(decay_at(k, 0.999) for k in range(1, 79)) < 1e-6


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
    seen = [weights(model)]
    for _ in train_denoiser(model, DATA, SCHEDULE, steps=5, batch_size=32, generator=stream("train")):
        seen.append(weights(model))
    for before, after in zip(seen, seen[1:], strict=False):
        assert not torch.equal(before, after)


def test_nothing_happens_before_the_first_record_is_asked_for():
    model = small()
    before = weights(model)
    train_denoiser(model, DATA, SCHEDULE)
    assert torch.equal(weights(model), before)


def test_equal_streams_give_equal_models():
    a, b, c = small(), small(), small()
    torch.manual_seed(1)
    first = run(a)
    torch.manual_seed(2)
    assert run(b) == first and torch.equal(weights(a), weights(b))
    assert run(c, seed=1) != first and not torch.equal(weights(a), weights(c))


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


@pytest.mark.parametrize("draw_rows", [with_replacement, every_point_once])
def test_the_rows_of_a_batch_are_drawn_by_the_given_function(draw_rows):
    clean = NoiseSchedule.linear(T=1, beta_1=1e-8, beta_T=1e-8)  # x_t is x_0 but for 1e-4
    spy, y = Spy(), torch.zeros(50, dtype=torch.int64)
    options = {"steps": 5, "batch_size": 10, "draw_rows": draw_rows}
    list(train_denoiser(spy, DATA, clean, y, **options, generator=stream("train")))
    shown = torch.cdist(torch.cat(spy.x), DATA).argmin(1)
    assert (len(shown.unique()) == 50) == (draw_rows is every_point_once)


OPTIMISERS = {"adam": (adam, torch.optim.Adam), "adam_w": (adam_w, partial(torch.optim.AdamW, betas=(0.9, 0.99)))}


@pytest.mark.parametrize(("given", "plain"), OPTIMISERS.values(), ids=OPTIMISERS.keys())
def test_the_updates_are_those_of_the_given_optimiser(given, plain):
    model, same = small(), small()
    options = {"steps": 6, "lr": 5e-3, "lr_schedule": constant}
    list(train_denoiser(model, DATA, SCHEDULE, **options, optimiser=given, generator=stream("train")))
    optimiser = plain(same.parameters(), lr=5e-3)
    batches = noisy_batches(DATA, SCHEDULE, None, Training(), generator=stream("train"))
    for _, batch in zip(range(6), batches, strict=False):
        optimiser.zero_grad()
        (same(batch.x_t, batch.t) - batch.eps).square().mean().backward()
        optimiser.step()
    assert_close(weights(model), weights(same), rtol=1e-3, atol=1e-5)  # fused and plain round differently


def test_the_optimisers_differ():
    first = next(train_denoiser(a := small(), DATA, SCHEDULE, optimiser=adam, lr=0.1, generator=stream("train")))
    assert first == next(train_denoiser(b := small(), DATA, SCHEDULE, lr=0.1, generator=stream("train")))
    assert not torch.equal(weights(a), weights(b))  # the same loss; weight decay is in the update


# Labels


class Spy(nn.Module):
    """Keeps the points and the labels that it is shown."""

    def __init__(self):
        super().__init__()
        self.w, self.x, self.y = nn.Parameter(torch.zeros(())), [], []

    def forward(self, x, t, y):
        self.x.append(x)
        self.y.append(y)
        return x * self.w


def labels_shown(**options):
    spy, g = Spy(), stream("train")
    list(train_denoiser(spy, DATA, SCHEDULE, LABELS, steps=10, batch_size=500, generator=g, **options))
    return torch.stack(spy.y)


def test_labels_are_never_shown_always_or_four_times_in_five():
    assert (labels_shown(p_uncond=1) == -1).all()
    assert (labels_shown(p_uncond=0) >= 0).all()
    for p, options in ((0.2, {}), (0.7, {"p_uncond": 0.7})):
        dropped = (labels_shown(**options) == -1).double()
        # four standard errors of a share of 5,000, and a little more for the ten shares of 500
        assert float(dropped.mean()) == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 5000))
        assert ((dropped.mean(1) - p).abs() < 4.5 * math.sqrt(p * (1 - p) / 500)).all()
        assert len(dropped.unique(dim=0)) == 10  # other rows in every batch


@pytest.mark.parametrize("p_uncond", [0.0, 0.5])
def test_each_point_comes_with_its_own_label(p_uncond):
    clean = NoiseSchedule.linear(T=1, beta_1=1e-8, beta_T=1e-8)  # x_t is x_0 but for 1e-4
    spy = Spy()
    list(train_denoiser(spy, DATA, clean, LABELS, p_uncond=p_uncond, steps=3, generator=stream("train")))
    for x, y in zip(spy.x, spy.y, strict=True):
        of_row = LABELS[torch.cdist(x, DATA).argmin(1)]
        assert y.dtype == torch.int64 and ((y == of_row) | (y == -1)).all()
        assert (y >= 0).sum() > 200 and len(y[y >= 0].unique()) == 3


def test_dropping_labels_does_not_change_them():
    y = LABELS.clone()
    list(train_denoiser(Spy(), DATA, SCHEDULE, y, p_uncond=1, steps=3))
    assert torch.equal(y, LABELS)


def by_hand(model, loss_of, steps=6, lr=1e-3):
    """A plain training loop; loss_of(rows, t, eps, x_t, generator)."""
    g, losses = stream("train"), []
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=lr, total_steps=steps + 1)
    for _ in range(steps):
        rows = torch.randint(50, (32,), generator=g)
        t = torch.randint(1, 21, (32,), generator=g)
        eps = torch.randn(32, 2, generator=g)
        ab = SCHEDULE.alpha_bar[t][:, None]
        x_t = ab.sqrt().float() * DATA[rows] + (1 - ab).sqrt().float() * eps
        loss = loss_of(rows, t, eps, x_t, g)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        losses.append(loss.item())
    return losses


def labels_by_hand(rows, g):
    return torch.where(torch.rand(32, generator=g) < 0.2, -1, LABELS[rows])


@pytest.mark.parametrize("kind", ["without labels", "with labels", "classifier"])
def test_training_is_the_plain_loop_and_draws_the_same_numbers(kind):
    if kind == "classifier":
        model, same = (init(Classifier, T=20, n_classes=3, hidden=(16,), generator=stream("init")) for _ in range(2))
        steps = train_classifier(model, DATA, SCHEDULE, LABELS, steps=6, batch_size=32, generator=stream("train"))
        loss = lambda rows, t, eps, x_t, g: -same(x_t, t).log_softmax(1)[range(32), LABELS[rows]].mean()  # noqa: E731
    else:
        y = LABELS if kind == "with labels" else None
        model, same = small(n_classes=3), small(n_classes=3)
        steps = train_denoiser(model, DATA, SCHEDULE, y, steps=6, batch_size=32, generator=stream("train"))

        def loss(rows, t, eps, x_t, g):
            eps_hat = same(x_t, t) if y is None else same(x_t, t, labels_by_hand(rows, g))
            return ((eps_hat - eps) ** 2).mean()

    losses = [record.loss for record in steps]
    assert losses == pytest.approx(by_hand(same, loss), rel=1e-4)
    assert_close(weights(model), weights(same), rtol=1e-3, atol=1e-5)  # fused and plain AdamW round differently


def test_without_labels_dropout_draws_nothing():
    a, b = small(), small()
    assert run(a) == run(b, p_uncond=0.7) and torch.equal(weights(a), weights(b))


def test_labels_that_are_always_dropped_are_no_labels():
    model, same = small(n_classes=3), small(n_classes=3)
    first = next(train_denoiser(model, DATA, SCHEDULE, LABELS, p_uncond=1, generator=stream("train")))
    assert first == next(train_denoiser(same, DATA, SCHEDULE, generator=stream("train")))
    assert torch.equal(model.net[0].weight[:, :3], same.net[0].weight[:, :3])


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


def test_one_network_learns_the_classes_and_all_of_them_together():
    # the class of a point is the point: with the label eps is known, without it the best is a scaled tanh
    data, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])
    model, ideal = small(D=1, hidden=(32, 32), n_classes=2), IdealDenoiser(data, SCHEDULE, y=y)
    list(train_denoiser(model, data, SCHEDULE, y, steps=1500, lr=1e-2, generator=stream("train")))
    rows = torch.randint(2, (1000,), generator=stream("rows"))
    t = uniform_t(20, 1000, stream("t"))
    x_t = SCHEDULE.q_sample(data[rows], t, randn(1000, 1, generator=stream("eps")))
    for label in (rows, None):
        away = (model(x_t, t, label) - ideal(x_t, t, label)).square().mean()
        # the two predictors are 0.15 apart; labels mixed up or never dropped cost more than 0.1
        assert away < 0.01
    assert (ideal(x_t, t, rows) - ideal(x_t, t)).square().mean() > 0.1


def test_a_classifier_learns_the_exact_posterior_of_a_small_problem():
    data, y = torch.tensor([[-1.0, 0], [1, 0], [1, 0.5]]), torch.tensor([0, 1, 1])  # one point in three is of class 0
    model = init(Classifier, T=20, n_classes=2, hidden=(32, 32), generator=stream("init"))
    records = list(train_classifier(model, data, SCHEDULE, y, steps=800, lr=1e-2, generator=stream("train")))
    rows, t = torch.randint(3, (4000,), generator=stream("rows")), uniform_t(20, 4000, stream("t"))
    x_t = SCHEDULE.q_sample(data[rows], t, randn(4000, 2, generator=stream("eps")))
    with torch.no_grad():
        learnt, exact = model(x_t, t).log_softmax(1), IdealDenoiser(data, SCHEDULE, y=y).log_posterior(x_t, t)
    assert (learnt.exp() - exact.exp()).abs().mean() < 0.02
    # the loss is the cross-entropy in nats: its floor on these draws, and what the last batches report
    floor = float(-exact[range(4000), y[rows]].mean())
    assert floor < float(-learnt[range(4000), y[rows]].mean()) + 0.01
    tail = sum(r.loss for r in records[-100:]) / 100
    # 4,000 draws have a standard error of about 0.008, 51,200 one of 0.002
    assert tail == pytest.approx(floor, abs=0.035) and records[0].loss > 1.7 * floor


def test_a_classifier_separates_what_can_be_separated():
    x = randn(200, 2, generator=stream("x")) * 0.1
    y = torch.arange(200) % 2
    x[:, 0] += 2.0 * y - 1
    quiet = NoiseSchedule.linear(T=20, beta_1=1e-3, beta_T=5e-3)
    model = init(Classifier, T=20, n_classes=2, hidden=(16,), generator=stream("init"))
    losses = [r.loss for r in train_classifier(model, x, quiet, y, steps=200, lr=2e-2, generator=stream("train"))]
    assert losses[0] > 0.4 and sum(losses[-20:]) / 20 < 0.05
    assert torch.equal(model(x, 1).argmax(1), y)


# Stopping early


def usable(model):
    out = model(torch.ones(3, 2), 5)
    return out.isfinite().all() and weights(model).isfinite().all()


def test_a_break_leaves_the_model_of_the_steps_done():
    stopped, whole = small(), small()
    for record in train_denoiser(stopped, DATA, SCHEDULE, steps=20, batch_size=32, generator=stream("train")):
        if record.step == 7:
            break
    path = []
    for _ in train_denoiser(whole, DATA, SCHEDULE, steps=20, batch_size=32, generator=stream("train")):
        path.append(weights(whole))
    assert torch.equal(weights(stopped), path[6]) and usable(stopped)


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
            after = weights(model)
    assert torch.equal(weights(model), after) and usable(model)


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


def test_a_training_has_the_options_and_defaults_of_train_denoiser():
    options = inspect.signature(train_denoiser).parameters
    assert {f.name: f.default for f in fields(Training)} == {
        name: option.default
        for name, option in options.items()
        if option.kind is option.KEYWORD_ONLY and name != "generator"
    }
    of_classifier = inspect.signature(train_classifier).parameters
    assert {name: o.default for name, o in options.items() if name not in ("y", "p_uncond")} == {
        name: o.default for name, o in of_classifier.items() if name != "y"
    }


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(1e-9, 1e3), st.none() | st.floats(0, 1))
def test_a_training_keeps_what_makes_sense(steps, batch_size, lr, p_uncond):
    how = Training(steps=steps, batch_size=batch_size, lr=lr, p_uncond=p_uncond)
    assert (how.steps, how.batch_size, how.lr, how.p_uncond) == (steps, batch_size, lr, p_uncond)
    with pytest.raises(FrozenInstanceError):
        how.lr = 1.0


@pytest.mark.parametrize(
    ("bad", "got"),
    [
        ({"steps": 0}, "0, 512, 0.001"),
        ({"batch_size": -1}, "4000, -1, 0.001"),
        ({"lr": 0.0}, "4000, 512, 0.0"),
        ({"lr": math.nan}, "4000, 512, nan"),
        ({"lr": math.inf}, "4000, 512, inf"),
    ],
    ids=str,
)
def test_a_training_that_cannot_be_is_refused_when_it_is_made(bad, got):
    with pytest.raises(ValueError, match=f"steps and batch_size must be >= 1 and lr > 0, got {got}"):
        Training(**bad)


@pytest.mark.parametrize("p_uncond", [-0.1, 1.1, math.nan])
def test_a_training_drops_labels_with_a_probability_or_not_at_all(p_uncond):
    with pytest.raises(ValueError, match=f"p_uncond must be a probability, got {p_uncond}"):
        Training(p_uncond=p_uncond)


@pytest.mark.parametrize("x_0", [torch.zeros(0, 2), torch.zeros(5), torch.tensor([[1.0, math.nan]])])
def test_data_that_are_no_points_are_refused(x_0):
    with pytest.raises(ValueError, match=r"x_0 must be a non-empty, finite tensor of shape \(N, \.\.\.\)"):
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
    assert_close(weights(model), weights(model).double().float())


def classify(y, n_classes=3, T=20):
    return train_classifier(Classifier(T=T, n_classes=n_classes), DATA, SCHEDULE, y, generator=stream("train"))


BAD_LABELS = [LABELS[:49], LABELS[:, None], LABELS.float(), LABELS.int(), LABELS - 1, torch.tensor(0)]


@pytest.mark.parametrize("y", BAD_LABELS, ids=["too few", "a column", "floats", "int32", "negative", "one for all"])
def test_labels_that_make_no_sense_are_refused(y):
    with pytest.raises(ValueError, match="y must hold 50 labels >= 0, int64, one a point; got"):
        next(train_denoiser(small(n_classes=3), DATA, SCHEDULE, y))
    with pytest.raises(ValueError, match="y must hold 50 labels >= 0, int64, one a point; got"):
        next(classify(y))


def test_a_label_that_the_model_has_no_room_for_is_refused():
    with pytest.raises(ValueError, match="y holds the label 2, the model was built for 2 classes"):
        next(classify(LABELS, n_classes=2))
    for n_classes in (0, 2):
        with pytest.raises(ValueError, match=f"y holds the label 2, the model was built for {n_classes} classes"):
            next(train_denoiser(small(n_classes=n_classes), DATA, SCHEDULE, LABELS))


def test_fewer_labels_than_classes_are_fine():
    assert next(classify(LABELS, n_classes=9)).step == 1


def test_a_classifier_for_another_T_or_on_no_points_is_refused():
    with pytest.raises(ValueError, match="the model was built for T = 50, the schedule has T = 20"):
        next(classify(LABELS, T=50))
    with pytest.raises(ValueError, match="x_0 must be a non-empty, finite tensor"):
        next(train_classifier(Classifier(T=20), DATA[:0], SCHEDULE, LABELS[:0]))
    with pytest.raises(ValueError, match="steps and batch_size must be >= 1 and lr > 0"):
        next(train_classifier(Classifier(T=20), DATA, SCHEDULE, LABELS, steps=0))


@pytest.mark.parametrize("p_uncond", [-0.1, 1.1, math.nan])
def test_a_share_that_is_no_probability_is_refused(p_uncond):
    with pytest.raises(ValueError, match="p_uncond must be a probability, got"):
        next(train_denoiser(small(n_classes=3), DATA, SCHEDULE, LABELS, p_uncond=p_uncond))


# Denormal numbers


def smallest_left():
    return torch.tensor(1e-39).mul(1.0).item()


def test_denormals_are_flushed_inside_and_come_back():
    assert smallest_left() > 0
    with denormals_flushed():
        assert smallest_left() == 0
        with denormals_flushed():
            pass
        assert smallest_left() == 0, "an inner block ended the outer one"
    assert smallest_left() > 0
    with pytest.raises(KeyError), denormals_flushed():
        raise KeyError
    assert smallest_left() > 0
