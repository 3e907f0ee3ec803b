"""Students and how they are trained: the turn, the leap, a teacher that can be matched exactly, every bad input."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from statesdiff.checkpoints import book_denoiser
from statesdiff.data import states
from statesdiff.distill import consistency, distil, leap, stops_between
from statesdiff.exact import IdealDenoiser
from statesdiff.metrics import mean_distance
from statesdiff.models import Denoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.solvers import dpm_solver, euler
from statesdiff.student import Student, book_student, turn
from tests.support import small, weights

LINEAR = NoiseSchedule.linear(T=60, beta_1=1e-3, beta_T=0.15)
POINTS = torch.tensor([[1.0, 0.5], [-1.0, -0.5]])


def smooth(x, t):
    """Some predictor that depends on x and t, and has no symmetry."""
    t = torch.as_tensor(t).to(x).reshape(-1, 1)
    return torch.tanh(x * (0.4 + t / 200) + torch.tensor([0.3, -0.2]).to(x))


class Linear(nn.Module):
    """A network that can turn by any linear map, its own for each of a few times."""

    def __init__(self, times):
        super().__init__()
        self.times = torch.tensor(times)
        self.maps = nn.Parameter(torch.zeros(len(times), 2, 3))

    def forward(self, x, t):
        which = (torch.as_tensor(t).expand(len(x))[:, None] == self.times).long().argmax(1)
        return torch.einsum("bij,bj->bi", self.maps[which], torch.cat([x, torch.ones_like(x[:, :1])], 1))


def gaussian(schedule, deviation=0.5):
    """The exact predictor for N(0, deviation^2)."""

    def predictor(x, t):
        ab = schedule.alpha_bar[t].reshape(-1, 1).float()
        return (1 - ab).sqrt() * x / (ab * deviation**2 + 1 - ab)

    return predictor


# The turn and the student


@given(st.integers(1, 60), st.data())
def test_a_turn_by_v_is_a_step_of_ddim(t, data):
    s = data.draw(st.integers(0, t - 1))
    x = randn(6, 2, generator=stream("sample")).double()
    eps_hat = smooth(x, torch.tensor(t))
    x_0_hat = LINEAR.predict_x_0(x, t, eps_hat)
    v = LINEAR.alpha_bar[t].sqrt() * eps_hat - (1 - LINEAR.alpha_bar[t]).sqrt() * x_0_hat
    # the turn by the angle between the two times, and back to what turns it
    phi_t, phi_s = (LINEAR.alpha_bar[u].sqrt().arccos() for u in (t, s))
    x_s = LINEAR.q_sample(x_0_hat, s, eps_hat)
    assert_close((phi_t - phi_s).cos() * x - (phi_t - phi_s).sin() * v, x_s, rtol=1e-8, atol=1e-8)
    assert_close(turn(LINEAR, x, x_s, t, s), v, rtol=1e-6, atol=1e-6)


def test_a_turn_takes_a_time_for_each_row():
    x, x_s = randn(2, 3, 2, generator=stream("sample"))
    t, s = torch.tensor([60, 20, 5]), torch.tensor([20, 5, 0])
    many = turn(LINEAR, x, x_s, t, s)
    for i in range(3):
        assert_close(many[i : i + 1], turn(LINEAR, x[i : i + 1], x_s[i : i + 1], int(t[i]), int(s[i])))


@given(st.integers(1, 60))
def test_a_student_is_a_noise_predictor_whose_x_0_is_its_own(t):
    student, x = Student(small(T=60), LINEAR, [60, 0]), randn(5, 2, generator=stream("sample"))
    eps_hat = student(x, torch.tensor(t))
    # cos x - sin v, from which eps_hat follows by Eq. 2, and v by its definition
    assert_close(LINEAR.predict_x_0(x, t, eps_hat), student.x_0_hat(x, t), rtol=1e-3, atol=1e-3)
    v = LINEAR.alpha_bar[t].sqrt() * eps_hat - (1 - LINEAR.alpha_bar[t]).sqrt() * student.x_0_hat(x, t)
    assert_close(v.float(), student.network(x, torch.tensor(t)), rtol=1e-4, atol=1e-4)


def test_a_student_at_t_0_says_that_the_point_is_the_point():
    x = randn(5, 2, generator=stream("sample"))
    assert_close(Student(small(T=60), LINEAR, [60, 0]).x_0_hat(x, 0), x)


def test_a_student_for_another_T_or_other_times_is_refused():
    with pytest.raises(ValueError, match="the network was built for T = 10, the schedule has T = 60"):
        Student(small(T=10), LINEAR, [60, 0])
    with pytest.raises(ValueError, match="times must fall strictly from at most 60 down to 0"):
        Student(small(T=60), LINEAR, [60, 20])


# Stops and leaps


def test_stops_by_hand():
    assert stops_between([60, 20, 0], [60, 40, 20, 0]).tolist() == [[60, 40, 20], [20, 0, 0]]
    assert stops_between([60, 0], [60, 0]).tolist() == [[60, 0]]


@given(st.sets(st.integers(1, 60), min_size=2, max_size=12), st.data())
def test_stops_are_the_teachers_way_cut_in_pieces(inner, data):
    finer = [*sorted(inner, reverse=True), 0]
    chosen = data.draw(st.sets(st.sampled_from(finer[1:-1]))) if len(finer) > 2 else set()
    times = [finer[0], *sorted(chosen, reverse=True), 0]
    rows = stops_between(times, finer).tolist()
    joined = [u for row in rows for u in dict.fromkeys(row)]
    assert [row[0] for row in rows] == times[:-1] and [row[-1] for row in rows] == times[1:]
    assert list(dict.fromkeys(joined)) == finer


@pytest.mark.parametrize(
    ("times", "finer", "named"),
    [
        ([60, 30, 0], [60, 0], r"finer must have all of the student's times \[60, 30, 0\], got \[60, 0\]"),
        ([60, 0], [60, 20, 40, 0], "finer must be at least two times that fall to 0, got"),
        ([60, 0], [60, 60, 0], "finer must be at least two times that fall to 0, got"),
        ([60, 0], [60, 20], "finer must be at least two times that fall to 0, got"),
        ([60], [60, 0], r"times must be at least two times that fall to 0, got \[60\]"),
        ([20, 60, 0], [60, 20, 0], "times must be at least two times that fall to 0, got"),
        ([60, 20], [60, 20, 0], "times must be at least two times that fall to 0, got"),
    ],
)
def test_stops_that_do_not_fit_are_refused(times, finer, named):
    with pytest.raises(ValueError, match=named):
        stops_between(times, finer)


def test_a_leap_is_the_path_of_ddim_for_each_row():
    x = randn(4, 2, generator=stream("sample"))
    stops = stops_between([60, 25, 0], [60, 45, 30, 25, 10, 0])
    ends = leap(smooth, LINEAR, x, stops[[0, 1, 0, 1]])
    from_60 = list(ddim(smooth, LINEAR, x, steps=[60, 45, 30, 25, 0]))[3]
    from_25 = last(ddim(smooth, LINEAR, x, steps=[25, 10, 0]))
    assert_close(ends[[0, 2]], from_60[[0, 2]], rtol=1e-4, atol=1e-4)
    assert_close(ends[[1, 3]], from_25[[1, 3]], rtol=1e-4, atol=1e-4)


# Training


def test_a_student_that_can_learns_to_land_where_its_teacher_does():
    # for Gaussian data every step is linear in x: a network that is linear at each time can match it
    times, finer = [60, 20, 0], [*range(60, -1, -4)]
    student, teacher = Student(Linear(times[:-1]), LINEAR, times), gaussian(LINEAR)
    x_0 = 0.5 * randn(500, 2, generator=stream("data"))
    options = {"steps": 300, "batch_size": 64, "lr": 0.03, "generator": stream("train")}
    losses = [step.loss for step in distil(student, teacher, x_0, finer, **options)]
    assert losses[-1] < 1e-5 < losses[0]
    x_T = randn(50, 2, generator=stream("sample"))
    one = torch.tensor
    want = leap(teacher, LINEAR, x_T, one([finer]).expand(50, -1))
    assert_close(last(euler(student, LINEAR, x_T, grid=times)), want, rtol=0, atol=5e-3)


def test_halving_twice_is_landing_where_the_first_teacher_does():
    x_0, teacher = 0.5 * randn(500, 2, generator=stream("data")), gaussian(LINEAR)
    options = {"steps": 300, "batch_size": 128, "lr": 0.03, "generator": stream("train")}
    two = Student(Linear([60, 20]), LINEAR, [60, 20, 0])
    _ = [*distil(two, teacher, x_0, [60, 40, 20, 10, 0], **options)]
    one = Student(Linear([60]), LINEAR, [60, 0])
    _ = [*distil(one, two, x_0, two.times, **options)]
    x_T = randn(50, 2, generator=stream("sample"))
    want = last(ddim(gaussian_at(LINEAR), LINEAR, x_T, steps=[60, 40, 20, 10, 0]))
    assert_close(last(euler(one, LINEAR, x_T, grid=[60, 0])), want, rtol=0, atol=1e-2)


def gaussian_at(schedule):
    predictor = gaussian(schedule)
    return lambda x, t: predictor(x, t.expand(len(x)))


def test_a_consistent_student_maps_every_time_to_the_end_of_the_teachers_path():
    times = [60, 30, 10, 0]
    student, teacher = Student(Linear(times[:-1]), LINEAR, times), gaussian(LINEAR)
    x_0 = 0.5 * randn(500, 2, generator=stream("data"))
    options = {"steps": 700, "batch_size": 64, "lr": 0.03, "keep": 0.9, "generator": stream("train")}
    _ = [*consistency(student, teacher, x_0, times, **options)]
    x_T = randn(50, 2, generator=stream("sample"))
    path = list(ddim(gaussian_at(LINEAR), LINEAR, x_T, steps=times))
    for t, x in zip(times, path, strict=True):
        assert_close(student.x_0_hat(x, t), path[-1], rtol=0, atol=2e-2)


@pytest.mark.parametrize("train", [distil, consistency])
def test_training_yields_after_the_update_and_leaves_the_teacher_alone(train):
    network, teacher = small(T=60), small(1, T=60).requires_grad_(False)
    student, before = Student(network, LINEAR, [60, 20, 0]), weights(teacher)
    start = weights(network)
    run = train(student, teacher, POINTS, [60, 40, 20, 0], steps=3, batch_size=8, generator=stream("train"))
    first = next(run)
    assert first.step == 1 and first.loss > 0 and not torch.equal(weights(network), start)
    assert [step.step for step in run] == [2, 3] and torch.equal(weights(teacher), before)


@pytest.mark.parametrize("train", [distil, consistency])
def test_the_same_seed_trains_the_same_student(train):
    ends = []
    for _ in range(2):
        network = small(T=60)
        student = Student(network, LINEAR, [60, 20, 0])
        _ = [*train(student, smooth, POINTS, [60, 40, 20, 0], steps=3, batch_size=8, generator=stream("train"))]
        ends.append(weights(network))
    assert torch.equal(*ends)


@pytest.mark.parametrize("train", [distil, consistency])
def test_bad_input_is_refused(train):
    def student():
        return Student(small(T=60), LINEAR, [60, 20, 0])

    with pytest.raises(ValueError, match="x_0 must be a non-empty, finite tensor"):
        next(train(student(), smooth, POINTS[:0], [60, 20, 0]))
    with pytest.raises(ValueError, match="x_0 must be torch.float32"):
        next(train(student(), smooth, POINTS.double(), [60, 20, 0]))
    with pytest.raises(ValueError, match="the teacher was built for T = 10"):
        next(train(student(), small(T=10), POINTS, [60, 20, 0]))
    with pytest.raises(ValueError, match="finer must have all of the student's times"):
        next(train(student(), smooth, POINTS, [60, 0]))
    with pytest.raises(ValueError, match="steps and batch_size must be >= 1"):
        next(train(student(), smooth, POINTS, [60, 20, 0], steps=0))
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        next(train(student(), lambda x, t: x / 0 * 0, POINTS, [60, 20, 0]))


@pytest.mark.parametrize("keep", [-0.1, 1.0, 2.0])
def test_an_average_that_never_moves_is_refused(keep):
    with pytest.raises(ValueError, match=r"keep must lie in \[0, 1\)"):
        next(consistency(Student(small(T=60), LINEAR, [60, 0]), smooth, POINTS, [60, 0], keep=keep))


def test_a_continuous_map_leaves_points_between_two_points_and_the_exact_one_does_not():
    # two points, one step: the steepest turn that a network makes sends what lies between the halves in between
    ideal = IdealDenoiser(POINTS, LINEAR, jitter=0.02)
    x_T = randn(1000, 2, generator=stream("sample"))
    exact = last(ddim(ideal, LINEAR, x_T, steps=60))
    student = Student(copy.deepcopy(small(T=60, hidden=(16, 16))), LINEAR, [60, 0])
    options = {"steps": 200, "lr": 0.01, "batch_size": 256, "generator": stream("train")}
    _ = [*distil(student, ideal, POINTS, [*range(60, -1, -6)], **options)]
    learnt = last(euler(student, LINEAR, x_T, grid=[60, 0]))
    between = [float((torch.cdist(x, POINTS).amin(1) > 0.4).float().mean()) for x in (exact, learnt)]
    assert between[0] < 0.01 < 0.02 < between[1]


# The book's


@pytest.mark.parametrize("name", ["8", "4", "2", "1", "consistency"])
def test_the_books_students(name):
    student, schedule = book_student(name)
    assert schedule.T == 500 == student.T and isinstance(student.network, Denoiser)
    steps = 24 if name == "consistency" else int(name)
    assert student.times[0] == 500 and len(student.times) == steps + 1
    assert all(w.dtype == torch.float32 for w in student.parameters())
    x_T = randn(500, 2, generator=stream("sample"))
    with torch.no_grad():
        one = student.x_0_hat(x_T, 500)
    x = one if name == "consistency" else last(euler(student, schedule, x_T, grid=student.times))
    assert x.isfinite().all() and 0.8 < x.std() < 1.2


def test_four_leaps_of_the_books_student_are_nearly_as_good_as_many_steps():
    student, schedule = book_student("4")
    x = last(euler(student, schedule, randn(2000, 2, generator=stream("sample")), grid=student.times))
    many = last(dpm_solver(book_denoiser()[0], schedule, randn(2000, 2, generator=stream("sample")), steps=30))
    near, far = (mean_distance(points, states().x) for points in (many, x))
    assert near < far < 1.3 * near


def test_ten_evaluations_are_as_good_as_many():
    model, schedule = book_denoiser()
    x_T = randn(5000, 2, generator=stream("sample"))
    ten, many = (last(dpm_solver(model, schedule, x_T, steps=n)) for n in (None, 60))
    assert mean_distance(ten, states().x) == pytest.approx(mean_distance(many, states().x), rel=0.1)


def test_a_student_there_is_not_is_refused():
    with pytest.raises(ValueError, match="name must be one of 8, 4, 2, 1, consistency, got '3'"):
        book_student("3")
