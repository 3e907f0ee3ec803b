"""How labs start, run their work in a worker, stop, fail, and say so; from disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import labs
import pytest
import torch
from playwright.sync_api import Browser, Page

from tests.lab.conftest import LAB, Engine, open_page

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
