"""What the benchmarks of chapter 13 compare: four targets on equal terms, and flows made straight in several ways."""

import flow_straight as straightening
import flow_targets as targets
import make_flow_weights
import pytest
import torch

from statesdiff.checkpoints import WEIGHTS, book_flow, load_model
from statesdiff.data import outline_points, states
from statesdiff.flow import euler_flow
from statesdiff.metrics import mean_distance
from statesdiff.rng import randn, stream
from statesdiff.samplers import last
from statesdiff.velocity import flow_time
from tests.support import parameters

# Targets


class Knows(targets.Predictor):
    """Answers what `seen` says is right for pairs that it is told."""

    def forward(self, x, clock):
        return self.answer


@pytest.mark.parametrize("target", targets.TARGETS)
def test_a_right_answer_to_any_question_is_the_right_noise(target):
    x_0, eps = states(4).x, randn(20, 2, generator=stream("eps"))
    model = Knows(target, 500)
    for t in (1, 60, 300, 500):
        times = torch.full((20,), t)
        x, clock, model.answer = model.seen(x_0, eps, times, flow_time(targets.SCHEDULE)[times].float())
        found = targets.AsNoise(model)(targets.SCHEDULE.q_sample(x_0, t, eps), torch.tensor(t))
        torch.testing.assert_close(found, eps, rtol=1e-3, atol=2e-3 if t > 1 else 0.05)
        assert x.shape == (20, 2) and (clock / 500 <= 1).all()


@pytest.mark.parametrize(("target", "t", "best"), [("noise", 0, 0), ("noise", 500, 1), ("clean point", 0, 1)])
def test_a_network_starts_from_the_best_guess_at_the_ends(target, t, best):
    model, x = targets.Predictor(target, 500), randn(5, 2, generator=stream("x"))
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        torch.testing.assert_close(model(x, torch.full((5,), t)), best * x)


@pytest.mark.parametrize("times", ["logit-normal", "low noise", "evenly"])
def test_both_clocks_are_drawn_within_their_bounds(times):
    t, s = targets.drawn(times, 4000, stream("t"))
    assert 1 <= t.min() and t.max() <= 500 and 0 <= s.min() and s.max() <= 1
    if times != "evenly":  # the same noise levels, to the nearest t
        assert (flow_time(targets.SCHEDULE)[t] - s).abs().max() < 0.01
        assert (s > 0.7).float().mean() > 0.5


@pytest.fixture
def few(monkeypatch):
    for module in (targets, straightening):
        monkeypatch.setattr(
            module, "judged", lambda x, seed: {"distance": 0.1, "coverage": 0.5, "EMD": float(x.mean())}
        )
    few_points = [(t, x[:30], e[:30]) for t, x, e in targets.truth()[:2]]
    monkeypatch.setattr(targets, "truth", lambda: few_points)
    monkeypatch.setattr(targets, "LEVELS", targets.LEVELS[:2])


@pytest.mark.parametrize("setting", [("v", "logit-normal"), ("velocity", "evenly")])
def test_a_row_is_the_same_again(few, setting):
    (row,) = targets.run(*setting, 1, 2)
    assert [row] == targets.run(*setting, 1, 2)
    assert row["target"] == setting[0] and row["excess at 8"] > 0 and row["distance (s)"] > 0.1


def test_the_floor_has_no_target(few):
    (row,) = targets.run("real", "floor", 0, 2)
    assert row["network"] == "real" and row["target"] is None and "excess at 8" not in row


# Straightening


@pytest.fixture
def quick(few, monkeypatch):
    for name, value in {"UPDATES": 3, "PAIRS": 40, "FINE": 4, "STEPS": (1, 2), "JUDGED": (1,)}.items():
        monkeypatch.setattr(straightening, name, value)
    straightening.made.cache_clear()
    yield
    straightening.made.cache_clear()


def test_every_way_has_a_row_and_no_pairing_is_cheaper_than_the_best(quick):
    for method in ("flow", "minibatch", "reflow", "one step"):
        (row,) = straightening.run(method, 0)
        assert row["method"] == method and row["batch_size"] == (256 if method == "minibatch" else 512)
        assert (
            0 < row["paired anew"] <= row["cost"] and row["straightness"] >= 0 and {"EMD 1", "distance 2"} <= set(row)
        )
    (floor,) = straightening.run("real", 0)
    assert "straightness" not in floor and floor["network"] == "real" and floor["method"] is None


def test_one_step_learns_at_the_start_alone():
    assert straightening.only_noise(5).tolist() == [0] * 5


# Weights


def test_the_tool_writes_both_flows(tmp_path):
    made = make_flow_weights.make(tmp_path, updates=2, pairs=30)
    for name, model in made.items():
        again, schedule = load_model(tmp_path / f"velocity_{name}.safetensors")
        assert torch.equal(parameters(again), parameters(model.net)) and schedule.T == 500
    assert {path.name for path in tmp_path.iterdir()} <= {path.name for path in WEIGHTS.iterdir()}


def test_the_books_flows_draw_the_states_the_straight_one_in_one_step():
    x, coast = randn(2000, 2, generator=stream("flow")), outline_points()
    floor = mean_distance(states(seed=1).x, coast)
    far = {
        (name, n): mean_distance(last(euler_flow(book_flow(name), x, steps=n)), coast) / floor
        for name, n in (("flow", 50), ("flow", 1), ("straight", 1), ("straight", 2))
    }
    assert far["flow", 50] < 1.3 and far["straight", 1] < 2.5 and far["straight", 2] < 2
    assert far["flow", 1] > 15


def test_there_are_two_flows():
    with pytest.raises(ValueError, match="'flow' or 'straight'"):
        book_flow("curved")
