"""Guidance on mixtures of Gaussians, where the guided score is known; what it leaves behind; what it refuses."""

import gc
import math
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff.exact import IdealDenoiser
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance, log_prob_gradient
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.12)
DATA = randn(40, 2, generator=stream("data"))
LABELS = torch.arange(40) % 3
IDEAL = IdealDenoiser(DATA.double(), SCHEDULE, 0.1, LABELS)
SCALES = [0.0, 0.5, 1.0, 2.5, 8.0, -1.0]


class Mixture:
    """Components N(mean_k, cov_k) of known weights and classes: the score of x_t from the densities, in float64.

    Independent of the package: gradients are written out, nothing comes from autograd or from `statesdiff.exact`.
    """

    def __init__(self, means, covs, weights, classes, schedule=SCHEDULE):
        self.means, self.covs, self.weights = (torch.tensor(v, dtype=torch.float64) for v in (means, covs, weights))
        self.classes, self.schedule, self.T = torch.tensor(classes), schedule, schedule.T

    def parts(self, x, t):
        """log(weight N(x; mean, cov)) (B, K) and its gradient (B, K, D), every component noised to time t."""
        ab = self.schedule.alpha_bar[t].reshape(-1, 1, 1, 1)  # (1, ...) or (B, ...)
        cov = ab * self.covs + (1 - ab) * torch.eye(x.shape[1], dtype=torch.float64)
        away = x.double()[:, None] - ab[..., 0].sqrt() * self.means
        pull = (torch.linalg.inv(cov) @ away[..., None])[..., 0]
        log_n = -0.5 * ((away * pull).sum(2) + torch.linalg.slogdet(2 * math.pi * cov).logabsdet)
        return log_n + self.weights.log(), -pull

    def score(self, x, t, y=None):
        """grad log p_t(x), or grad log p_t(x | y), (B, D)."""
        log_p, gradient = self.parts(x, t)
        if y is not None:
            log_p = log_p.masked_fill(self.classes != torch.as_tensor(y).reshape(-1, 1), -math.inf)
        return (log_p.softmax(1)[..., None] * gradient).sum(1)

    def log_posterior(self, x, t):
        """log p(y | x_t), (B, classes), up to what log_softmax takes away: it serves as a classifier."""
        log_p, _ = self.parts(x, t)
        return torch.stack([log_p[:, self.classes == k].logsumexp(1) for k in self.classes.unique()], dim=1).to(x)

    def __call__(self, x, t, y=None):
        noise = (1 - self.schedule.alpha_bar[t]).sqrt().reshape(-1, 1)
        return (-noise * self.score(x, t, y)).to(x)


# two classes of two components each, all different, and classes of unequal share
MIXTURE = Mixture(
    means=[[1.2, 0.4], [-0.3, 1.1], [-1.0, -0.8], [0.9, -1.3]],
    covs=[[[0.1, 0.04], [0.04, 0.05]], [[0.06, 0], [0, 0.12]], [[0.05, -0.02], [-0.02, 0.08]], [[0.03, 0], [0, 0.03]]],
    weights=[0.15, 0.05, 0.5, 0.3],
    classes=[0, 0, 1, 1],
)
CLASS_0 = (torch.tensor([0.825, 0.575]), [0.75, 0.25])  # its mean, and the shares of its two components


def points(n=20):
    return 1.5 * randn(n, 2, generator=stream("x")).double()


def classifier(n_classes=3, **options):
    return init(
        Classifier, T=100, n_classes=n_classes, hidden=(8, 8), activation="silu", **options, generator=stream("c")
    )


def conditional(n_classes=3):
    return init(Denoiser, T=100, hidden=(16, 16), n_classes=n_classes, generator=stream("init"))


def both(y, scale):
    """One small guided predictor of each kind and the predictor that each of them steers, all float32."""
    model = conditional()
    return [
        (ClassifierGuidance(model, classifier(), SCHEDULE, y, scale), model),
        (ClassifierFreeGuidance(model, y, scale), model),
    ]


# The guided score in closed form


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("t", [1, 30, 100])
def test_classifier_guidance_is_the_score_of_the_tilted_mixture(scale, t):
    x, noise = points(), math.sqrt(1 - float(SCHEDULE.alpha_bar[t]))
    for y in (0, 1):
        want = MIXTURE.score(x, t) + scale * (MIXTURE.score(x, t, y) - MIXTURE.score(x, t))
        guided = ClassifierGuidance(MIXTURE, MIXTURE.log_posterior, SCHEDULE, y, scale)
        assert_close(guided(x, t), -noise * want, rtol=1e-9, atol=1e-9)
        assert_close(ClassifierFreeGuidance(MIXTURE, y, scale)(x, t), -noise * want, rtol=1e-9, atol=1e-9)


def test_two_equal_gaussians_are_tilted_by_a_logistic_function():
    # p(y = 1 | x) = sigmoid(2 sqrt(ab) m x / v), v the variance at t; its log has the gradient 2 sqrt(ab) m / v (1 - p)
    m, var, t, scale = 0.8, 0.3, 40, 3.0
    pair = Mixture([[-m], [m]], [[[var]], [[var]]], [0.5, 0.5], [0, 1])
    x = torch.linspace(-3, 3, 25, dtype=torch.float64)[:, None]
    ab = float(SCHEDULE.alpha_bar[t])
    v, slope = ab * var + 1 - ab, 2 * math.sqrt(ab) * m / (ab * var + 1 - ab)
    score = (-x + math.sqrt(ab) * m * (slope * x / 2).tanh()) / v
    want = -math.sqrt(1 - ab) * (score + scale * slope * (-slope * x).sigmoid())
    assert_close(ClassifierGuidance(pair, pair.log_posterior, SCHEDULE, 1, scale)(x, t), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("t", [1, 5, 40, 100])
def test_both_ways_of_guiding_agree_when_all_is_exact(t):
    x = points()
    for scale in SCALES:
        for y in (0, 2, torch.arange(20) % 3):
            by_gradient = ClassifierGuidance(IDEAL, IDEAL.log_posterior, SCHEDULE, y, scale)(x, t)
            assert_close(by_gradient, ClassifierFreeGuidance(IDEAL, y, scale)(x, t), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("y", [0, 2, torch.tensor([0, 1, 2, 1, 0])])
def test_bayes_rule_makes_the_conditional_predictor(y):
    x, t = points(5), torch.tensor([1, 7, 30, 70, 100])
    guided = ClassifierGuidance(IDEAL, IDEAL.log_posterior, SCHEDULE, y, 1.0)
    assert_close(guided(x, t), IDEAL(x, t, y), rtol=1e-8, atol=1e-8)


def kinds(scale, y=0):
    return {
        "classifier": ClassifierGuidance(MIXTURE, MIXTURE.log_posterior, SCHEDULE, y, scale),
        "classifier-free": ClassifierFreeGuidance(MIXTURE, y, scale),
    }


@pytest.mark.parametrize("kind", ["classifier", "classifier-free"])
@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_sampling_recovers_the_class(kind, sampler):
    n, g = 4000, stream("sample")
    predictor, x_T = kinds(1.0)[kind], randn(n, 2, generator=g)
    path = (
        ddpm(predictor, SCHEDULE, x_T, variance="beta_tilde", generator=g)
        if sampler == "ddpm"
        else ddim(predictor, SCHEDULE, x_T, steps=100)
    )
    x = last(path)
    mean, shares = CLASS_0
    deviation = MIXTURE.means[:2] - mean.double()
    cov = sum(w * (c + d.outer(d)) for w, c, d in zip(shares, MIXTURE.covs[:2], deviation, strict=True))
    # four standard errors of 4,000 points: 0.05 for a mean of variance 0.6, about 0.04 for the covariances, 0.027 for a
    # share of 3/4. A hundred steps from N(0, I) instead of N(0.1, 0.99) add up to 0.02.
    assert_close(x.mean(0), mean, rtol=0, atol=0.07)
    assert_close(x.T.cov().double(), cov, rtol=0, atol=0.06)
    nearest = torch.cdist(x.double(), MIXTURE.means).argmin(1).bincount(minlength=4) / n
    assert_close(nearest[:2].double(), torch.tensor(shares).double(), rtol=0, atol=0.04)
    assert nearest[2:].sum() < 0.005


def test_sampling_a_label_a_row_recovers_each_class():
    y = torch.arange(4000) % 2
    for predictor in kinds(1.0, y).values():
        x = last(ddim(predictor, SCHEDULE, randn(4000, 2, generator=stream("sample")), steps=50)).double()
        found = MIXTURE.classes[torch.cdist(x, MIXTURE.means).argmin(1)]
        assert (found == y).double().mean() > 0.995
        assert_close(x[::2].mean(0), CLASS_0[0].double(), rtol=0, atol=0.09)


def test_a_larger_scale_moves_away_from_the_other_class():
    # between the two the odds p(y | x) are even: a larger scale empties that region, on the far side nothing changes
    x_T, distances = randn(1000, 2, generator=stream("sample")), []
    for scale in (0.0, 1.0, 4.0):
        x = last(ddim(kinds(scale)["classifier"], SCHEDULE, x_T, steps=50)).double()
        distances.append(float(MIXTURE.log_posterior(x, 1)[:, :2].diff(dim=1).neg().quantile(0.05)))
    assert distances[0] < 0 < distances[1] < distances[2]


# Bit for bit


@pytest.mark.parametrize("y", [1, torch.arange(6) % 3])
def test_scale_0_is_the_unguided_predictor_bit_for_bit(y):
    x = randn(6, 2, generator=stream("x"))
    for guided, predictor in both(y, 0.0):
        for t in (1, 60, torch.tensor([1, 2, 50, 99, 100, 3])):
            assert torch.equal(guided(x, t), predictor(x, t))
        for sampler in (ddpm, ddim):
            with_guidance = sampler(guided, SCHEDULE, x, generator=stream("z"))
            without = sampler(predictor, SCHEDULE, x, generator=stream("z"))
            assert all(torch.equal(a, b) for a, b in zip(with_guidance, without, strict=True))


@pytest.mark.parametrize("y", [1, torch.arange(6) % 3])
def test_scale_1_without_a_classifier_is_the_conditional_predictor_bit_for_bit(y):
    x, model = randn(6, 2, generator=stream("x")), conditional()
    guided = ClassifierFreeGuidance(model, y, 1.0)
    for t in (1, 60, 100):
        assert torch.equal(guided(x, t), model(x, t, y))
    a = ddpm(guided, SCHEDULE, x, generator=stream("z"))
    b = ddpm(lambda x, t: model(x, t, y), SCHEDULE, x, generator=stream("z"))
    assert all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


def test_at_scale_0_and_1_the_other_branch_leaves_no_rounding():
    # eps_uncond + 1 (eps_cond - eps_uncond) would be wrong in the last digits where the two are of different size
    def predictor(x, t, y=None):
        return x * (7.3 if y is None else 0.31)

    x = randn(500, 2, generator=stream("x"))
    for scale, want in ((0.0, predictor(x, 9)), (1.0, predictor(x, 9, 0))):
        assert torch.equal(ClassifierFreeGuidance(predictor, 0, scale)(x, 9), want)


def test_the_default_scale_is_bayes_rule():
    assert ClassifierGuidance(conditional(), classifier(), SCHEDULE, 1).scale == 1
    assert ClassifierFreeGuidance(conditional(), 1).scale == 1


# The convention


@given(st.floats(-2, 9), st.integers(0, 2), st.integers(1, 100))
def test_both_are_linear_in_the_scale(scale, y, t):
    x = points(4)
    for make in (
        lambda s: ClassifierGuidance(IDEAL, IDEAL.log_posterior, SCHEDULE, y, s),
        lambda s: ClassifierFreeGuidance(IDEAL, y, s),
    ):
        want = make(0.0)(x, t) + scale * (make(1.0)(x, t) - make(0.0)(x, t))
        assert_close(make(scale)(x, t), want, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("w", [-1.0, 0.0, 0.5, 3.0])
def test_scale_is_1_plus_w(w):
    # Ho & Salimans: (1 + w) eps(x, t, y) - w eps(x, t)
    x, model = randn(6, 2, generator=stream("x")), conditional()
    want = (1 + w) * model(x, 50, 2) - w * model(x, 50)
    assert_close(ClassifierFreeGuidance(model, 2, scale=1 + w)(x, 50), want)


@given(st.permutations(range(3)), st.sampled_from(SCALES), st.integers(1, 100))
def test_renaming_the_classes_renames_the_guidance(order, scale, t):
    x, order = points(6), torch.tensor(order)
    renamed = IdealDenoiser(IDEAL.data, SCHEDULE, 0.1, order[LABELS])
    y = torch.arange(6) % 3
    a = ClassifierGuidance(renamed, renamed.log_posterior, SCHEDULE, order[y], scale)(x, t)
    b = ClassifierGuidance(IDEAL, IDEAL.log_posterior, SCHEDULE, y, scale)(x, t)
    assert_close(a, b, rtol=1e-9, atol=1e-9)
    assert_close(ClassifierFreeGuidance(renamed, order[y], scale)(x, t), ClassifierFreeGuidance(IDEAL, y, scale)(x, t))


@pytest.mark.parametrize("t", [1, 50, torch.tensor([1, 100, 50, 3, 60, 7])])
def test_a_label_a_row_gives_each_row_what_that_label_gives_alone(t):
    x, y = randn(6, 2, generator=stream("x")), torch.tensor([2, 0, 1, 1, 0, 2])
    for guided, one in zip(both(y, 1.7), zip(*(both(k, 1.7) for k in range(3)), strict=True), strict=True):
        rows = torch.stack([one[k][0](x, t)[i] for i, k in enumerate(y.tolist())])
        assert_close(guided[0](x, t), rows)
        assert not torch.allclose(guided[0](x, t), one[0][0](x, t), atol=1e-4)  # the label is seen


@pytest.mark.parametrize("y", [1, torch.tensor(1), torch.tensor([1] * 6), torch.tensor([1] * 6, dtype=torch.int32)])
def test_a_label_is_an_int_a_scalar_or_a_row(y):
    x = randn(6, 2, generator=stream("x"))
    for (guided, _), (same, _) in zip(both(y, 2.0), both(1, 2.0), strict=True):
        assert torch.equal(guided(x, 30), same(x, 30))


def test_precision_follows_x():
    for dtype in (torch.float32, torch.float64):
        model, x = conditional().to(dtype), points(3).to(dtype)
        assert ClassifierGuidance(model, classifier().to(dtype), SCHEDULE, 1)(x, 5).dtype == dtype
        assert ClassifierFreeGuidance(model, 1)(x, 5).dtype == dtype


# Gradients


WAVES = {"activation": "silu", "x_frequencies": (1.0, 4.0), "t_frequencies": (2.0,)}


@pytest.mark.parametrize("options", [{}, WAVES], ids=["plain", "waves"])
def test_the_gradient_of_a_network_is_that_of_finite_differences(options):
    net, h = init(Classifier, T=100, **options, generator=stream("c")).double(), 1e-6
    x, t, y = points(8), torch.tensor([1, 5, 20, 40, 60, 80, 99, 100]), torch.arange(8) % 5
    got = log_prob_gradient(net, x, t, y)
    for d in range(2):
        step = h * torch.eye(2, dtype=torch.float64)[d]
        up, down = (net(x + s, t).detach().log_softmax(1)[range(8), y] for s in (step, -step))
        # the difference of two numbers near 1, good to 1e-16, over 2e-6; a kink of ReLU within 1e-6 is not met here
        assert_close(got[:, d], (up - down) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("t", [1, 10, 60, 100])
def test_the_gradient_of_the_exact_classifier_is_the_exact_gradient(t):
    x = points()
    for y in (0, 1):
        want = MIXTURE.score(x, t, y) - MIXTURE.score(x, t)
        assert_close(log_prob_gradient(MIXTURE.log_posterior, x, t, y), want, rtol=1e-9, atol=1e-9)
    for y in (0, 2, torch.arange(20) % 3):
        got = log_prob_gradient(IDEAL.log_posterior, x, t, y)
        assert_close(got, IDEAL.log_posterior_gradient(x, t, y), rtol=1e-8, atol=1e-8)


def test_logits_need_no_normalising():
    x, net = points(5), classifier().double()
    shifted = log_prob_gradient(lambda x, t: net(x, t) + x.sum(1, keepdim=True) ** 2, x, 30, 1)
    assert_close(shifted, log_prob_gradient(net, x, 30, 1), rtol=1e-9, atol=1e-9)


def test_the_gradients_of_all_classes_average_to_nothing():
    # sum_y p(y | x) grad log p(y | x) = grad 1 = 0
    x, net = points(5), classifier().double()
    p = net(x, 30).softmax(1).detach()
    total = sum(p[:, [k]] * log_prob_gradient(net, x, 30, k) for k in range(3))
    assert_close(total, torch.zeros_like(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("enabled", [True, False])
def test_nothing_is_left_behind(enabled):
    net, x = classifier(), randn(6, 2, generator=stream("x"))
    with torch.set_grad_enabled(enabled):
        gradient = log_prob_gradient(net, x, 30, 1)
        assert torch.is_grad_enabled() is enabled
    assert gradient.abs().sum() > 0
    assert not gradient.requires_grad and gradient.grad_fn is None
    assert not x.requires_grad and x.grad is None
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_a_start_that_wants_gradients_of_its_own_is_left_alone():
    net, x = classifier(), randn(6, 2, generator=stream("x")).requires_grad_()
    gradient = log_prob_gradient(net, x, 30, 1)
    assert not gradient.requires_grad and x.grad is None and x.requires_grad


def test_who_differentiates_a_guided_predictor_means_all_of_it():
    """A divergence needs the second derivative of the classifier; without it, it would be wrong and say nothing."""
    quadratic = torch.tensor([[1.0, -2.0], [0.5, 0.3], [-1.0, 0.7]])

    def classifier(x, t):
        return (x.square() @ quadratic.T.to(x)).tanh()

    x = randn(6, 2, generator=stream("x")).double().requires_grad_()
    guided = ClassifierGuidance(lambda x, t: 0.3 * x, classifier, SCHEDULE, 1, scale=2.0)
    (slope,) = torch.autograd.grad(guided(x, 30)[:, 0].sum(), x)
    h = torch.tensor([[1e-5, 0.0]], dtype=torch.float64)
    with torch.no_grad():
        by_differences = (guided(x + h, 30) - guided(x - h, 30))[:, 0] / 2e-5
        assert not guided(x, 30).requires_grad
    torch.testing.assert_close(slope[:, 0], by_differences, rtol=1e-5, atol=1e-6)
    assert (slope[:, 0] - 0.3).abs().max() > 0.1


def test_inference_mode_is_refused():
    x = randn(6, 2, generator=stream("x"))
    with torch.inference_mode(), pytest.raises(RuntimeError, match="does not require grad"):
        log_prob_gradient(classifier(), x, 30, 1)
    with torch.inference_mode():  # no gradient, no objection
        assert ClassifierFreeGuidance(conditional(), 1)(x, 30).shape == x.shape


def tensors_alive():
    gc.collect()
    return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())


@pytest.mark.parametrize("which", [0, 1], ids=["classifier", "classifier-free"])
def test_tensors_do_not_pile_up_over_the_steps(which):
    schedule = NoiseSchedule.linear(T=100)
    path = ddpm(both(1, 2.0)[which][0], schedule, randn(6, 2, generator=stream("x")), generator=stream("z"))
    alive = []
    for k, _ in enumerate(path):  # the schedule keeps what it computes once, in the first step
        if k in (5, 95):
            alive.append(tensors_alive())
    assert alive[0] == alive[1]


class Held:
    def __init__(self, tensor):
        self.tensor = tensor


class Saved:
    """What autograd keeps for its gradients: how many tensors now, and at most."""

    def __init__(self):
        self.now = self.most = 0

    def keep(self, tensor):
        self.now += 1
        self.most = max(self.most, self.now)
        held = Held(tensor)
        weakref.finalize(held, self.let_go)
        return held

    def let_go(self):
        self.now -= 1

    def hooks(self):
        return torch.autograd.graph.saved_tensors_hooks(self.keep, lambda held: held.tensor)


def test_the_graph_of_a_step_is_gone_before_the_next():
    guided, free = (guided for guided, _ in both(1, 2.0))
    x, saved, most = randn(6, 2, generator=stream("x")), Saved(), []
    with saved.hooks():
        for _ in ddim(guided, SCHEDULE, x, steps=20):
            assert saved.now == 0
            most.append(saved.most)
        assert most[0] == 0 < most[1] == most[-1]
        saved.most = 0
        last(ddim(free, SCHEDULE, x, steps=20))
        assert saved.most == 0  # without a classifier there is no graph at all


# Arguments


@pytest.mark.parametrize("scale", [math.nan, math.inf, -math.inf])
def test_a_scale_that_is_no_number_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be a finite number, got"):
        ClassifierGuidance(conditional(), classifier(), SCHEDULE, 1, scale)
    with pytest.raises(ValueError, match="scale must be a finite number, got"):
        ClassifierFreeGuidance(conditional(), 1, scale)


def test_parts_of_another_clock_are_refused():
    other = NoiseSchedule.linear(T=50)
    with pytest.raises(ValueError, match="the predictor was built for T = 100, the schedule has T = 50"):
        ClassifierGuidance(conditional(), Classifier(T=50), other, 1)
    with pytest.raises(ValueError, match="the classifier was built for T = 100, the schedule has T = 50"):
        ClassifierGuidance(Denoiser(T=50), classifier(), other, 1)
    for guided, _ in both(1, 1.0):
        with pytest.raises(ValueError, match="the predictor was built for T = 100, the schedule has T = 50"):
            next(ddim(guided, other, torch.zeros(1, 2)))


def test_a_function_without_a_clock_can_be_guided():
    def predictor(x, t, y=None):
        return x * (0.1 if y is None else 0.3)

    x = randn(4, 2, generator=stream("x"))
    assert_close(ClassifierFreeGuidance(predictor, 0, 3.0)(x, 5), 0.7 * x)
    assert len(list(ddim(ClassifierFreeGuidance(predictor, 0, 3.0), SCHEDULE, x, steps=4))) == 5
    assert len(list(ddim(ClassifierGuidance(predictor, lambda x, t: x, SCHEDULE, 0), SCHEDULE, x, steps=4))) == 5


@pytest.mark.parametrize("y", [3, -1, torch.tensor([0, 1, 3, 0, 0, 0])])
def test_a_class_that_does_not_exist_is_refused(y):
    x = torch.zeros(6, 2)
    with pytest.raises(ValueError, match=r"y must lie in 0\.\.2, got"):
        ClassifierGuidance(conditional(), classifier(), SCHEDULE, y)(x, 1)
    with pytest.raises(ValueError, match=r"y must lie in (-1|0)\.\.2, got"):
        ClassifierFreeGuidance(IDEAL, y)(x.double(), 1)


@pytest.mark.parametrize("y", [torch.zeros(5, dtype=torch.int64), torch.zeros(6, 1, dtype=torch.int64)])
def test_labels_that_do_not_match_the_rows_are_refused(y):
    for guided, _ in both(y, 1.0):
        with pytest.raises(ValueError, match="one entry for each of the 6 rows"):
            guided(torch.zeros(6, 2), 1)


@pytest.mark.parametrize("y", [0.0, torch.zeros(6), True])
def test_a_label_that_is_no_integer_is_refused(y):
    for guided, _ in both(y, 1.0):
        with pytest.raises(TypeError, match="y must be an integer"):
            guided(torch.zeros(6, 2), 1)


def test_a_denoiser_that_knows_no_classes_cannot_be_guided_without_a_classifier():
    with pytest.raises(ValueError, match="built without classes"):
        ClassifierFreeGuidance(conditional(n_classes=0), 1)(torch.zeros(6, 2), 1)
