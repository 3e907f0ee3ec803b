"""The page about larger pictures: its lines run, its numbers are the benchmark's, and what it says is tested is."""

import json
import re

import pictures_speed
import pytest
import torch

from statesdiff.images.garments import garments
from statesdiff.images.parallel import ParallelTraining
from statesdiff.images.pretrained import fashion_unet
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddpm, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.solvers import dpm_solver
from tests.images.test_parallel import TOLERANCE, UPDATES
from tests.test_book import ROOT

PAGE = (ROOT / "book" / "larger.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_lines_that_load_our_schedule_into_diffusers():
    pytest.importorskip("diffusers")
    names: dict = {}
    for block in blocks("python"):
        exec(compile(block, "larger.md", "exec"), names)
    torch.testing.assert_close(names["x"], names["ours"], atol=0.01, rtol=0)
    assert "to within 0.01 in every pixel" in PAGE
    assert names["theirs"].timesteps.tolist() == [t - 1 for t in range(1000, 0, -50)]


def test_multistep_sampling_through_the_unet_is_that_of_diffusers():
    diffusers = pytest.importorskip("diffusers")
    net, schedule = fashion_unet()
    net, x = net.requires_grad_(False), randn(2, 1, 28, 28, generator=stream("x_T"))
    betas = {"trained_betas": schedule.beta[1:].float().numpy(), "timestep_spacing": "trailing"}
    theirs = diffusers.DPMSolverMultistepScheduler(1000, **betas, solver_order=2, final_sigmas_type="zero")
    theirs.set_timesteps(10)
    ours = last(dpm_solver(net, schedule, x, steps=10, grid="uniform", order=2))
    for t in theirs.timesteps:
        x = theirs.step(net(x, int(t) + 1), t, x).prev_sample
    torch.testing.assert_close(ours, x, atol=0.02, rtol=0)


def test_ancestral_sampling_through_the_unet_is_that_of_diffusers():
    """The last six of the thousand steps, with the same noise in both."""
    diffusers = pytest.importorskip("diffusers")
    net, schedule = fashion_unet()
    net.requires_grad_(False)
    short = NoiseSchedule(schedule.beta[:7])
    x = short.q_sample(garments("test").x[:2], 6, randn(2, 1, 28, 28, generator=stream("eps")))
    ours = last(ddpm(lambda x_t, t: net(x_t, t), short, x, variance="beta_tilde", generator=stream("noise")))
    betas = short.beta[1:].float().numpy()
    theirs = diffusers.DDPMScheduler(6, trained_betas=betas, clip_sample=False, variance_type="fixed_small")
    theirs.set_timesteps(6)
    generator = stream("noise")
    for t in theirs.timesteps:
        x = theirs.step(net(x, int(t) + 1), t, x, generator=generator).prev_sample
    torch.testing.assert_close(ours, x, atol=1e-3, rtol=1e-3)  # their alphas are float32


def test_the_figures_are_those_of_the_benchmark():
    kept = json.loads(pictures_speed.RESULT.read_text(encoding="utf-8"))
    rows = dict(re.findall(r"^\| (?!\|)([^|]+?) \| ([^|]+?) \|$", PAGE.partition("<!-- speed -->")[2], flags=re.M))
    for name in ("training, images a second", "drawing, evaluations of an image a second"):
        assert rows[name] == f"about {kept[name]['by the processor']:.0f}"
    assert rows["most memory"] == f"{kept['MiB']} MiB"
    hours = [words for name, words in rows.items() if "updates of" in name]
    assert hours == [f"about {value:.1f} hours" for value in kept["hours"].values()]


def test_the_benchmark_counts_images_and_names_its_threads():
    found = pictures_speed.measure(2, batch=4, channels=8)
    assert found["training, images a second"]["by the processor"] > 0 and found["MiB"] > 100
    assert found["cores"] == 2 and found["weights"] > 10_000
    rate = found["training, images a second"]["by the processor"]
    assert found["hours"]["the book's"] == pytest.approx(30_000 * 256 / rate / 3600, rel=0.01, abs=0.01)


def test_the_tolerance_that_is_stated_is_the_one_that_is_tested():
    assert f"each to within {TOLERANCE}" in PAGE and UPDATES == 12 and "after twelve updates" in PAGE
    assert ParallelTraining.__name__ in PAGE
