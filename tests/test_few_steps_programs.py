"""The programs behind chapter 14: what the benchmark varies, and that the students' tool goes on where it stopped."""

import math

import make_students
import pytest
import torch

from benchmarks import few_steps
from statesdiff.data import states
from statesdiff.grids import GRIDS
from statesdiff.results import floor, table
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.student import book_student
from statesdiff.training import Training, noisy_batches, uniform_t
from tests.support import small, weights


def test_edms_noise_levels_are_log_normal():
    t = few_steps.edm_t(500, 20_000, stream("train"))
    assert t.dtype == torch.int64 and 1 <= t.min() and t.max() <= 500
    log_level = few_steps.SCHEDULE.noise_level[t].log()
    # EDM's -1.2 is for data of deviation 0.5, ours have 1; the schedule ends at 12.5, which cuts less than 1%
    assert float(log_level.mean()) == pytest.approx(-1.2 + math.log(2), abs=0.03)
    assert float(log_level.std()) == pytest.approx(1.2, abs=0.05)
    wanted = -1.2 + math.log(2) + 1.2 * torch.randn(20_000, generator=stream("train"))
    away = (wanted[:, None] - few_steps.SCHEDULE.noise_level[1:].log().float()).abs()
    assert torch.equal(away.gather(1, t[:, None] - 1)[:, 0], away.amin(1))  # the nearest of all times


@pytest.mark.parametrize("name", few_steps.WEIGHTS)
def test_a_weight_changes_what_counts_and_not_how_much(name):
    model, how = small(T=500), Training(steps=1, batch_size=64, draw_t=uniform_t)
    loss = few_steps.weighted_loss(model, how, few_steps.WEIGHTS[name], 0)()
    x_t, t, eps, _ = next(noisy_batches(states().x, few_steps.SCHEDULE, None, how, generator=stream("train", 0)))
    alpha_bar = few_steps.SCHEDULE.alpha_bar[t]
    w = {"eps": torch.ones(64), "v": 1 / alpha_bar, "x_0": (1 - alpha_bar) / alpha_bar}[name].float()
    wanted = ((model(x_t, t) - eps).square().mean(1) * w).sum() / w.sum()
    torch.testing.assert_close(loss, wanted, rtol=1e-4, atol=1e-6)


def test_consistency_sampling_noises_its_answer_anew():
    student, schedule = book_student("consistency")
    x_T = randn(40, 2, generator=stream("sample"))
    one, two = few_steps.consistent(student, schedule, x_T, 2, stream("noise"))
    with torch.no_grad():
        torch.testing.assert_close(one, student.x_0_hat(x_T, 500))
        again = schedule.q_sample(one, student.times[12], randn(40, 2, generator=stream("noise")))
        torch.testing.assert_close(two, student.x_0_hat(again, student.times[12]))


def test_the_table_has_every_way_of_the_program():
    frame = table("few-steps")
    ways = {(s, g, int(n)) for s, g, n in frame[["solver", "grid", "steps"]].dropna().to_numpy()}
    assert len(few_steps.SOLVED) == len(set(few_steps.SOLVED)) and set(few_steps.SOLVED) <= ways
    counted = frame[frame.solver == "heun"]
    assert (counted.evaluations == 2 * counted.steps - 1).all()
    assert frame.groupby("seed").size().nunique() == 1 and len(floor(frame)) == frame.seed.nunique() == 6
    assert (floor(frame).strays < 1e-3).all()


def test_the_other_table_changes_one_thing_at_a_time():
    frame = table("few-steps-training")
    changes = frame[["draw", "weight", "output"]].drop_duplicates().to_numpy().tolist()
    assert sorted(map(tuple, changes)) == sorted(few_steps.CHANGES.values())
    base = few_steps.CHANGES["base"]
    assert all(sum(a != b for a, b in zip(change, base, strict=True)) <= 1 for change in changes)
    assert set(frame.grid) == set(GRIDS)


def test_the_tool_makes_what_is_not_there_and_keeps_what_is(tmp_path, capsys):
    made = {}
    for name in ("8", "4", "consistency"):
        make_students.make(name, tmp_path, steps=1)
        made[name] = weights(make_students.read(name, tmp_path).network)
    assert make_students.read("4", tmp_path).times == make_students.EIGHT[::2]
    assert (made["8"] - made["4"]).abs().max() > 0  # one step from where the teacher is
    assert "4: 1 steps in" in capsys.readouterr().out
    # 16 bits a weight
    assert make_students.file_of("8", tmp_path).stat().st_size < 90_000
    assert torch.equal(made["8"], made["8"].half().float())


def test_the_ladder_halves():
    steps = {name: len(times) - 1 for name, times in make_students.LADDER.items()}
    assert steps == {"8": 8, "4": 4, "2": 2, "1": 1}
    assert all(times[0] == 500 and times[-1] == 0 for times in make_students.LADDER.values())
    assert set(make_students.EIGHT) <= set(make_students.FINER) and NoiseSchedule.linear().T == 500
    for name, times in make_students.LADDER.items():
        assert book_student(name)[0].times == times
