"""Sweeps: one tidy table whatever happens on the way, be it an interrupt, a kill, a lost worker or a damaged file."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from statesdiff import results
from statesdiff.ablations import judging, sweep
from statesdiff.ablations.configs import Config, Sampling
from statesdiff.ablations.ensemble import memory, train_ensemble
from statesdiff.ablations.sweep import TOGETHER, Store, chunk_memory, grouped, train_and_evaluate, updates
from statesdiff.ablations.toys import points

ONE = Config(
    T=5, beta_1=0.05, beta_T=0.5, network="raw", hidden=(4,), n_train=64, epochs=6, samplings=(Sampling(n=1000),)
)
ENDLESS = replace(ONE, epochs=10**9)  # whoever begins to train it does not come back
FOUR = [replace(ONE, hidden=(width,)) for width in (3, 4, 5, 6)]
# A few updates in float32, stacked with others or not, and what twenty sampling steps make of them
SAME = {"rtol": 1e-3, "atol": 1e-4, "check_dtype": False}


def cheap(samples, known, train, seed):
    """Stands in for the true measures, which take half a second."""
    return {"mean": float(samples.mean()), "spread": float(samples.std())}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(judging, "evaluate", cheap)


def table(configs=(ONE,), seeds=2, **options):
    return sweep.sweep(configs, seeds, progress=False, **{"workers": 1} | options)


def trained(frame):
    """How many runs a call had to train."""
    return frame.attrs["trained"]


def files(folder):
    """The finished runs: a file that is being written, or that a kill left behind, begins with a dot."""
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def written(folder):
    """What tells a file from one that is written again in its place."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files(folder)}


# The table


def test_a_row_for_each_run_and_sampling_then_the_floors(quick):
    ways = (Sampling(n=1000), Sampling("ddim", 2, n=1500))
    configs = [replace(ONE, T=T, data=data, samplings=ways) for T in (5, 3) for data in ("helix", "moons")]
    frame = table(configs, [4, 1], workers=2)
    networks, floors = results.trained(frame), results.floor(frame)
    expected = [
        (c.T, c.data, seed, steps) for c in configs for seed in (4, 1) for steps in (c.T, 2)
    ]  # in the order given
    columns = ["T", "data", "seed", "sampling_steps"]
    assert list(networks[columns].itertuples(index=False, name=None)) == expected
    assert list(frame.index[-len(floors) :]) == list(floors.index)
    settings = [(data, n, seed) for data in ("helix", "moons") for n in (1000, 1500) for seed in (4, 1)]
    assert list(floors[["data", "n", "seed"]].itertuples(index=False, name=None)) == settings
    assert not frame[["mean", "spread"]].isna().any(axis=None) and (networks.steps == 6).all()


def test_the_measures_are_those_of_judging():
    frame = table(seeds=1)
    known, job = points("moons"), ONE.job(0)
    list(train_ensemble([job]))
    want = judging.sample_and_evaluate(job.model, job.schedule, ONE.samplings[0], known, job.x_0, 0)
    floor = judging.floor(known, ONE.samplings[0], 0)
    assert frame.loc[0, list(want)].to_dict() == pytest.approx(want, rel=1e-9)
    assert frame.loc[1, list(floor)].to_dict() == pytest.approx(floor, rel=1e-9)


def test_training_sets_drawn_anew_bring_the_gaps(quick, monkeypatch):
    monkeypatch.setattr(judging, "N_GAP", 200)
    own = replace(ONE, data="states", n_train=50, sets=3, epochs=8)
    found = table([own, replace(own, sets=None)], seeds=2)
    assert found["gap, t = 1"].notna().sum() == found["copier, t = 1"].notna().sum() == 2
    assert found["gap, t = 1"].dropna().nunique() == 2


def test_the_loss_is_the_mean_over_the_last_updates(quick, monkeypatch):
    monkeypatch.setattr(sweep, "LAST", 3)
    losses = [step[0] for step in train_ensemble([ONE.job(0)])]
    assert len(losses) == 6 and table(seeds=1).loss[0] == pytest.approx(sum(losses[-3:]) / 3, rel=1e-6)


def test_many_together_are_as_each_alone(quick):
    configs = [ONE, replace(ONE, T=9), replace(ONE, epochs=3, lr=0.01), replace(ONE, data="circles", n_train=20)]
    frame = table(configs, 3)
    runs = [(config, seed) for config in configs for seed in range(3)]
    alone = [rows[0] for run in runs for _, rows in train_and_evaluate([run])]
    measured = ["loss", "mean", "spread"]
    pd.testing.assert_frame_equal(results.trained(frame)[measured], pd.DataFrame(alone)[measured], **SAME)
    assert frame[measured].round(6).duplicated().sum() == 0  # no run stands in for another


@pytest.mark.parametrize("workers", [2, 5, None])
def test_the_number_of_threads_changes_nothing_else(quick, workers):
    before = torch.get_num_threads()
    pd.testing.assert_frame_equal(table(FOUR, 2), table(FOUR, 2, workers=workers), **SAME)
    assert torch.get_num_threads() == before


def test_what_is_asked_for_twice_is_trained_once(quick):
    frame = table([ONE, ONE, {"T": 5} | vars(ONE)], [1, 0, 1])
    assert trained(frame) == 2 and list(frame.seed) == [1, 0, 1, 0]


def test_a_network_that_diverged_has_nan_and_its_neighbour_has_not(quick, tmp_path):
    wild = replace(ONE, lr=1e30)
    for _ in range(2):  # trained, and read again
        frame = table([ONE, wild], 1, folder=tmp_path)
        assert frame["mean"].isna().tolist() == [False, True, False] and frame.loss.isna().tolist() == [
            False,
            True,
            True,
        ]
    assert table([ONE], 1)["mean"][0] == pytest.approx(frame["mean"][0], abs=1e-4)


def test_labels_and_guidance(quick, monkeypatch):
    monkeypatch.setattr(judging, "DRAWS", 2)
    ways = (Sampling(n=1000), Sampling(n=1000, guidance=2.0))
    frame = table([replace(ONE, labelled=True, samplings=ways)], 1)
    assert frame.accuracy.isna().tolist() == [True, False, True, False]
    assert frame.guidance.isna().tolist()[:2] == [True, False]


def test_the_bar_says_what_is_to_be_done_and_what_it_holds(quick, capsys):
    frame = sweep.sweep([ONE], 2, workers=1)
    err = capsys.readouterr().err
    assert "2 of 2 to train, at most " in err and "12.0/12.0" in err.replace("12.0update", "12.0")
    assert frame.attrs["memory"] == 2 * memory(ONE.job(0)) == chunk_memory([(ONE, 0), (ONE, 1)])
    assert f"{frame.attrs['memory'] / 2**20:.0f} MiB" in err


def test_the_memory_is_that_of_as_many_chunks_as_there_are_threads(quick):
    sizes = [memory(config.job(0)) for config in FOUR]
    assert table(FOUR, 1).attrs["memory"] == max(sizes)
    assert table(FOUR, 1, workers=2).attrs["memory"] == sum(sorted(sizes)[-2:])


# Points of one's own


@pytest.mark.parametrize("D", [1, 3])
def test_points_of_ones_own(tmp_path, D):
    np.save(tmp_path / "own.npy", np.random.default_rng(0).normal(size=(2500, D)))
    own = str(tmp_path / "own.npy")
    frame = table([replace(ONE, data=own)], 1, folder=tmp_path / "runs")
    assert (frame.data == own).all() and frame["EMD (total)"].gt(0).all() and len(files(tmp_path / "runs")) == 1


def test_other_points_in_the_same_file_are_another_run(tmp_path, quick):
    path, x = tmp_path / "own.npy", np.random.default_rng(0).normal(size=(2500, 2))
    found = []
    for when, content in enumerate((x, x, x**3), 1):
        np.save(path, content)
        os.utime(path, ns=(when, when))  # another time, however coarse the clock of the file system
        found.append(trained(table([replace(ONE, data=str(path))], 1, folder=tmp_path / "runs")))
    assert found == [1, 0, 1] and len(files(tmp_path / "runs")) == 2


# On disk


def test_a_second_call_trains_only_what_is_missing(quick, tmp_path):
    folder = tmp_path / "a" / "b"
    whole = table(FOUR, 2, folder=folder)
    before = written(folder)
    assert len(before) == trained(whole) == 8
    again = table(FOUR, 2, folder=str(folder))
    pd.testing.assert_frame_equal(again, whole)
    assert trained(again) == 0 and written(folder) == before
    lost = list(before)[3]
    lost.unlink()
    again = table(FOUR, 2, folder=folder)
    pd.testing.assert_frame_equal(again, whole, **SAME)
    assert trained(again) == 1 and {path for path, when in written(folder).items() if before[path] != when} == {lost}
    before = written(folder)
    more = table(FOUR, 3, folder=folder)
    new = [json.loads(path.read_text(encoding="utf-8"))["seed"] for path in written(folder).keys() - before.keys()]
    assert trained(more) == 4 and new == [2, 2, 2, 2] and before.items() <= written(folder).items()
    assert {p.suffix for p in folder.iterdir()} == {".json"}  # and nothing half written


CHANGES = {
    "data": "circles",
    "units": "standard",
    "n_train": 65,
    "schedule": "scaled_linear",
    "T": 6,
    "beta_1": 0.06,
    "beta_T": 0.6,
    "network": "fourier",
    "hidden": (4, 4),
    "activation": "silu",
    "labelled": True,
    "epochs": 7,
    "batch_size": 32,
    "lr": 0.002,
    "lr_schedule": "cosine",
    "optimiser": "adamw",
    "draw_t": "low noise",
    "average": 0.9,
    "sets": 3,
    "samplings": (Sampling(n=1001),),
}


def test_a_run_is_known_by_everything_that_makes_it(tmp_path):
    assert set(CHANGES) == set(vars(ONE))
    runs = [(ONE, 0), (ONE, 1), *((replace(ONE, **{name: value}), 0) for name, value in CHANGES.items())]
    store = Store(tmp_path)
    for i, run in enumerate(runs):
        assert run not in store
        store[run] = [{"i": i}]
    again = Store(tmp_path)
    assert all(run in again and again[run] == [{"i": i}] for i, run in enumerate(runs))


DAMAGE = {
    "half": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "bytes": lambda text: "\udcff",
    "no rows": lambda text: '{"seed": 0}',
    "rows of none": lambda text: '{"rows": null}',
    "too few rows": lambda text: '{"rows": []}',
    "other rows": lambda text: '{"rows": [3]}',
    "a list": lambda text: "[]",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_named(quick, tmp_path, damage):
    table(seeds=1, folder=tmp_path)
    (path,) = files(tmp_path)
    path.write_bytes(damage(path.read_text(encoding="utf-8")).encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=f"{path.name} is not a finished run .*: remove it to train it again"):
        table([ONE, ENDLESS], 1, folder=tmp_path)
    assert files(tmp_path) == [path]
    path.unlink()
    assert len(table(seeds=1, folder=tmp_path)) == 2


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError):
        table([ENDLESS], folder=tmp_path / "file")


# Bad configurations


BAD = {
    "config": ({"configs": [ENDLESS, {"T": 0}]}, "T must be a whole number >= 1; got 0"),
    "unknown": ({"configs": [ENDLESS, {"beta": 0.1}]}, "unknown: beta; a Config has data"),
    "file": ({"configs": [ENDLESS, {"data": "nowhere.npy"}]}, "no data file at nowhere.npy"),
    "not one": ({"configs": {"T": 3}}, "a Config is wanted, or a dictionary of data"),
    "none": ({"configs": []}, "configs must hold at least one configuration, got none"),
    "no seeds": ({"seeds": 0}, "seeds must be a number >= 1 of them or whole numbers >= 0, got 0"),
    "empty seeds": ({"seeds": []}, r"seeds must be .* got \[\]"),
    "negative seeds": ({"seeds": [0, -1]}, r"seeds must be .* got \[0, -1\]"),
    "minus seeds": ({"seeds": -2}, "seeds must be .* got -2"),
    "text seeds": ({"seeds": "12"}, "seeds must be .* got '12'"),
    "half seeds": ({"seeds": 1.5}, "seeds must be .* got 1.5"),
    "true seeds": ({"seeds": True}, "seeds must be .* got True"),
    "workers": ({"workers": 0}, "workers must be a whole number >= 1 or None, got 0"),
    "half workers": ({"workers": 1.5}, "workers must be a whole number >= 1 or None, got 1.5"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said_before_anything_is_trained_or_written(given, message, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        table(**{"configs": [ENDLESS]} | given, folder=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


# Grouping

RUNS = st.lists(
    st.tuples(st.sampled_from([(3,), (4,), (4, 4)]), st.sampled_from([16, 64]), st.integers(1, 4), st.integers(0, 30)),
    unique=True,
    max_size=60,
)


@given(RUNS, st.integers(1, 4))
@settings(max_examples=25)
def test_every_run_is_in_one_chunk_with_its_like(drawn, threads):
    runs = [(replace(ONE, hidden=h, batch_size=b, epochs=e), seed) for h, b, e, seed in drawn]
    chunks = grouped(runs, threads)
    assert Counter(run for chunk in chunks for run in chunk) == Counter(runs)
    most = min(TOGETHER, -(-len(runs) // threads))
    by_shape = {}
    for chunk in chunks:
        (shape,) = {(config.hidden, config.batch_size) for config, _ in chunk}
        assert 1 <= len(chunk) <= most
        by_shape.setdefault(shape, []).append(chunk)
    for same in by_shape.values():
        sizes = [len(chunk) for chunk in same]
        assert len(same) == -(-sum(sizes) // most)  # no more of them than are needed
        assert max(sizes) == -(-sum(sizes) // len(same))  # and the largest is no larger than it must be
        # of like length: the lengths of two chunks overlap at most at their ends
        spans = sorted((min(map(updates, chunk)), max(map(updates, chunk))) for chunk in same)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
    totals = [sum(map(updates, chunk)) for chunk in chunks]
    assert totals == sorted(totals, reverse=True)  # the longest first


@pytest.mark.parametrize(
    ("runs", "threads", "sizes"),
    [
        (0, 1, []),
        (6, 1, [6]),
        (6, 2, [3, 3]),
        (TOGETHER, 1, [TOGETHER]),
        (TOGETHER + 1, 1, [9, 8]),  # not 16 and 1, which would take as long as 16 and 16
        (2 * TOGETHER + 2, 1, [12, 12, 10]),
        (2 * TOGETHER + 2, 2, [12, 12, 10]),
    ],
)
def test_chunks_are_as_few_as_may_be_and_of_like_size(runs, threads, sizes):
    assert TOGETHER == 16
    assert [len(chunk) for chunk in grouped([(ONE, seed) for seed in range(runs)], threads)] == sizes


def test_networks_of_different_times_are_never_in_one_chunk():
    chunks = grouped([(replace(ONE, T=T), seed) for T in (5, 6) for seed in (0, 1)])
    assert sorted({config.T for config, _ in chunk} for chunk in chunks) == [{5}, {6}]


# Interrupted


def test_what_finished_unnoticed_is_kept_when_the_sweep_is_stopped(quick, monkeypatch, tmp_path):
    def interrupted(futures):
        while not all(future.done() for future in futures):
            time.sleep(0.01)
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(sweep, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        table(FOUR, 1, folder=tmp_path)
    assert len(files(tmp_path)) == 4


def test_what_was_judged_is_kept_when_judging_is_interrupted(quick, monkeypatch, tmp_path):
    def interrupted(*args, **options):
        if len(files(tmp_path)) == 2:
            raise KeyboardInterrupt
        return really(*args, **options)

    really = judging.sample_and_evaluate
    monkeypatch.setattr(judging, "sample_and_evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        table(seeds=4, folder=tmp_path)  # one chunk: all four are trained by then
    assert len(files(tmp_path)) == 2
    monkeypatch.setattr(judging, "sample_and_evaluate", really)
    resumed = table(seeds=4, folder=tmp_path)
    assert trained(resumed) == 2
    pd.testing.assert_frame_equal(resumed, table(seeds=4), **SAME)


def test_an_error_in_one_chunk_keeps_the_others_and_stops_the_rest(quick, monkeypatch, tmp_path):
    configs = [replace(c, epochs=10 - i) for i, c in enumerate(FOUR)]  # trained in this order
    third = len(configs[2].job(0).model.net[0].weight)

    def failing(model, *args, **options):
        if len(model.net[0].weight) == third:
            raise RuntimeError("out of luck")
        return really(model, *args, **options)

    really = judging.sample_and_evaluate
    monkeypatch.setattr(judging, "sample_and_evaluate", failing)
    with pytest.raises(RuntimeError, match="out of luck"):
        table(configs, 1, folder=tmp_path)
    assert len(files(tmp_path)) == 2
    monkeypatch.setattr(judging, "sample_and_evaluate", really)
    frame = table(configs, 1, folder=tmp_path)
    assert len(frame) == 5 and trained(frame) == 2


SLOW = [replace(ONE, hidden=(7,), epochs=10**7), *FOUR]
PROGRAM = """
import signal, sys, time
from statesdiff.ablations import judging
from tests.ablations.test_sweep import FOUR, SLOW, cheap
from statesdiff.ablations.sweep import sweep

def slowly(*args):
    time.sleep(0.3)
    return cheap(*args)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background starts us with it ignored
judging.evaluate = slowly
sweep(globals()[sys.argv[1]], 1, folder=sys.argv[2], workers=int(sys.argv[3]), progress=False)
"""


def stopped_when_two_are_stored(how, folder, configs, workers):
    """Run a sweep in a process of its own, send it a signal when two runs are on disk; how long it took to end."""
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, configs, str(folder), str(workers)]
    process = subprocess.Popen(command, env=env, cwd=root, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while len(files(folder)) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, process.stderr.read()
        process.send_signal(how)
        start = time.monotonic()
        _, err = process.communicate(timeout=120)
        return time.monotonic() - start, err
    finally:
        process.kill()


def test_a_killed_sweep_goes_on_where_it_was(quick, tmp_path):
    folder = tmp_path / "killed"
    stopped_when_two_are_stored(signal.SIGKILL, folder, "FOUR", 1)
    stored = len(files(folder))
    assert 2 <= stored < 4
    resumed = table(FOUR, 1, folder=folder)
    assert trained(resumed) == 4 - stored and len(files(folder)) == 4
    pd.testing.assert_frame_equal(resumed, table(FOUR, 1), **SAME)


def test_an_interrupt_ends_the_threads_and_loses_nothing_that_was_finished(quick, tmp_path):
    seconds, err = stopped_when_two_are_stored(signal.SIGINT, tmp_path, "SLOW", 2)
    assert "KeyboardInterrupt" in err and seconds < 60  # the long run had hours to go
    stored = len(files(tmp_path))
    assert 2 <= stored and trained(table(FOUR, 1, folder=tmp_path)) == 4 - stored


# Many machines


@pytest.fixture
def cluster(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(host="127.0.0.1", silence_logs=50, **options) as cluster:
        yield cluster


def killed_when_one_is_stored(cluster, folder, seen):
    """Kill a worker of the cluster as soon as something is finished; `seen` gets what was finished then."""
    deadline = time.monotonic() + 120
    while not files(folder) and time.monotonic() < deadline:
        time.sleep(0.005)
    seen.update(written(folder))
    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)


def test_a_lost_worker_loses_nothing_and_nothing_is_done_twice(cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(judging, "floor", lambda *_: {})  # these are not the workers' and take time
    configs, finished = FOUR[:3], {}
    pids = {worker.pid for worker in cluster.workers.values()}
    with cluster.get_client() as client:
        killer = threading.Thread(target=killed_when_one_is_stored, args=(cluster, tmp_path, finished))
        killer.start()
        frame = table(configs, 2, client=client, folder=tmp_path, workers=None)
        killer.join()
        stored = written(tmp_path)
        assert 0 < len(finished) < trained(frame) == len(stored) == 6
        assert finished.items() <= stored.items()  # what was finished was not done again
        assert {worker.pid for worker in cluster.workers.values()} != pids  # one was lost indeed
        again = table(configs, 2, client=client, folder=tmp_path)
    assert trained(again) == 0 and written(tmp_path) == stored
    pd.testing.assert_frame_equal(again, frame)
    pd.testing.assert_frame_equal(frame, table(configs, 2), **SAME)


def test_threads_end_with_the_sweep(quick):
    before = threading.active_count()
    table(FOUR, 1, workers=3)
    assert threading.active_count() == before
