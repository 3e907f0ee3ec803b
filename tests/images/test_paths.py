"""There and back between images and noise, and the ways between two images."""

import math
import time

import pytest
import torch

from statesdiff.images import paths
from statesdiff.images.garments import garments, sleeves
from statesdiff.images.pretrained import fashion_unet
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.cosine(T=1000)


@pytest.fixture(scope="module")
def net():
    return fashion_unet()[0].requires_grad_(False)


def gaussian(x_t, t):
    """The exact noise predictor of data of variance 4."""
    alpha_bar = SCHEDULE.alpha_bar[int(t)].float()
    return (1 - alpha_bar).sqrt() * x_t / (4 * alpha_bar + 1 - alpha_bar)


def test_times_fall_from_T_evenly_in_the_log_snr():
    times = paths.times_down(SCHEDULE)
    assert times[:2] == [1000, 990] and times[-2:] == [1, 0] and len(times) == paths.STEPS + 1
    assert times == sorted(set(times), reverse=True)
    gaps = SCHEDULE.log_snr[times[1:-1]].diff()
    assert gaps[:10].std() / gaps[:10].mean() < 0.05  # at low noise, where times are whole, they are less even
    part = paths.times_down(SCHEDULE, 600)
    assert part[0] == 600 and set(part[1:]) < set(times)


def test_corrections_make_the_way_back_that_of_the_way_there():
    x_0, times = 2 * randn(5, 3, generator=stream("x")), paths.times_down(SCHEDULE)
    errors = []
    for corrections in (0, 1, 6):
        x_T = paths.invert(gaussian, SCHEDULE, x_0, times, corrections=corrections)
        errors.append(float((last(ddim(gaussian, SCHEDULE, x_T, steps=times)) - x_0).abs().max()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2] and errors[2] < 0.02


def test_latents_of_images_have_the_length_of_noise_and_lead_back(net):
    x_0 = garments("test").x[[0, 25, 50, 190]]
    times = paths.times_down(SCHEDULE)
    latents = paths.invert(net, SCHEDULE, x_0, times)
    assert (latents.flatten(1).norm(dim=1) / 28 - 1).abs().max() < 0.2
    again = last(ddim(net, SCHEDULE, latents, steps=times))
    assert (again - x_0).square().mean().sqrt() < 0.15
    assert torch.equal(latents, paths.invert(net, SCHEDULE, x_0, times))


def test_lines_and_arcs():
    a, b = randn(1, 784, generator=stream("a")), randn(1, 784, generator=stream("b"))
    for way in (paths.straight, paths.spherical):
        points = way(a, b)
        assert points.shape == (11, 784)
        torch.testing.assert_close(points[[0, 10]], torch.cat([a, b]))
        torch.testing.assert_close(way(b, a).flip(0), points, atol=1e-5, rtol=1e-5)
    arc, line = paths.spherical(a, b).norm(dim=1), paths.straight(a, b).norm(dim=1)
    assert arc.min() > 0.97 * min(a.norm(), b.norm()) and line[5] < 0.8 * min(a.norm(), b.norm())
    steps = paths.spherical(a / a.norm(), b / b.norm()).diff(dim=0).norm(dim=1)
    assert steps.std() / steps.mean() < 1e-3  # even steps along the arc
    torch.testing.assert_close(paths.spherical(a, a, 3), a.expand(3, 784))
    with pytest.raises(ValueError, match="opposite points"):
        paths.spherical(a, -a)


def test_ends_at_right_angles_meet_at_half_of_the_root():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    half = 3 / math.sqrt(2)
    torch.testing.assert_close(paths.spherical(a, b, 3)[1], torch.tensor([half, half]))


def test_eleven_frames_by_every_way_begin_and_end_with_the_images(net):
    a, b = garments("test").of_class(0)[6:7], garments("test").of_class(2)[7:8]
    threads = torch.get_num_threads()
    started = time.process_time()
    up = paths.times_down(SCHEDULE)
    ends = paths.invert(net, SCHEDULE, torch.cat([a, b]), up).split(1)
    frames = last(ddim(net, SCHEDULE, paths.spherical(*ends), steps=up))
    seconds = (time.process_time() - started) / min(threads, 2)
    assert seconds < 5, f"a path of eleven frames took {seconds:.1f} s on {threads} threads"
    ways = paths.ways(net, SCHEDULE, a, b, (0, 2))
    torch.testing.assert_close(ways["spherical"], frames, atol=1e-3, rtol=1e-3)
    assert list(ways) == ["pixels", "straight", "spherical", "middle", "labels"]
    for way, x in ways.items():
        assert x.shape == (paths.FRAMES, 1, 28, 28) and x.isfinite().all()
        assert (x[0] - a).square().mean().sqrt() < 0.2, way
        assert way == "labels" or (x[-1] - b).square().mean().sqrt() < 0.2, way
        assert sleeves(x[[0, -1]].clamp(-1, 1))[0] < 15 and sleeves(x[[0, -1]].clamp(-1, 1))[1] > 22, way


def test_mixed_labels_are_each_label_at_the_ends(net):
    x_t, t = randn(3, 1, 28, 28, generator=stream("x")), torch.tensor(500)
    mixed = paths.mixed(net, 0, 2, torch.tensor([0.0, 0.5, 1.0]))(x_t, t)
    first, second = net(x_t, t, 0), net(x_t, t, 2)
    torch.testing.assert_close(mixed[[0, 2]], torch.stack([first[0], second[2]]))
    torch.testing.assert_close(mixed[1], (first[1] + second[1]) / 2)
