"""The benchmark of dropout and early stopping: what each arm learns from, and what it keeps."""

import pandas as pd
import pytest
import regularisation as study
import torch

from statesdiff.models import Denoiser, init
from statesdiff.rng import stream
from statesdiff.training import low_noise_t


def test_dropout_changes_a_network_in_training_only() -> None:
    plain, dropping = (init(Denoiser.fourier, generator=stream("init")) for _ in range(2))
    dropping = study.with_dropout(dropping, 0.5)
    x_t, t = torch.randn(50, 2, generator=stream("x")), torch.tensor(100)
    assert torch.equal(dropping.eval()(x_t, t), plain(x_t, t))
    assert not torch.equal(dropping.train()(x_t, t), plain(x_t, t))
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in dropping.net) == 3


def test_early_stopping_keeps_the_weights_that_did_best_on_points_not_learnt_from(monkeypatch) -> None:
    monkeypatch.setattr(study, "EVERY", 10)
    model, learnt, at = study.trained(100, "early stopping", 0, updates=60)
    everything = study.shuffled(100, 1)
    watched = everything[:20].repeat(200, 1)
    assert torch.equal(learnt, everything[20:]) and at % 10 == 0 and 10 <= at <= 60
    last = study.trained(100, "early stopping", 0, updates=at)[0]  # its last is the best so far
    assert study.loss(model, watched, low_noise_t, 0) == study.loss(last, watched, low_noise_t, 0)
    assert not model.training


def test_all_other_arms_learn_from_all_points() -> None:
    for method in ("none", "dropout"):
        model, learnt, at = study.trained(60, method, 3, updates=2)
        assert torch.equal(learnt, study.shuffled(60, 4)) and at == 2 and not model.training


def test_a_row_is_the_same_again_and_what_is_finished_is_kept(tmp_path, monkeypatch) -> None:
    row = study.run(60, "dropout", 0, updates=3, samples=80)
    assert row == study.run(60, "dropout", 0, updates=3, samples=80)
    assert row["best step"] == 3 and row["excess"] > 0 and {"EMD", "distance", "to train"} <= set(row)
    real = study.run(60, "real", 0, samples=80)
    assert real["network"] == "real" and real["distance"] < 0.03 and "excess" not in real
    (tmp_path / "60-none-0.json").write_text('{"seed": 0, "EMD": 1.5}', encoding="utf-8")
    pd.testing.assert_frame_equal(study.rows(tmp_path, 1, [(60, "none", 0)]), pd.DataFrame([{"seed": 0, "EMD": 1.5}]))


@pytest.mark.parametrize("seed", [0, 7])
def test_nobody_is_judged_by_points_that_it_learnt_from(seed: int) -> None:
    learnt, fresh = study.shuffled(250, 1 + seed), study.shuffled(4000, study.FRESH + seed)
    assert torch.cdist(learnt, fresh).min() > 0
