"""The labs of chapters 10 and 11: kept networks and shapes trained in the page, their numbers against the package."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff import metrics
from statesdiff.ablations import memorising
from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.models import FREQUENCIES, Denoiser
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.conftest import LAB, Engine, close
from tests.lab.playing import PATIENCE, number, picture, played, save

SCHEDULE = NoiseSchedule.linear()
DATA = """const get = async (name) => statesdiff.decode(await statesdiff.loadData(name, (file) => file));
  const [states, outline, epochs] = [await get("states"), await get("outline"), await get("epochs")]; """
KEPT = json.loads((LAB / "data" / "epochs.json").read_text(encoding="utf-8"))


def kept(k: int, n: int) -> Denoiser:
    """The network that was kept at the k-th length of the n-th set."""
    model = Denoiser(**{name: value for name, value in KEPT["config"].items() if name != "kind"})
    halves = np.frombuffer((LAB / "data" / "epochs.bin").read_bytes(), dtype="<f2").astype("f4")
    size = len(halves) // (len(KEPT["sets"]) * len(KEPT["updates"]))
    at = (n * len(KEPT["updates"]) + k) * size
    torch.nn.utils.vector_to_parameters(torch.from_numpy(halves[at : at + size].copy()), model.parameters())
    return model


def test_the_kept_networks_are_small_and_as_the_package_reads_them(plain_engine: Engine) -> None:
    script = f"async (k, n) => {{ {DATA} return [epochs.weights[n][k], epochs.sets, epochs.updates]; }}"
    for k, n in ((0, 0), (4, 1)):
        weights, sets, updates = plain_engine(script, k, n)
        close(weights, torch.nn.utils.parameters_to_vector(kept(k, n).parameters()), atol=0)
    assert sets.tolist() == KEPT["sets"] and updates.tolist() == KEPT["updates"]
    assert (LAB / "data" / "epochs.bin").stat().st_size < 60_000


def test_losses_over_the_exact_ones_and_the_nearest_points(plain_engine: Engine) -> None:
    script = f"""async (k, n) => {{ {DATA}
      const {{ NoiseSchedule, denoiser, Network, IdealDenoiser, noisedAlike, lossOver, stream, JITTER }} = statesdiff;
      const schedule = NoiseSchedule.linear({{ T: 500 }}), own = statesdiff.ownPoints(states.x, 50);
      const predictor = denoiser(new Network(epochs.config).load(epochs.weights[n][k]));
      const truth = new IdealDenoiser(outline.x, schedule, {{ jitter: JITTER }});
      const noisy = noisedAlike(own, 500, schedule, stream("noise", 0));
      const unseen = [1, 2].map((k) => statesdiff.freshDraw(outline, 50, stream("unseen", k)).x);
      const samples = stream("samples", 0).randn(400);
      return {{ ...noisy, own, over: lossOver(predictor, truth, noisy), unseen, samples,
        ratio: statesdiff.nearestRatio(samples, own, unseen) }};
    }}"""
    found, model = plain_engine(script, 4, 0), kept(4, 0)
    x_t, t, eps = found["x_t"].view(-1, 2).float(), found["t"].long(), found["eps"].view(-1, 2).float()
    own = found["own"].view(-1, 2).float()
    close(own, states().x[::100], atol=1e-4)
    close(x_t, SCHEDULE.q_sample(own.repeat(10, 1), t, eps), atol=1e-5)
    truth = IdealDenoiser(outline_points(2000), SCHEDULE, jitter=JITTER)
    with torch.no_grad():
        losses = [(p(x_t, t) - eps).square().mean().item() for p in (model, truth)]
    assert found["over"] == pytest.approx(losses[0] - losses[1], abs=2e-3)
    samples, unseen = (found[name] for name in ("samples", "unseen"))
    sets = [x.view(-1, 2).float() for x in unseen]
    wanted = memorising.copy_ratio(samples.view(-1, 2).float(), own, sets)
    assert found["ratio"] == pytest.approx(wanted, rel=1e-4)


def test_losses_are_of_points_from_the_whole_set(plain_engine: Engine) -> None:
    """The data are ordered by state: the first 1,024 would be Michigan's."""
    script = f"""async () => {{ {DATA}
      const as_is = {{ T: 500, q_sample: (x_0) => x_0 }};
      return statesdiff.noisedAlike(states.x, 1024, as_is, statesdiff.stream("noise", 0)).x_t;
    }}"""
    close(plain_engine(script), states().x[torch.arange(1024) * 5000 // 1024], atol=1e-4)


def test_a_long_training_on_few_points_copies_and_one_on_many_does_not(plain_engine: Engine) -> None:
    """What the lab says of itself: on fifty points the losses part and samples gather, on 5,000 neither."""
    script = f"""async () => {{ {DATA}
      const told = (set, length) => {{
        const job = statesdiff.judgeLength({{ seed: 0, set, length }}, {{ states, outline, epochs }});
        for (let step = job.next(); ; step = job.next()) if (step.done) return step.value;
      }};
      const numbers = ({{ fresh, own, ratio, distance }}) => [fresh, own, ratio, distance];
      return [told(0, 0), told(0, 4), told(1, 4)].map(numbers);
    }}"""
    start, few, many = (row.tolist() for row in plain_engine(script))
    assert few[0] - few[1] > 0.5 and few[1] < -0.1 and few[2] < 0.5
    assert abs(many[0] - many[1]) < 0.08 and 0.9 < many[2] < 1.1 and many[0] < start[0]
    assert max(few[3], many[3]) < 0.06 < start[3]


@pytest.mark.parametrize(("depth", "width", "inputs"), [(1, 8, "raw"), (3, 24, "fourier"), (4, 128, "raw")])
def test_a_shape_has_as_many_weights_as_the_network(plain_engine: Engine, depth: int, width: int, inputs: str) -> None:
    waves = dict(zip(("x_frequencies", "t_frequencies"), FREQUENCIES, strict=True)) if inputs == "fourier" else {}
    model = Denoiser(hidden=(width,) * depth, skip=True, **waves)
    shape = {"depth": depth, "width": width, "inputs": inputs}
    script = "(shape) => [statesdiff.shapeWeights(shape), new statesdiff.Network(statesdiff.shapeConfig(shape)).count]"
    assert plain_engine(script, shape).tolist() == [sum(p.numel() for p in model.parameters())] * 2


def test_a_trained_shape_is_judged_as_the_package_judges(plain_engine: Engine) -> None:
    script = f"""async (shape) => {{ {DATA}
      const job = statesdiff.trainShape({{ ...shape, seed: 3 }}, {{ states, outline }}), seen = [];
      for (let step = job.next(); ; step = job.next()) {{
        if (step.done) return {{ ...step.value, seen }};
        if (step.value) seen.push([step.value.step, step.value.distance]);
      }}
    }}"""
    found = plain_engine(script, {"depth": 2, "width": 16, "inputs": "fourier"})
    assert found["step"] == 3000 and [int(row[0]) for row in found["seen"]] == list(range(100, 3000, 100))
    samples = found["samples"].view(-1, 2).float()
    wanted = metrics.mean_distance(samples, outline_points())
    assert found["distance"] == pytest.approx(wanted, rel=0.01)  # the lab's outline has fewer points
    shares = [metrics.coverage(samples, outline_points(2000, label=k)) for k in range(5)]
    assert found["lowest"] == pytest.approx(min(shares), abs=0.02) and len(samples) == 2000
    assert found["distance"] < 0.15 < found["seen"][0][1]


def test_the_floors_of_the_shapes_are_those_of_real_points(plain_engine: Engine) -> None:
    real = states(400, seed=9).x
    test = plain_engine("() => [statesdiff.SHAPE_TEST.coverage, statesdiff.SHAPE_TEST.floors]")
    assert metrics.mean_distance(real, outline_points()) == pytest.approx(0.013, abs=5e-4)
    assert min(metrics.coverage(real, outline_points(1000, label=k)) for k in range(5)) > 0.99
    assert test.tolist() == [0.9, 5]


# The pages


def test_a_saved_picture_tells_of_what_it_shows(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "epochs") as page:
        words = page.evaluate("""async () => {
          const written = [], { fillText } = CanvasRenderingContext2D.prototype;
          const put = (k) => {
            const slider = document.querySelector("input[name=updates]");
            slider.value = k;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
          };
          put(1);
          const lab = document.querySelector("[data-lab]");
          while (lab.dataset.state !== "done") await new Promise(requestAnimationFrame);
          CanvasRenderingContext2D.prototype.fillText = function (...of) {
            written.push(of[0]);
            return fillText.apply(this, of);
          };
          put(3); // which is being judged while the picture of the other is saved
          document.querySelector("button[name=save]").click();
          return written.filter((words) => words.includes("training points")).join();
        }""")
        assert f", {KEPT['updates'][1]} updates" in words


def test_lengths_are_gone_through(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "epochs", viewport=test_book.PHONE, has_touch=True) as page:
        lab, before = page.locator("[data-lab]"), picture(page)
        expect(lab).to_have_attribute("data-state", "idle")
        page.get_by_role("combobox", name="training points").select_option("50")
        page.get_by_role("slider", name="updates").press("End")
        expect(page.locator("output[name=ratio]")).not_to_have_text("–", timeout=PATIENCE)
        expect(lab).to_have_attribute("data-state", "done", timeout=PATIENCE)
        page.wait_for_function("Number(document.querySelector('output[name=over-own]').value) < -0.1", timeout=PATIENCE)
        assert number(page, "ratio") < 0.5 < number(page, "ratio-floor") == 1 and picture(page) != before
        assert number(page, "over-fresh") > 0.3 > number(page, "distance") > number(page, "distance-floor") == 0.013
        few = picture(page)
        page.get_by_role("button", name="New samples").tap()
        page.wait_for_function(f"document.querySelector('.lab-picture').toDataURL() !== '{few}'", timeout=PATIENCE)
        assert save(page)[:4] == b"\x89PNG"


def trains(page: Page) -> float:
    """Press Train, wait for the end, and read the distance."""
    page.get_by_role("button", name=re.compile("^Train")).tap()
    expect(page.locator("output[name=step]")).to_have_text("3000", timeout=PATIENCE)
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", "done", timeout=PATIENCE)
    return number(page, "distance")


def test_shapes_are_trained_one_after_another(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "depth", viewport=test_book.PHONE, has_touch=True) as page:
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "idle")
        assert number(page, "weights") == 27 * 16 + 16 + 16 * 16 + 16 + 16 * 2 + 2
        first = trains(page)
        expect(page.get_by_text("does not pass, ")).to_be_visible()
        assert 0.04 < first < 0.3 and number(page, "lowest") <= number(page, "lowest-floor") == 1
        page.get_by_role("combobox", name="inputs").select_option("raw")
        assert number(page, "step") == 0 and page.locator("output[name=distance]").inner_text() == "–"
        assert trains(page) > first
        page.get_by_role("slider", name="width").press("End")
        page.get_by_role("button", name="Train").tap()
        page.wait_for_function("Number(document.querySelector('output[name=step]').value) >= 100", timeout=PATIENCE)
        page.get_by_role("button", name="Stop").tap()
        assert number(page, "step") == 0
