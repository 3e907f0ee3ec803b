"""Training of the U-Net: it learns, its state goes on as if it had never stopped, and other settings are refused."""

import pytest
import torch

from statesdiff.images import training
from statesdiff.images.training import PictureTraining, learning_rate
from statesdiff.images.unet import UNet
from statesdiff.models import init
from statesdiff.rng import stream


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(training, "BLOCK", 3)
    monkeypatch.setattr(training, "WARM_UP", 2)


def made(**changes) -> PictureTraining:
    bars = torch.zeros(8, 1, 28, 28) - 1
    for k in range(8):
        bars[k, 0, :, 3 * k : 3 * k + 3] = 1
    net = init(UNet, T=20, channels=8, generator=stream("init"))
    how = {"steps": 9, "batch_size": 4, **changes}
    return PictureTraining(net, bars, torch.arange(8), **how)


def weights(of: PictureTraining) -> list[torch.Tensor]:
    return [p.detach().clone() for net in (of.net, of.average) for p in net.parameters()]


def test_it_learns():
    of = made(steps=60)
    losses = [float(step.loss) for step in of.updates()]
    assert len(losses) == 60 and sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_a_killed_run_ends_where_one_that_was_not_killed_does(tmp_path):
    whole = made()
    for _ in whole.updates():
        pass
    killed = made()
    for step in killed.updates():
        if step.step == 3:
            killed.save(tmp_path / "state.pt")
        if step.step == 5:
            break
    again = made()
    again.load(tmp_path / "state.pt")
    assert again.done == 3 and [step.step for step in again.updates()] == [4, 5, 6, 7, 8, 9]
    assert all(torch.equal(a, b) for a, b in zip(weights(again), weights(whole), strict=True))


def test_the_average_lags_behind_the_weights():
    of = made()
    start = weights(of)
    for _ in of.updates():
        pass
    half = len(start) // 2
    moved = [float((a - b).norm()) for a, b in zip(weights(of), start, strict=True)]
    assert 0 < sum(moved[half:]) < sum(moved[:half])
    assert all(p.is_leaf and not p.requires_grad for p in of.average.parameters())  # it keeps no graph of its past


def test_a_state_is_saved_where_it_is_whole(tmp_path):
    of = made()
    for _ in zip(range(2), of.updates(), strict=False):
        pass
    with pytest.raises(ValueError, match="whole after every 3 updates, not after 2"):
        of.save(tmp_path / "state.pt")
    assert not list(tmp_path.iterdir())


def test_a_state_of_other_settings_is_refused(tmp_path):
    of = made()
    of.save(tmp_path / "state.pt")
    with pytest.raises(ValueError, match="was made with .*'lr': 0.002.*; now they are .*'lr': 0.001"):
        made(lr=1e-3).load(tmp_path / "state.pt")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", "of another kind"])
def test_a_file_that_is_no_state_is_refused(tmp_path, content):
    path = tmp_path / "state.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"settings": made().settings, "done": 3, "state": {}}, path)
    of = made()
    before = [p.clone() for p in of.average.parameters()]
    with pytest.raises(ValueError, match="state.pt is no state to go on from: remove it to begin anew"):
        of.load(path)
    assert all(torch.equal(a, b) for a, b in zip(before, of.average.parameters(), strict=True))


def test_the_rate_rises_and_falls():
    rates = [learning_rate(step, 10, 1.0) for step in range(1, 11)]
    assert rates[1] == max(rates) and rates[-1] == pytest.approx(0, abs=1e-12) and rates[0] < 0.5
