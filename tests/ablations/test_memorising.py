"""The two tests of memorising: nothing to find where nothing is known by heart, and a photocopier found at once."""

import pytest
import torch

from statesdiff.ablations.memorising import TIMES, GapTest, copy_ratio
from statesdiff.ablations.toys import points
from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.intervals import interval
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear()
TRUTH = IdealDenoiser(outline_points(500), SCHEDULE, jitter=JITTER)
FRESH = points("states").fresh


def gap_test(n_train: int, seed: int = 0, n: int = 400) -> GapTest:
    train, fresh = FRESH(n_train, seed).x, FRESH(n, 100 + seed).x
    return GapTest(train, fresh, TRUTH, SCHEDULE, n=n, generator=stream("gap", seed))


def test_the_truth_has_no_gap_and_a_predictor_of_the_map_none_on_average() -> None:
    assert torch.equal(gap_test(50)(TRUTH), torch.zeros(len(TIMES)).double())

    def blurred(x_t, t):  # knows the map, badly; no point
        return 0.9 * TRUTH(x_t, t) + 0.05

    found = torch.stack([gap_test(50, seed, n=200)(blurred) for seed in range(12)])
    for gaps in found.T:
        mean, half_width, _ = interval(gaps.tolist(), level=0.999)
        assert abs(mean) < half_width < 0.03


def test_the_gap_is_the_losses_difference_less_the_truths() -> None:
    test = gap_test(30, n=60)

    def predictor(x_t, t):
        return 0.5 * x_t

    x_0 = torch.cat([FRESH(30, 0).x.repeat(2, 1), FRESH(60, 100).x])
    eps = randn(120, 2, generator=stream("gap", 0))
    for k, t in enumerate(TIMES):
        x_t = SCHEDULE.q_sample(x_0, t, eps)
        per_point = [(p(x_t, torch.tensor(t)) - eps).square().mean(1) for p in (predictor, TRUTH)]
        train, fresh = (per_point[0] - per_point[1]).double().split(60)
        assert test(predictor)[k].item() == pytest.approx((fresh.mean() - train.mean()).item(), abs=1e-9)


def test_a_photocopier_is_found_at_low_noise_where_the_plain_gap_over_all_times_is_lost() -> None:
    gaps = torch.stack([gap_test(200, seed)(IdealDenoiser(FRESH(200, seed).x, SCHEDULE)) for seed in range(5)])
    low = interval(gaps[:, 0].tolist())
    assert low.mean - low.half_width > 1  # at t = 1 it names the point
    assert gaps.mean(0)[-1].abs() < 0.05  # at t = 300 there is nothing to know by heart


def test_points_of_two_dimensions_are_not_compared_with_points_of_three() -> None:
    with pytest.raises(ValueError, match="train and fresh need one dimension, got"):
        GapTest(torch.zeros(3, 2), torch.zeros(3, 3), TRUTH, SCHEDULE)


def test_copies_have_ratio_zero_and_what_knows_no_set_has_one_on_average() -> None:
    train, unseen = FRESH(100, 0).x, [FRESH(100, seed).x for seed in range(1, 11)]
    assert copy_ratio(train[:40], train, unseen) == 0
    for blur in (0.0, 0.2):  # the blur that hides copies from a plain distance moves both alike
        ratios = []
        for seed in range(15):
            sets = [FRESH(100, 1000 + 10 * seed + k).x for k in range(6)]
            samples = FRESH(300, 5000 + seed).x
            ratios.append(copy_ratio(samples + blur * randn(300, 2, generator=stream("blur", seed)), sets[0], sets[1:]))
        mean, half_width, _ = interval(ratios, level=0.999)
        assert abs(mean - 1) < half_width < 0.1


def test_blur_hides_copies_less_than_it_moves_them() -> None:
    train, unseen = FRESH(50, 0).x, [FRESH(50, seed).x for seed in range(1, 6)]
    blurred = train.repeat(6, 1) + 0.05 * randn(300, 2, generator=stream("blur"))
    to_train = torch.cdist(blurred, train).amin(1).mean()
    others = torch.stack([torch.cdist(blurred, x).amin(1).mean() for x in unseen])
    assert copy_ratio(blurred, train, unseen) == pytest.approx((to_train / others.mean()).item(), rel=1e-4)
    assert copy_ratio(blurred, train, unseen) < 0.5


@pytest.mark.parametrize("unseen", [[], [torch.zeros(4, 2)], [torch.zeros(3, 2), torch.zeros(4, 2)]])
def test_unseen_sets_have_as_many_points(unseen: list) -> None:
    with pytest.raises(ValueError, match="unseen must hold sets of 3 points, as many as train"):
        copy_ratio(torch.zeros(5, 2), torch.zeros(3, 2), unseen)
