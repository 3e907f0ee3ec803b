"""The benchmarks that follow the source documents, small: what they run, what they measure, what a stop loses."""

import ast
import importlib
import json
import math
import re

import any_shape
import guided_conditional as claims
import pandas as pd
import pytest
import runs
import torch

from statesdiff.ablations.toys import points
from statesdiff.data import states
from tests.test_book import ROOT

# Runs


def squares(name: str, n: int) -> list[dict]:
    """A run that fails for n = 3."""
    return [{"name": name, "square": n * n, "inverse": 1 / (n - 3)}]


def test_what_is_finished_stays_and_only_the_rest_is_made(tmp_path):
    keys = [("a", 1), ("a", 3), ("b", 2)]
    with pytest.raises(ZeroDivisionError):
        runs.run_all(squares, keys[:2], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a-1.json"]
    for n in (1, 3):  # what lies there is believed
        kept = json.dumps([{"name": "kept", "square": n}, {"name": "too", "square": n}])
        (tmp_path / f"a-{n}.json").write_text(kept, encoding="utf-8")
    rows = runs.run_all(squares, keys, tmp_path)
    assert [row["name"] for row in rows] == ["kept", "too", "kept", "too", "b"] and rows[-1]["square"] == 4


def test_of_a_tenth_of_real_points_the_numbers_of_each_state_vary_as_those_of_samples():
    y = torch.arange(5).repeat_interleave(2000)
    found = torch.stack([runs.tenth(torch.stack([y, torch.arange(10_000)], 1), seed) for seed in range(60)])
    assert found.shape == (60, 1000, 2) and all(len(x[:, 1].unique()) == 1000 for x in found)
    counts = (found[:, :, 0] == 0).sum(1).double()
    spread = (1000 * 0.2 * 0.8) ** 0.5  # binomial; a tenth of a set has 0.95 of it
    assert counts.mean() == pytest.approx(200, abs=4 * spread / 60**0.5) and 0.7 * spread < counts.std() < 1.25 * spread


@pytest.mark.parametrize("name", ["any_shape", "few_steps", "flow_targets", "flow_straight", "regularisation"])
def test_floors_of_points_of_all_states_are_drawn_so(monkeypatch, few_points, name):
    module, drew = importlib.import_module(f"benchmarks.{name}"), []

    def tenth(pool, seed):
        drew.append(len(pool))
        return runs.tenth(pool, seed)

    monkeypatch.setattr(module, "tenth", tenth)
    if name == "few_steps":
        monkeypatch.setattr(module, "SOLVED", [])
        monkeypatch.setattr(module, "solve", lambda *_: states(1000).x)
    real = {
        "any_shape": lambda: module.make(2, 0, 1),
        "few_steps": lambda: [*module._solved(None, 0)],
        "flow_targets": lambda: module.run("real", "floor", 0, 0),
        "flow_straight": lambda: module.run("real", 0),
        "regularisation": lambda: [module.run(60, "real", 0)],
    }[name]()[-1]
    assert len(drew) == 1 and real["network"] == "real"


# Any shape


@pytest.fixture
def few_points(monkeypatch):
    monkeypatch.setattr(any_shape, "N", 50)
    monkeypatch.setattr(any_shape, "T", 10)


def test_a_seed_of_any_shape_has_a_row_for_each_way(few_points):
    rows = pd.DataFrame(any_shape.make(5, seed=1, steps=2)).set_index("network")
    assert list(rows.index) == ["exact", "fourier", "real"] and set(rows.D) == {5} and set(rows["T"]) == {10}
    assert rows.loc["real", "distance"] < 0.02
    assert rows.loc["real", "deviation of the others"] == pytest.approx(0.1, rel=4 / math.sqrt(2 * 150))
    # two steps teach nothing: what comes out is noise, in the units of the data again
    assert rows.loc["fourier", "distance"] > 5 * rows.loc["exact", "distance"]
    assert rows.loc["fourier", "coverage"] < rows.loc["real", "coverage"] / 5  # fifty points cover a fifth at best
    assert rows.loc["fourier", "EMD in D"] > 2 * rows.loc["real", "EMD in D"]
    pd.testing.assert_frame_equal(rows, pd.DataFrame(any_shape.make(5, seed=1, steps=2)).set_index("network"))


# Guided and conditional


def test_every_way_to_ask_for_a_class_has_a_row(monkeypatch):
    monkeypatch.setattr(claims, "N", 20)
    monkeypatch.setattr(claims, "STEPS", 3)
    rows = pd.DataFrame(claims.make("moons", seed=0, updates=3)).set_index("network")
    ways = ["conditional", "guided 3", "guided 5", "classifier 1"]
    assert list(rows.index) == [*ways, "two halves", "short conditional", "short classifier", "real"]
    assert not rows.isna().any(axis=None)
    pd.testing.assert_frame_equal(rows, pd.DataFrame(claims.make("moons", seed=0, updates=3)).set_index("network"))


def test_guidance_of_scale_one_that_were_something_else_would_be_seen(monkeypatch):
    monkeypatch.setattr(claims, "N", 5)
    monkeypatch.setattr(claims, "STEPS", 2)
    monkeypatch.setattr(claims, "ClassifierFreeGuidance", lambda model, y, scale=1.0: lambda x_t, t: model(x_t, t))
    with pytest.raises(AssertionError, match="guidance of scale 1 differs from the conditional network: moons, seed 0"):
        claims.make("moons", seed=0, updates=1)


def test_budgets_are_as_the_rows_say(monkeypatch):
    trained = []

    def record(kind, known, seed, steps):
        trained.append((kind, steps))
        return lambda *a, **k: None

    monkeypatch.setattr(claims, "trained", record)
    known = points("moons")
    names = [name for name, _ in claims.predictors(known, torch.zeros(4, dtype=torch.int64), 0, 100)]
    assert len(names) == len(set(names)) == 7
    assert trained[:3] == [("told", 100), ("untold", 100), ("classifier", 100)]
    assert trained[3:] == [("untold", 50), ("classifier", 50), ("told", 10), ("classifier", 10)]


@pytest.mark.parametrize("data", ["blobs", "helix"])
def test_real_points_are_judged_as_real(data):
    known = points(data)
    y = torch.arange(2).repeat_interleave(claims.N)
    x = torch.cat([claims.fresh(data, 77, k) for k in range(2)])
    assert x.shape[0] == 2 * claims.N
    found = claims.judge(x, y, known, seed=3)
    assert found["accuracy"] > {"blobs": 0.9, "helix": 0.75}[data]  # classes overlap, the helix' by chance
    assert found["coverage"] == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / claims.N))
    assert found["spread"] == pytest.approx(1, abs=0.12)
    swapped = claims.judge(x.flip(0), y, known, seed=3)
    assert swapped["accuracy"] < 0.3 and swapped["EMD"] > found["EMD"]
    narrow = claims.judge(0.5 * (x - x.mean(0)) + x.mean(0), y, known, seed=3)
    assert narrow["spread"] == pytest.approx(0.5 * found["spread"], rel=0.05) and narrow["coverage"] < 0.7


# How they are called


def test_a_line_of_a_docstring_holds_one_command():
    programs = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py")]
    said = [(path, ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "") for path in programs]
    lines = [(path.name, line) for path, text in said for line in text.splitlines()]
    assert sum(bool(re.match(r"\s*python \S+\.py", line)) for _, line in lines) > 20
    assert not [pair for pair in lines if re.search(r"\b(python|pip install) .*\S.* python \S+\.py", pair[1])]
