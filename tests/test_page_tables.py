"""Tables and pictures of pages that are no notebooks: the pages hold what the committed results say."""

import io
import re
import shutil

import make_curves
import make_gallery as gallery
import make_tables as tables
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from statesdiff.ablations.configs import Config, Sampling
from statesdiff.ablations.toys import points
from statesdiff.results import table

# Tables


def test_every_table_of_a_page_is_current(capsys):
    assert tables.main(["--check"]) == 0, capsys.readouterr().out


def test_every_table_is_shown_somewhere():
    text = "".join((tables.ROOT / page).read_text(encoding="utf-8") for page in tables.PAGES)
    assert {found["name"] for found in tables.BLOCK.finditer(text)} == set(tables.TABLES)


@pytest.fixture
def pages(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    monkeypatch.setattr(tables, "PAGES", ("a.md", "b.md"))
    monkeypatch.setattr(tables, "TABLES", {"one": lambda: "| x |", "two-3": lambda: "| y |"})
    (tmp_path / "a.md").write_text(
        "A\n\n% table: one\n\n| old |\n\n% end\n\nB\n\n% table: two-3\n% end\n", encoding="utf-8"
    )
    (tmp_path / "b.md").write_text("no table\n", encoding="utf-8")
    return tmp_path


def test_tables_are_written_between_their_lines_and_nowhere_else(pages, capsys):
    assert tables.main(["--check"]) == 1 and capsys.readouterr().out == "a.md\n"
    assert "old" in (pages / "a.md").read_text(encoding="utf-8")
    assert tables.main([]) == 0
    want = "A\n\n% table: one\n\n| x |\n\n% end\n\nB\n\n% table: two-3\n\n| y |\n\n% end\n"
    assert (pages / "a.md").read_text(encoding="utf-8") == want
    assert (pages / "b.md").read_text(encoding="utf-8") == "no table\n"
    assert tables.main(["--check"]) == 0


def test_a_table_that_nobody_makes_is_named(pages):
    (pages / "b.md").write_text("% table: three\n% end\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no table 'three'; there are one, two-3"):
        tables.main([])


def test_the_jumps_are_those_between_the_epochs_around_new_noise(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "COURSE", tmp_path)
    monkeypatch.setattr(tables, "REFRESH", {"step": 2})
    loss = [1.0, 0.9, 1.1, 0.8, 0.9, 0.7]  # new noise before epochs 3 and 5: jumps of 0.2 and 0.1
    curve = pd.DataFrame({"recipe": "step", "part": "denoiser", "epoch": range(1, 7), "loss": loss})
    curve = curve.assign(**{"loss (fresh)": 1.0, "NLL": [2, 2, 3, 3, 4, 4]})
    (tmp_path / "course_recipes_curve.csv").write_text("# made by\n" + curve.to_csv(index=False), encoding="utf-8")
    cells = tables.course_spikes().splitlines()[2].split(" | ")
    # 12.7062 of Student's t with one degree of freedom, times 0.05
    assert cells[1:3] == ["+0.15 ± 0.64 (2)", "+0 ± 0 (2)"] and cells[3].startswith("+1 ± 0 ")


def test_conditional_samples_are_compared_with_real_points():
    rows = table("toy-guidance-best")
    measure = "EMD of a class (total)"
    mean = rows[rows.guidance.isna() | (rows.guidance == 1)].groupby(["data", rows.network == "real"])[measure].mean()
    lines = tables.conditional_less_real().splitlines()
    assert lines[2].startswith("| moons | ")
    assert float(lines[2].split("|")[2].split("±")[0]) == pytest.approx(
        mean["moons", False] - mean["moons", True], abs=0.06
    )


def test_the_ways_to_ask_for_a_class_are_paired_as_the_claim_has_them():
    means = table("guided-conditional").groupby(["data", "network"]).EMD.mean()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.from_scratch_or_at_hand().splitlines()]
    assert lines[0] == ["", "conditional", "with a classifier", "real", "with a classifier, less conditional"]
    rows = {line[0]: line[1:] for line in lines[2:]}
    assert len(rows) == 2 * len(gallery.SETS)
    for case, (way, reference) in tables.PAIRS.items():
        for data in gallery.SETS:
            told, judged, real, less = rows[f"{data}, {case}"]
            want = [means[data, name] for name in (reference, way, "real")]
            assert [float(told), float(judged), float(real)] == pytest.approx(want, abs=6e-4)
            assert float(less.split(" ± ")[0]) == pytest.approx(want[1] - want[0], abs=6e-3)


def test_what_the_page_says_of_guided_and_conditional_sampling_is_in_the_tables():
    lines = tables.from_scratch_or_at_hand().splitlines()[2:]
    sure = {line.split("|")[1].strip(): "-" in line.split("|")[5] for line in lines if line.endswith("* |")}
    scratch = [f"{name}, from scratch" for name in ("moons", "circles", "blobs", "manycircles")]
    at_hand = [f"{name}, denoiser at hand" for name in ("moons", "blobs", "manycircles")]
    better = dict.fromkeys(scratch + at_hand, False)
    assert sure == better | {"helix, denoiser at hand": True}  # the classifier's EMD is lower there alone
    cover = table("guided-conditional").groupby(["network", "data"]).coverage.mean().unstack()
    lost = cover.loc["conditional"] - cover.loc["guided 5"]
    assert lost.min() > 0.25 and cover.loc["guided 5", "manycircles"] < 0.06
    assert (cover.loc["conditional"] - cover.loc["classifier 1"]).between(-0.01, 0.07).all()


def test_the_table_of_dimensions_has_what_was_measured_and_a_dash_for_what_was_not():
    rows = table("any-shape")
    lines = tables.any_shape().splitlines()[2:]
    assert len(lines) == 3 * rows.D.nunique() and all("| - |" in line for line in lines if "D = 2," in line)
    learnt = rows[(rows.D == rows.D.max()) & (rows.network == "fourier")]
    assert lines[-2].startswith(f"| D = {rows.D.max()}, learnt | {learnt.distance.mean():.3f} ± ")


def test_what_the_page_says_of_many_dimensions_is_in_the_table():
    means = table("any-shape").groupby(["D", "network"])[["distance", "coverage", "deviation of the others"]].mean()
    exact, learnt, real = (means.xs(name, level="network") for name in ("exact", "fourier", "real"))
    assert (exact.distance / real.distance).between(0.95, 1.1).all()
    assert 3.5 < learnt.distance[8] / real.distance[8] < 4.5 and learnt.distance[64] / real.distance[64] > 10
    assert 0.5 < learnt.coverage[64] < 0.65
    emd = table("any-shape").groupby(["D", "network"]).EMD.mean().unstack()
    assert (emd.exact / emd.real).between(0.9, 1.1).all()
    wide = "deviation of the others"
    assert 1.05 < learnt[wide][64] / real[wide][64] < 1.15 and (exact[wide] / real[wide]).drop(2).gt(1.02).all()


# Pictures


def test_the_curves_show_what_is_stored():
    curve = pd.read_csv(tables.COURSE / "course_recipes_curve.csv", comment="#").query("part == 'denoiser'")
    figure = make_curves.draw(curve, 2.15)
    for column, (recipe, rows) in zip(np.reshape(figure.axes, (2, 2)).T, curve.groupby("recipe"), strict=True):
        train, fresh, *lines = column[0].lines
        assert train.get_ydata().tolist() == rows.loss.tolist()
        assert fresh.get_ydata().tolist() == rows["loss (fresh)"].dropna().tolist()
        assert len(lines) == -(-rows.epoch.max() // tables.REFRESH[recipe]) - 1
        assert column[1].lines[0].get_ydata().tolist() == rows.NLL.dropna().tolist()
    make_curves.plt.close(figure)


def apart(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that differ clearly in their grey."""
    assert one.size == other.size
    grey = [np.asarray(image.convert("L"), dtype=int) for image in (one, other)]
    return float((abs(grey[0] - grey[1]) > 60).mean())


def test_the_stored_curves_are_those_of_the_committed_results(tmp_path, monkeypatch):
    with Image.open(make_curves.OUT) as stored:
        assert apart(Image.open(io.BytesIO(make_curves.picture())), stored) < 1e-3
        # the same test sees a picture of ten epochs fewer
        lines = (tables.COURSE / "course_recipes_curve.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        last = [i for i, line in enumerate(lines) if line.startswith("cosine,denoiser")][-10:]
        shorter = "".join(line for i, line in enumerate(lines) if i not in last)
        (tmp_path / "course_recipes_curve.csv").write_text(shorter, encoding="utf-8")
        shutil.copy(tables.COURSE / "course_recipes.csv", tmp_path)
        monkeypatch.setattr(make_curves, "COURSE", tmp_path)
        assert apart(Image.open(io.BytesIO(make_curves.picture())), stored) > 2e-3


def test_the_figures_of_the_first_homework_are_all_there():
    wanted = {name: make() for name, make in gallery.FIGURES.items()}
    sizes = {name: (len({d for d, _ in found}), len({c for _, c in found})) for name, found in wanted.items()}
    assert sizes.pop("overview") == (5, 4)
    assert sizes == {"timesteps": (5, 6), "betas": (5, 6), "scales": (5, 5), "conditional": (5, 3)}
    assert {s.guidance for _, s in wanted["scales"].values()} == {1.25, 1.5, 2, 3, 5}
    paths = {gallery.path_of(tables.ROOT, *way) for found in wanted.values() for way in found.values()}
    assert len(paths) == 5 * (6 + 6 - 1 + 5 + 3)  # T = 200 with the usual range is in two figures, and one network


def test_what_is_drawn_stays_and_the_picture_is_small(tmp_path, monkeypatch):
    few = {"T": 4, "network": "raw", "hidden": (4,), "epochs": 0.1, "labelled": True}
    ways = {
        (data, f"w = {w}"): (Config(data=data, **few), Sampling(guidance=w, n=1000))
        for data in ("moons", "helix")
        for w in (0.5, 2.0)
    }
    monkeypatch.setattr(gallery, "SETS", ("moons", "helix"))
    monkeypatch.setattr(gallery, "FIGURES", {"tiny": lambda: ways})
    monkeypatch.setattr(gallery, "STATIC", tmp_path)
    out = gallery.make("tiny", tmp_path)
    drawn = sorted(tmp_path.glob("*.npy"))
    assert out.name == "toys-tiny.png" and len(drawn) == 4
    assert np.load(drawn[0]).shape == (1000, 3)
    monkeypatch.setattr(gallery, "train_ensemble", lambda jobs: pytest.fail("trained again"))
    again = out.read_bytes()
    assert gallery.make("tiny", tmp_path).read_bytes() == again
    drawn[0].unlink()  # a panel stays empty, and nothing is trained
    assert gallery.make("tiny", tmp_path, train=False).read_bytes() != again
    with Image.open(out) as image:
        assert image.width > image.height and len(again) < 300_000


def test_points_in_three_dimensions_are_seen_from_the_side():
    ax = gallery.plt.subplots()[1]
    x = points("helix").train.x.numpy()
    gallery.draw_panel(ax, x, None)
    assert ax.collections[0].get_offsets().tolist() == x[: gallery.SHOWN, [0, 2]].tolist()
    gallery.plt.close("all")


def test_the_pages_have_their_pictures():
    shown = re.findall(
        r"_static/([\w-]+\.png)", "".join((tables.ROOT / page).read_text(encoding="utf-8") for page in tables.PAGES)
    )
    assert shown and all((tables.ROOT / "book" / "_static" / name).stat().st_size < 700_000 for name in shown)
