"""The labs of chapter 14: the engine's solvers and grids against the package's, and what a reader sees who plays."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, expect

from statesdiff import solvers
from statesdiff.checkpoints import book_denoiser
from statesdiff.data import outline_points
from statesdiff.grids import times_of
from statesdiff.rng import randn, stream
from statesdiff.samplers import last
from statesdiff.schedule import NoiseSchedule
from statesdiff.student import book_student
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import number, picture, played, save
from tests.lab.test_networks import about

SCHEDULE = NoiseSchedule.linear()
START = randn(6, 2, generator=stream("start"))
MADE = "const s = statesdiff.NoiseSchedule.linear(), f = statesdiff.denoiser(network(config, weights)); "


@pytest.mark.parametrize("grid", ["uniform", "logsnr", "eased"])
def test_grids_are_the_packages(plain_engine: Engine, grid: str) -> None:
    script = "(n, grid) => statesdiff.times_of(statesdiff.NoiseSchedule.linear(), n, grid)"
    for steps in (1, 2, 3, 7, 10, 31, 120, 499, 500):
        assert plain_engine(script, steps, grid).tolist() == times_of(SCHEDULE, steps, grid), steps


@pytest.mark.parametrize("grid", ["logsnr", "eased", [500, 300, 90, 20, 4, 0]])
@pytest.mark.parametrize(("name", "order"), [("euler", 0), ("heun", 0), ("dpm_solver", 2), ("dpm_solver", 3)])
def test_solvers_step_for_step(plain_engine: Engine, name: str, order: int, grid) -> None:
    model, _ = book_denoiser("fourier")
    more = {"order": order} if order else {}
    steps = len(grid) - 1 if isinstance(grid, list) else 12
    wanted = list(getattr(solvers, name)(model, SCHEDULE, START, steps=steps, grid=grid, **more))
    script = f"""(config, weights, x_T, steps, grid, order) => {{ {MADE}
      return [...statesdiff.{name}(f, s, f32(x_T), {{ steps, grid, ...(order ? {{ order }} : {{}}) }})]; }}"""
    found = plain_engine(script, *about(model), START, steps, grid, order)
    for mine, theirs in zip(found, wanted, strict=True):
        close(mine, theirs, atol=1e-3)


def test_the_older_solver_of_the_labs_is_the_packages_of_order_2(plain_engine: Engine) -> None:
    model, _ = book_denoiser("fourier")
    for steps in (1, 6, 15):
        wanted = list(solvers.dpm_solver(model, SCHEDULE, START, steps=steps, grid="logsnr", order=2))
        script = f"""(config, weights, x_T, steps) => {{ {MADE}
          return [...statesdiff.dpmpp_2m(f, s, f32(x_T), {{ steps }})]; }}"""
        for mine, theirs in zip(plain_engine(script, *about(model), START, steps), wanted, strict=True):
            close(mine, theirs, atol=1e-3)


def test_bad_input_is_refused(plain_engine: Engine) -> None:
    script = "(call) => { try { eval(call); return ''; } catch (error) { return error.message; } }"
    schedule = "statesdiff.NoiseSchedule.linear()"
    for call, words in (
        (f"statesdiff.times_of({schedule}, 501)", "steps must lie in 1..500"),
        (f"statesdiff.times_of({schedule}, 5, 'edm')", "grid must be one of"),
        (f"[...statesdiff.dpm_solver((x) => x, {schedule}, f32([0, 0]), {{ order: 4 }})]", "order must be 2 or 3"),
    ):
        assert words in plain_engine(script, call)


def test_one_leap_is_the_students(plain_engine: Engine) -> None:
    script = """async (middle, angle) => {
      const { loadData, decode } = statesdiff, get = async (name) => decode(await loadData(name, (file) => file));
      const line = statesdiff.lineOfStarts(middle, angle), { x } = await get("outline");
      const ends = statesdiff.leapOnce(await get("leap"), statesdiff.NoiseSchedule.linear(), line);
      return { line, ends, ...statesdiff.tornOrWhole(ends, x) };
    }"""
    found = plain_engine(script, [0.2, -0.1], 0.4)
    line, student = found["line"].reshape(-1, 2).float(), book_student("1")[0]
    with torch.no_grad():
        ends = student.x_0_hat(line, 500)
    close(found["ends"], ends, atol=2e-3)
    assert found["gap"] == pytest.approx(float((ends[1:] - ends[:-1]).norm(dim=1).max()), abs=5e-3)
    sea = (torch.cdist(ends, outline_points(2000)).amin(1) > 0.08).float().mean()
    assert found["sea"] == pytest.approx(float(sea), abs=0.02)


def test_the_lab_shows_what_the_solver_misses(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "solver", viewport=test_book.PHONE) as page:
        page.wait_for_selector("[data-state=idle]")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]
        model, _ = book_denoiser("fourier")
        start = torch.tensor([[0.5, -0.15]])
        goal = last(solvers.dpm_solver(model, SCHEDULE, start, steps=120, grid="logsnr"))
        end = last(solvers.euler(model, SCHEDULE, start, steps=7))
        assert number(page, "miss") == pytest.approx(float((end - goal).norm()), abs=0.02)
        seen, first = {picture(page)}, number(page, "miss")
        page.get_by_role("combobox", name="solver").select_option("dpm_solver")
        page.get_by_role("slider", name="evaluations").press("End")
        assert number(page, "asked") == 31 and number(page, "miss") < 0.05 < 0.1 < first
        seen.add(picture(page))
        page.get_by_role("combobox", name="solver").select_option("heun")
        page.get_by_role("slider", name="evaluations").press("Home")
        assert number(page, "asked") == 1
        page.locator("canvas").focus()
        page.keyboard.press("Shift+ArrowUp")
        seen.add(picture(page))
        page.get_by_role("button", name="New start").click()
        seen.add(picture(page))
        assert len(seen) == 4
        expect(page.locator(".lab-summary")).to_contain_text("Heun with 1 evaluation ends")
        assert save(page)[:4] == b"\x89PNG"


def test_the_lab_of_one_leap_tears_by_the_equation_alone(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "one-step") as page:
        page.wait_for_selector("[data-state=idle]")
        whole, torn = number(page, "gap"), number(page, "other")
        assert torn > 0.4 > whole and number(page, "sea") > number(page, "otherSea")
        before = picture(page)
        page.get_by_role("combobox", name="ends by").select_option("equation")
        assert number(page, "gap") == torn and number(page, "other") == whole and picture(page) != before
        page.get_by_role("slider", name="angle").fill("90")
        page.locator("canvas").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "done")
        page.get_by_role("button", name="New line").click()
        expect(page.locator(".lab-summary")).to_contain_text("end at sea")
        assert save(page)[:4] == b"\x89PNG"
