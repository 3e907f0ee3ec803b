"""How labs start, run their work in a worker, stop, fail, and say so; from disk."""

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import labs
import pytest
import torch
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.lab.conftest import LAB, Engine, open_page
from tests.lab.playing import PATIENCE, played

FIGURE = '<div class="lab" data-lab="{}" data-state="idle" {}><img alt="A figure." src="data:image/gif;base64,'
FIGURE += 'R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="></div>'


@pytest.fixture(scope="module")
def probe_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, target = tmp_path_factory.mktemp("source") / "lab", tmp_path_factory.mktemp("probe")
    shutil.copytree(LAB, source)
    shutil.copy(Path(__file__).with_name("probe.js"), source / "labs")
    labs.write_changed(labs.static_files(source), target)
    return target


@pytest.fixture(scope="module")
def page(browser: Browser, probe_folder: Path) -> Iterator[Page]:
    body = FIGURE.format("probe", 'data-seed="3"') + FIGURE.format("unmountable", "") + FIGURE.format("unheard-of", "")
    far = '<p style="height: 5000px">Far away.</p>' + FIGURE.format("forward", "")
    page, faults = open_page(browser, probe_folder, body + far)
    page.wait_for_selector("[data-lab=probe][data-mounted]", state="attached")
    yield page
    page.close()
    assert not faults


# Workers whose jobs fail while `globalThis.broken`.
BREAKABLE = """globalThis.broken = true;
globalThis.Worker = class extends Worker {
  postMessage(q) {
    const data = { id: q.id, end: true, error: "broken on purpose" };
    if (!q.job || !globalThis.broken) super.postMessage(q);
    else setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })));
  }
};"""


@pytest.fixture
def breakable(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(reduced_motion="reduce")
    context.add_init_script(BREAKABLE)
    yield context
    context.close()


@pytest.fixture
def probe(page: Page) -> Engine:
    return Engine(page)


def state(page: Page, name: str = "probe") -> str:
    return page.locator(f"[data-lab={name}]").get_attribute("data-state")


def test_a_lab_takes_the_place_of_its_figure(page: Page) -> None:
    assert page.locator("[data-lab=probe] img").count() == 0
    assert page.locator("[data-lab=probe] [aria-live=polite]").count() == 1
    assert page.evaluate("probe.seed") == 3


@pytest.mark.parametrize("name", ["unmountable", "unheard-of"])
def test_a_lab_that_does_not_start_leaves_the_figure_and_says_so(page: Page, name: str) -> None:
    page.wait_for_selector(f"[data-lab={name}][data-state=failed]")
    assert page.locator(f"[data-lab={name}] img").count() == 1
    assert "does not start" in page.locator(f"[data-lab={name}] .lab-sentence").inner_text()


def test_a_lab_far_away_waits_until_it_comes_near(page: Page) -> None:
    assert page.locator("[data-lab=forward] canvas").count() == 0
    assert page.evaluate("!document.querySelector('script[src*=lab-states]')")
    page.locator("[data-lab=forward]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-lab=forward][data-mounted]")
    assert page.locator("[data-lab=forward] img").count() == 0


def test_a_job_reports_and_returns(probe: Engine) -> None:
    script = """async () => {
      const said = [], run = probe.run("count", { to: 5 }, { onMessage: (m) => said.push(m) });
      const during = probe.el.dataset.state;
      return [await run.done, said, during];
    }"""
    result, said, during = probe(script)
    assert result == 5 and said.tolist() == [1, 2, 3, 4] and during == "running"
    assert state(probe.page) == "done"


@pytest.mark.parametrize("job", ["endless", "stuck"])
def test_stop_always_works(probe: Engine, job: str) -> None:
    script = f"""async () => {{
      const run = probe.run("{job}");
      await new Promise((go) => setTimeout(go, 50));
      run.stop();
      return [await run.done, await probe.run("count", {{ to: 2 }}).done];
    }}"""
    assert probe(script) == [None, 2]
    assert state(probe.page) == "done"


def test_a_new_run_stops_the_one_before(probe: Engine) -> None:
    script = """async () => {
      const first = probe.run("endless"), second = probe.run("count", { to: 3 });
      return [await first.done, await second.done];
    }"""
    assert probe(script) == [None, 3]


def test_a_job_that_fails_marks_its_lab(probe: Engine) -> None:
    assert probe("() => probe.run('broken').done.catch((error) => error.message)") == "broken on purpose"
    assert state(probe.page) == "failed"
    assert probe("() => probe.run('count', { to: 1 }).done") == 1


def test_a_new_run_starts_even_if_the_one_before_does_not_stop(probe: Engine) -> None:
    script = """async () => {
      const first = probe.run("stuck"), late = new Promise((go) => setTimeout(() => go("too late"), 10_000));
      await new Promise((go) => setTimeout(go, 100));
      const second = probe.run("sample", { seed: 1, n: 2 }, { need: ["fourier"] });
      return [await first.done, (await Promise.race([second.done, late])).length];
    }"""
    assert probe(script) == [None, 4]
    assert state(probe.page) == "done"


def test_a_stopped_run_gives_nothing_even_if_it_was_about_to_end(probe: Engine) -> None:
    script = """async () => {
      const run = probe.run("count", { to: 1 });
      while (!probe.runner.current.asked) await Promise.resolve();
      run.stop();
      return run.done;
    }"""
    assert probe(script) is None


def test_a_worker_keeps_nothing_of_runs_that_are_over(probe: Engine) -> None:
    script = """async () => {
      await probe.run("count", { to: 1 }).done;
      const { worker } = probe.runner, { addEventListener: add, removeEventListener: remove } = worker, kept = [];
      worker.addEventListener = (...of) => (kept.push(of[1]), add.apply(worker, of));
      worker.removeEventListener = (...of) => (kept.splice(kept.indexOf(of[1]), 1), remove.apply(worker, of));
      for (let k = 0; k < 3; k++) await probe.run("count", { to: 2 }).done;
      Object.assign(worker, { addEventListener: add, removeEventListener: remove });
      return String(kept.length);
    }"""
    assert probe(script) == "0"


def test_a_dial_is_busy_at_a_result_while_newer_arguments_wait(probe: Engine) -> None:
    script = """async () => {
      const seen = [];
      await new Promise((enough) => {
        const onResult = (r) => { seen.push(`${r} ${dial.busy}`); if (r > 1) enough(); };
        const dial = probe.latest("count", { onResult });
        for (let to = 1; to <= 3; to++) dial({ to });
      });
      return seen;
    }"""
    assert probe(script) == ["1 true", "3 false"]


def test_a_dial_keeps_the_newest_arguments_and_drops_those_between(probe: Engine) -> None:
    script = """async () => {
      const got = [];
      await new Promise((enough) => {
        const dial = probe.latest("count", { onResult: (r) => { got.push(r); if (r === 30) enough(); } });
        for (let to = 1; to <= 30; to++) dial({ to });
      });
      return got;
    }"""
    assert probe(script).tolist() == [1, 30]


def test_the_worker_gives_the_same_points_for_the_same_seed_as_the_page(probe: Engine) -> None:
    script = """async () => {
      const job = (seed) => probe.run("sample", { seed, n: 20 }, { need: ["fourier"] }).done;
      const m = statesdiff, net = m.denoiser(await probe.load("fourier"));
      const x_T = m.stream("sample", 1).randn(40);
      const here = m.last(m.ddim(net, m.NoiseSchedule.linear(), x_T, { steps: 5 }));
      return [await job(1), await job(1), await job(2), here];
    }"""
    first, again, other, here = probe(script)
    assert torch.equal(first, again) and torch.equal(first, here) and not torch.equal(first, other)
    assert first.abs().max() < 4


# What a reader sees of a job that fails. What is pressed, and an output that is a number when it has worked.
PRESSED = [("hero", "button[name=play]", "t"), ("guidance", "input[name=scale]", "distance")]
PRESSED += [("guidance-free", "input[name=scale]", "distance"), ("inverse", "button[name=draw]", "width")]
PRESSED += [("schedule", "button[name=draw]", "miss"), ("timesteps", "button[name=draw]", "emd")]
PRESSED += [("metrics", "input[name=strength]", "emd"), ("posterior", "input[name=t]", "accuracy")]


@pytest.mark.parametrize(("name", "control", "output"), PRESSED)
def test_a_reader_is_told_of_a_job_that_fails_and_may_try_again(
    breakable: BrowserContext, folder: Path, name: str, control: str, output: str
) -> None:
    with played(breakable, folder, name) as page:
        presses = control.startswith("button")
        use = partial(page.click, control) if presses else partial(page.press, control, "ArrowRight")
        use()
        expect(page.get_by_role("alert")).to_contain_text("Try again", timeout=PATIENCE)
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "failed")
        assert "…" not in page.locator("output").all_inner_texts()
        page.evaluate("globalThis.broken = false")
        use()
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "done", timeout=PATIENCE)
        expect(page.locator(f"output[name={output}]")).to_have_text(re.compile(r"\d|∞"), timeout=PATIENCE)
        expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("name", ["latent", "posterior"])
def test_a_lab_whose_first_job_fails_is_there_all_the_same(breakable: BrowserContext, folder: Path, name: str) -> None:
    with played(breakable, folder, name) as page:
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "failed")
        expect(page.get_by_role("alert")).to_contain_text("Try again")
        assert page.locator(".lab-summary[aria-live=polite]").count() == 1


def test_what_is_awaited_in_vain_after_stop_is_awaited_no_more(breakable: BrowserContext, folder: Path) -> None:
    with played(breakable, folder, "timesteps") as page:
        page.evaluate("globalThis.broken = false")
        page.press("input[name=T]", "End")
        expect(page.locator("output[name=emd]")).to_have_text("…", timeout=PATIENCE)
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("output[name=emd]")).to_have_text("–", timeout=PATIENCE)
