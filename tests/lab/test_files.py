"""The labs' committed files: the data are the package's to the rounding, the kernel is what its source compiles to."""

import gzip
import json
import re
import subprocess

import labs
import make_kernel
import make_lab_data
import numpy as np
import pytest
import torch
from docutils import nodes
from docutils.utils import new_document

from statesdiff.checkpoints import WEIGHTS, load_model
from statesdiff.data import outline_points, states
from statesdiff.models import Classifier
from tests.lab.conftest import LAB, Engine, close
from tests.support import parameters


@pytest.mark.parametrize("name", ["states", "outline"])
def test_points_are_the_packages_to_the_rounding(plain_engine: Engine, name: str) -> None:
    script = f"""async () => {{
      const d = statesdiff.decode(await statesdiff.loadData("{name}", (file) => new URL(file, location.href).href));
      return [d.x, d.y];
    }}"""
    x, y = plain_engine(script)
    wanted = states() if name == "states" else None
    points = wanted.x if wanted else outline_points(2000)
    unit = json.loads((LAB / "data" / f"{name}.json").read_text(encoding="utf-8"))["unit"]
    close(x, points, atol=unit / 2 + 1e-6)
    assert torch.equal(y.long(), wanted.y if wanted else torch.arange(5).repeat_interleave(400))


@pytest.mark.parametrize("name", make_lab_data.NETWORKS)
def test_networks_are_the_books_in_16_bits(plain_engine: Engine, name: str) -> None:
    script = f"""async () => {{
      const d = statesdiff.decode(await statesdiff.loadData("{name}", (file) => new URL(file, location.href).href));
      return [d.config, d.weights()];
    }}"""
    config, weights = plain_engine(script)
    model = load_model(WEIGHTS / f"{make_lab_data.NETWORKS[name]}.safetensors")[0]
    assert config["skip"] == model.skip and config["n_classes"] == model.n_classes
    close(weights, parameters(model).detach().half(), atol=0)


def test_the_small_classifier_says_what_the_large_one_says() -> None:
    """Its table is measured again: accuracy and agreement are the committed ones."""
    about = json.loads((LAB / "data" / "classifier.json").read_text(encoding="utf-8"))
    config = {name: value for name, value in about["config"].items() if name != "kind"}
    small, (large, schedule) = Classifier(**config), load_model(WEIGHTS / "classifier.safetensors", Classifier)
    halves = np.frombuffer((LAB / "data" / "classifier.bin").read_bytes(), dtype="<f2").astype("f4")
    assert len(halves) <= 30_000
    torch.nn.utils.vector_to_parameters(torch.from_numpy(halves), small.parameters())
    table, stored = make_lab_data.compared(small, large, schedule), about["compared"]
    for name in ("small", "large", "agree", "belief"):
        np.testing.assert_allclose(table[name], stored[name], atol=0.002)
    assert (np.subtract(table["large"], table["small"]) < 0.01).all()
    assert min(table["agree"]) > 0.97 and max(table["belief"]) < 0.01


def test_the_data_are_what_the_tool_writes(tmp_path) -> None:
    make_lab_data.make(tmp_path)
    for path in tmp_path.iterdir():
        committed = LAB / "data" / path.name
        if path.suffix == ".json":
            assert json.loads(path.read_text(encoding="utf-8")) == json.loads(committed.read_text(encoding="utf-8"))
        else:
            a, b = (np.frombuffer(p.read_bytes(), dtype="u1") for p in (path, committed))
            assert len(a) == len(b) and (a != b).mean() < 1e-3  # another machine may round a draw differently


def test_the_kernel_is_what_its_source_compiles_to(tmp_path) -> None:
    clang = make_kernel.find_clang()
    if clang is None or make_kernel.major(clang) != 19:
        pytest.skip("no clang 19 with lld on the PATH: the committed kernel is not built again")
    try:
        make_kernel.build(clang, tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"clang 19 does not compile for wasm32 here: {error}")
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (LAB / "kernel" / path.name).read_bytes(), path.name


def asked_for(lab: str) -> set[str]:
    """The data sets that a lab names, for itself and for its worker."""
    source = (LAB / "labs" / f"{lab}.js").read_text(encoding="utf-8")
    return set(re.findall(r'"(\w+)"', " ".join(re.findall(r"\b(?:data|need): \[([^\]]*)\]", source))))


def test_a_page_with_labs_costs_little() -> None:
    size = {name: len(gzip.compress(text.encode())) for name, text in labs.static_files(LAB).items()}
    assert size["lab-loader.js"] < 1000
    for chapter in sorted((LAB.parents[1] / "notebooks").glob("*.ipynb")):
        on_page = re.findall(r'"lab:([\w-]+)"', chapter.read_text(encoding="utf-8"))
        data = {f"lab-{name}.js" for lab in on_page for name in asked_for(lab)}
        cost = {name: size[name] for name in data | {"lab.js", "lab.css"}}
        assert not on_page or sum(cost.values()) < 300_000, (chapter.name, cost)  # 350 kB with the page's own text


def test_modules_share_one_scope_and_say_what_they_import(tmp_path) -> None:
    (tmp_path / "labs").mkdir()
    (tmp_path / "b.js").write_text("export const one = 1;\n", encoding="utf-8")
    (tmp_path / "a.js").write_text('import { one } from "./b.js";\nexport const two = one + 1;\n', encoding="utf-8")
    assert [path.name for path in labs.ordered(tmp_path)] == ["b.js", "a.js"]
    (tmp_path / "labs" / "c.js").write_text("function two() {}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="both define two"):
        labs.ordered(tmp_path)
    (tmp_path / "labs" / "c.js").write_text('import { x } from "../gone.js";\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"c.js imports gone.js"):
        labs.ordered(tmp_path)


def test_the_head_of_a_chapter_leads_to_its_first_lab() -> None:
    chapter, page = new_document("chapter"), new_document("page")
    for where, text in ((chapter, "Run time: about 3 s."), (page, "No run time.")):
        where += [nodes.paragraph(text=text), *(labs.LabNode("", lab=name) for name in ("hero", "train", "point"))]
        labs.lead_to_lab(where)
    (link,) = chapter.findall(nodes.reference)
    (led_to,) = [node for node in chapter.findall(labs.LabNode) if link["refid"] in node["ids"]]
    assert led_to["lab"] == "train" and not list(page.findall(nodes.reference))
