"""The U-Net is a noise predictor like any other: its shapes, what it may be told, and what it predicts inside."""

import pytest
import torch

from statesdiff.checkpoints import load_model, save_model
from statesdiff.guidance import ClassifierFreeGuidance
from statesdiff.images.pretrained import fashion_unet, save_unet
from statesdiff.images.unet import UNet
from statesdiff.models import init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

T = 20


@pytest.fixture(scope="module")
def net() -> UNet:
    made = init(UNet, T=T, channels=8, generator=stream("init"))
    with torch.no_grad():  # as it is made it says v = 0 whatever it sees
        for weight in made.parameters():
            weight.add_(0.05 * randn(*weight.shape, generator=stream(str(tuple(weight.shape)))))
    return made


@pytest.fixture(scope="module")
def x_t() -> torch.Tensor:
    return randn(3, 1, 28, 28, generator=stream("x"))


def test_the_noise_is_what_v_says(net, x_t):
    t, y = torch.tensor([1, 7, T]), torch.tensor([0, -1, 9])
    alpha_bar = NoiseSchedule.cosine(T).alpha_bar[t].float()[:, None, None, None]
    v = net.velocity(x_t, t, y)
    expected = alpha_bar.sqrt() * v + (1 - alpha_bar).sqrt() * x_t
    torch.testing.assert_close(net(x_t, t, y), expected)
    # v of the truth gives the noise of the truth
    x_0, eps = x_t, randn(3, 1, 28, 28, generator=stream("eps"))
    noisy = NoiseSchedule.cosine(T).q_sample(x_0, t, eps)
    true_v = alpha_bar.sqrt() * eps - (1 - alpha_bar).sqrt() * x_0
    torch.testing.assert_close(alpha_bar.sqrt() * true_v + (1 - alpha_bar).sqrt() * noisy, eps, atol=1e-5, rtol=1e-5)


def test_no_label_is_a_label_left_out_and_rows_do_not_mix(net, x_t):
    torch.testing.assert_close(net(x_t, 5), net(x_t, torch.tensor([5, 5, 5]), torch.tensor([-1, -1, -1])))
    together, alone = net(x_t, 5, torch.tensor([1, 2, 3])), net(x_t[1:2], 5, 2)
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(net(x_t, 5, 1), net(x_t, 5, 2)) and not torch.allclose(net(x_t, 5), net(x_t, 6))


@pytest.mark.parametrize(
    ("x", "t", "y", "said"),
    [
        (torch.zeros(2, 784), 1, None, r"x_t must have shape \(B, 1, 28, 28\), got \(2, 784\)"),
        (torch.zeros(2, 1, 28, 28).double(), 1, None, "x_t must be torch.float32"),
        (torch.zeros(2, 1, 28, 28), T + 1, None, "t must lie in 0..20"),
        (torch.zeros(2, 1, 28, 28), 1, 10, "y must lie in -1..9"),
    ],
)
def test_what_it_cannot_take(net, x, t, y, said):
    with pytest.raises(ValueError, match=said):
        net(x, t, y)


def test_a_network_without_classes_takes_no_label(x_t):
    with pytest.raises(ValueError, match="without classes"):
        UNet(T=T, channels=8, n_classes=0)(x_t, 1, 0)


def test_samplers_and_guidance_of_the_book_take_it(net):
    schedule, x_T = NoiseSchedule.cosine(T), randn(2, 1, 28, 28, generator=stream("x_T"))
    plain = last(ddim(net, schedule, x_T, steps=4))
    guided = last(ddim(ClassifierFreeGuidance(net, 3, 1.5), schedule, x_T, steps=4))
    assert plain.shape == guided.shape == x_T.shape and not torch.equal(plain, guided)
    assert last(ddpm(net, schedule, x_T, generator=stream("noise"))).isfinite().all()
    one = last(ddim(ClassifierFreeGuidance(net, 3, 1.0), schedule, x_T, steps=4))
    torch.testing.assert_close(one, last(ddim(lambda x, t: net(x, t, 3), schedule, x_T, steps=4)))


def test_ddim_through_the_unet_is_that_of_diffusers(net):
    diffusers = pytest.importorskip("diffusers")
    schedule, x = NoiseSchedule.cosine(T), randn(2, 1, 28, 28, generator=stream("x_T"))
    theirs = diffusers.DDIMScheduler(
        T, trained_betas=schedule.beta[1:].float().numpy(), clip_sample=False, set_alpha_to_one=True
    )
    theirs.set_timesteps(T)
    ours = last(ddim(net, schedule, x, steps=T))
    for t in theirs.timesteps:
        with torch.no_grad():
            x = theirs.step(net(x, int(t) + 1), t, x, eta=0.0).prev_sample
    torch.testing.assert_close(ours, x, atol=2e-3, rtol=2e-3)


def test_a_checkpoint_keeps_it(net, x_t, tmp_path):
    again, schedule = load_model(save_model(tmp_path / "u.safetensors", net, NoiseSchedule.cosine(T)), UNet)
    assert schedule.T == T and torch.equal(again(x_t, 3, 1), net(x_t, 3, 1))


def test_sixteen_bits_change_little(net, x_t, tmp_path):
    again, _ = fashion_unet(save_unet(tmp_path / "u.safetensors", net, {"data": "noise"}))
    assert next(again.parameters()).dtype == torch.float32
    torch.testing.assert_close(again(x_t, 3, 1), net(x_t, 3, 1), atol=0.02, rtol=0.02)
    assert (tmp_path / "u.safetensors").stat().st_size < 2.2 * sum(p.numel() for p in net.parameters()) + 20_000
