"""Sliders for a live kernel, and the player for pages without one."""

import base64
import json
import re
import shutil
import subprocess

import ipywidgets
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from IPython.display import HTML

from statesdiff.plotting import INK, LIMIT, STATE_COLOURS
from statesdiff.rng import randn, stream
from statesdiff.widgets import PLAYER, explore, player

FRAMES = [randn(12, 2, generator=stream("frames", k)) for k in range(3)]
LABELS = ["t = 2", "t = 1", "t = 0"]


def control(spec):
    (slider, *_) = explore(lambda v: None, v=spec).children
    return slider


# explore


@pytest.mark.parametrize(
    ("spec", "kind", "low", "high", "step"),
    [
        ((1, 500), ipywidgets.IntSlider, 1, 500, 1),
        ((0, 100, 10), ipywidgets.IntSlider, 0, 100, 10),
        ((0.0, 2.0), ipywidgets.FloatSlider, 0, 2, 0.02),
        ((0, 1.0), ipywidgets.FloatSlider, 0, 1, 0.01),
        ((0.5, 1.5, 0.25), ipywidgets.FloatSlider, 0.5, 1.5, 0.25),
    ],
)
def test_a_range_makes_a_slider(spec, kind, low, high, step):
    slider = control(spec)
    assert type(slider) is kind and slider.description == "v"
    assert (slider.min, slider.max) == (low, high) and slider.step == pytest.approx(step)
    assert slider.value == pytest.approx((low + high) / 2, abs=step / 2)
    assert slider.continuous_update is False


@given(st.integers(-100, 100), st.integers(1, 200), st.integers(1, 50))
def test_a_whole_slider_starts_on_one_of_its_steps(low, width, step):
    slider = control((low, low + width, step))
    assert low <= slider.value <= low + width and (slider.value - low) % step == 0
    assert abs(slider.value - (low + width / 2)) <= step


def test_a_list_makes_a_menu():
    menu = control(["linear", "cosine"])
    assert type(menu) is ipywidgets.Dropdown and menu.options == ("linear", "cosine") and menu.value == "linear"


def test_the_function_is_called_again_with_what_the_controls_say():
    calls = []
    box = explore(lambda t, name: calls.append((t, name)), t=(0, 10), name=["a", "b"])
    t, name = box.children[:2]
    box.update()
    t.value = 3
    name.value = "b"
    assert calls[-3:] == [(5, "a"), (3, "a"), (3, "b")]


@pytest.mark.parametrize(
    "spec",
    [
        (5, 5),
        (5, 1),
        (1,),
        (),
        (1, 2, 3, 4),
        [],
        7,
        "text",
        None,
        (0, 10, 0),
        (0, 10, -1),
        ("a", "b"),
        (0, float("nan")),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_by_name(spec):
    with pytest.raises(ValueError, match="slider 'width' needs"):
        explore(lambda width: None, width=spec)


# player


def page(frames=FRAMES, labels=LABELS, y=None, alt="noise becomes states", **options):
    return player(frames, labels, y, alt=alt, **options).data


def props_of(text):
    (props,) = re.findall(r"\.mount\(el, (\{.*\})\);\n\}\)\(\);</script>$", text)
    return json.loads(props)


def test_the_player_is_html_with_a_poster_and_the_points():
    result = player(FRAMES, LABELS, alt="noise becomes states")
    assert isinstance(result, HTML)
    props = props_of(result.data)
    q = np.frombuffer(base64.b64decode(props["frames"]), dtype="<i2").reshape(3, 12, 2)
    points = q / 32767 * LIMIT
    np.testing.assert_allclose(points, torch.stack(FRAMES), atol=LIMIT / 32767)
    assert props["labels"] == LABELS and props["n"] == 12 and props["alt"] == "noise becomes states"
    assert props["palette"] == [INK] and props["colours"] == [0] * 12 and props["names"] == []


def test_the_points_keep_the_colours_of_their_states():
    y = torch.arange(12) % 5
    props = props_of(page(y=y))
    assert props["palette"] == list(STATE_COLOURS.values()) and props["colours"] == y.tolist()


def test_points_outside_the_window_are_drawn_at_its_edge():
    far = torch.tensor([[100.0, -100.0]])
    props = props_of(page([far], ["far"], limit=2.0))
    assert np.frombuffer(base64.b64decode(props["frames"]), dtype="<i2").tolist() == [32767, -32767]


def test_the_same_frames_give_the_same_page_and_other_frames_another_id():
    assert page() == page()
    ids = {re.search(r'id="(statesdiff-\w{12})"', text)[1] for text in (page(), page(alt="other"), page(FRAMES[::-1]))}
    assert len(ids) == 3


def test_the_script_finds_its_own_div():
    text = page()
    name = re.search(r'<div id="(statesdiff-\w+)">', text)[1]
    assert f'document.getElementById("{name}")' in text


def test_the_page_asks_no_other_host():
    text = page() + PLAYER.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z0-9-]+\.[a-z]|@import|url\(", text)
    assert re.findall(r'src="([^"]{0,22})', text) == ["data:image/png;base64,"]


def test_the_poster_is_a_picture_with_alternative_text():
    text = page(alt='points "move" <inwards> & stop')
    alt, png = re.search(r'<img alt="([^"]*)" src="data:image/png;base64,([^"]+)">', text).groups()
    assert alt == "points &quot;move&quot; &lt;inwards&gt; &amp; stop"
    assert base64.b64decode(png).startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!-- <script>", "</ScRiPt >", "a\u2028b", '"\\']
)
def test_no_text_can_end_the_script(text):
    whole = page(labels=[text] * 3, alt=text)
    script = whole[whole.index("<script>") + len("<script>") : whole.rindex("</script>")]
    assert "</script" not in script.lower() and "<!--" not in script
    assert whole.count("<script>") == 1 or "<script>" in text


def test_the_player_is_small():
    frames = [randn(2000, 2, generator=stream("frames", k)) for k in range(26)]
    assert len(page(frames, ["t"] * 26)) < 400_000  # 26 frames of 2,000 points: 277 kB of points, and the poster


@pytest.mark.parametrize(
    ("frames", "labels"),
    [([], []), (FRAMES, LABELS[:2]), ([FRAMES[0], FRAMES[1][:5]], ["a", "b"]), (FRAMES, [])],
    ids=["no frames", "too few labels", "frames of different sizes", "no labels"],
)
def test_frames_and_labels_that_do_not_fit_are_refused(frames, labels):
    with pytest.raises(ValueError, match="player needs frames of one shape and a label each"):
        page(frames, labels)


needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def node(source, tmp_path, *options):
    path = tmp_path / "script.mjs"
    path.write_text(source, encoding="utf-8")
    return subprocess.run(["node", *options, str(path)], capture_output=True, text=True, timeout=60)


@needs_node
def test_the_script_is_well_formed(tmp_path):
    done = node(PLAYER.read_text(encoding="utf-8"), tmp_path, "--check")
    assert done.returncode == 0, done.stderr
    text = page(labels=["</script>", "<!--", '"quoted"'])
    inner = text[text.index("<script>") + len("<script>") : text.rindex("</script>")]
    done = node(inner, tmp_path, "--check")
    assert done.returncode == 0, done.stderr


STUB = """
const made = [];
class Element {
  constructor(tag) {
    Object.assign(this, { tag, style: {}, children: [], listeners: {}, attributes: {} });
    made.push(this);
  }
  setAttribute(name, value) { this.attributes[name] = value; }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  addEventListener(name, f) { this.listeners[name] = f; }
  getContext() { return { clearRect() {}, fillRect(...box) { rects.push([this.fillStyle, ...box]); } }; }
}
let rects = [];
globalThis.document = { createElement: (tag) => new Element(tag) };
const player = await import("data:text/javascript;base64,SOURCE");
const root = new Element("div");
player.mount(root, PROPS);
const find = (tag) => made.find((e) => e.tag === tag);
const seen = [[rects, find("output").value]];
const range = find("input");
for (const k of [2, 0]) {
  rects = [];
  range.value = k;
  range.listeners.input();
  seen.push([rects, find("output").value]);
}
rects = [];
find("button").listeners.click();
const playing = find("button").textContent;
const entries = made.filter((e) => e.tag === "span" && e.children.length);
const legend = entries.map(({ children: [dot, name] }) => [name, dot.style.cssText.match(/#[0-9A-Fa-f]{6}/)[0]]);
setTimeout(() => {
  console.log(JSON.stringify({ seen, playing, end: [+range.value, find("output").value, find("button").textContent],
    max: range.max, label: find("canvas").attributes["aria-label"], legend }));
}, 600);
"""


@needs_node
def test_the_script_draws_every_frame_and_plays_to_the_end(tmp_path):
    y = torch.arange(12) % 5
    props = props_of(page(y=y))
    source = base64.b64encode(PLAYER.read_bytes()).decode()
    done = node(STUB.replace("SOURCE", source).replace("PROPS", json.dumps(props)), tmp_path)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    for (rects, label), k in zip(got["seen"], [0, 2, 0], strict=True):
        assert label == LABELS[k]
        assert [colour for colour, *_ in rects] == [list(STATE_COLOURS.values())[i] for i in y.tolist()]
        x = FRAMES[k].clamp(-LIMIT, LIMIT).double().numpy() / LIMIT
        centres = np.array([[left + w / 2, top + h / 2] for _, left, top, w, h in rects])
        np.testing.assert_allclose(centres, np.c_[(x[:, 0] + 1) * 380, (1 - x[:, 1]) * 380], atol=0.02)
    assert got["playing"] == "Pause" and got["end"] == [2, "t = 0", "Play"]
    assert got["max"] == 2 and got["label"] == "noise becomes states"
    assert got["legend"] == [[name, colour] for name, colour in STATE_COLOURS.items()]
