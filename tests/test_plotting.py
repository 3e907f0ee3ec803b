"""The plot helpers: what they draw, where, in which colours, and that they return the axes."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb

from statesdiff import plotting
from statesdiff.data import STATE_NAMES, outlines, states
from statesdiff.intervals import interval
from statesdiff.plotting import GREY, INK, LIMIT, STATE_COLOURS
from statesdiff.rng import randn, stream

X = randn(30, 2, generator=stream("x"))
Y = torch.arange(5).repeat(6)

HELPERS = {
    "scatter": lambda ax=None: plotting.scatter(X, Y, ax, title="title"),
    "outline": lambda ax=None: plotting.outline(ax),
    "heatmap": lambda ax=None: plotting.heatmap(lambda x: x.sum(1), ax, title="title", n=8),
    "arrows": lambda ax=None: plotting.arrows(X, -X, ax, title="title"),
    "trajectories": lambda ax=None: plotting.trajectories([X, X / 2], Y, ax, title="title"),
    "class_map": lambda ax=None: plotting.class_map(lambda x: x @ torch.ones(2, 5), ax, title="title", n=8),
}


def colours_of(ax):
    return [to_hex(colour, keep_alpha=False).upper() for colour in ax.collections[0].get_facecolor()]


def luminance(colour):
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_one_fixed_colour_for_each_state():
    assert tuple(STATE_COLOURS) == STATE_NAMES
    assert list(STATE_COLOURS.values()) == ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"]


def test_ink_is_readable_on_white():
    assert 1.05 / (luminance(INK) + 0.05) > 7  # WCAG's enhanced contrast


@pytest.mark.parametrize("helper", HELPERS.values(), ids=HELPERS.keys())
def test_a_helper_draws_into_the_axes_it_is_given(helper):
    _, (left, right) = plt.subplots(1, 2)
    assert helper(right) is right
    assert right.has_data() and not left.has_data()
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("helper", HELPERS.values(), ids=HELPERS.keys())
def test_a_helper_makes_square_axes_when_given_none(helper):
    ax = helper()
    assert isinstance(ax, plt.Axes) and ax.get_aspect() == 1
    assert ax.get_xlim() == ax.get_ylim() and ax.get_xlim()[0] == -ax.get_xlim()[1]


@pytest.mark.parametrize("name", [name for name in HELPERS if name != "outline"])
def test_the_title_is_set(name):
    assert HELPERS[name]().get_title() == "title"


def test_the_style_is_applied_and_can_be_taken_back():
    with plt.rc_context():
        plotting.style()
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == list(STATE_COLOURS.values())
        assert not plt.rcParams["axes.spines.top"] and plt.rcParams["image.cmap"] == "cividis"
        ax = plt.figure().add_subplot()
        assert to_hex(ax.plot([0, 1])[0].get_color()).upper() == "#0072B2"


def test_scatter_colours_the_points_by_state():
    assert colours_of(plotting.scatter(X, Y)) == [list(STATE_COLOURS.values())[label] for label in Y.tolist()]
    assert colours_of(plotting.scatter(X)) == [INK.upper()]


def test_scatter_draws_every_point_where_it_is():
    ax = plotting.scatter(X.clone().requires_grad_(), size=3.0, limit=1.5)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), X.numpy(), rtol=1e-6)
    assert ax.collections[0].get_sizes().tolist() == [3.0] and ax.get_xlim() == (-1.5, 1.5)


def test_the_usual_window_holds_the_data():
    assert float(states().x.abs().max()) < LIMIT


@pytest.mark.parametrize(("n", "rows"), [(1, 1), (4, 1), (5, 2), (8, 2)])
def test_snapshots_is_a_grid_with_nothing_in_the_spare_places(n, rows):
    axes = plotting.snapshots([X] * n, [f"t = {t}" for t in range(n)], Y)
    assert axes.shape == (rows, 4)
    assert [ax.get_title() for ax in axes.flat] == [f"t = {t}" for t in range(n)] + [""] * (4 * rows - n)
    assert [ax.has_data() for ax in axes.flat] == [True] * n + [False] * (4 * rows - n)
    assert not any(ax.axison for ax in axes.flat)


def test_snapshots_takes_any_number_of_columns_and_no_labels():
    axes = plotting.snapshots([X] * 3, "abc", columns=2, limit=9.0)
    assert axes.shape == (2, 2) and axes[0, 0].get_xlim() == (-9.0, 9.0)
    assert colours_of(axes[0, 0]) == [INK.upper()]


def test_snapshots_of_large_sets_keep_points_and_labels_together():
    s = states(1100)  # 5,500 points: more than a small panel needs
    (ax,) = plotting.snapshots([s.x], ["all"], s.y, columns=1).flat
    drawn = torch.as_tensor(np.asarray(ax.collections[0].get_offsets())).float()
    assert 1000 < len(drawn) <= 2500
    rows = torch.cdist(drawn, s.x).argmin(1)
    assert colours_of(ax) == [list(STATE_COLOURS.values())[label] for label in s.y[rows].tolist()]
    assert set(s.y[rows].tolist()) == {0, 1, 2, 3, 4}


def test_outline_draws_every_ring_behind_the_points():
    ax = plotting.outline(colour="red", width=2.5)
    rings = [ring for rings in outlines() for ring in rings]
    assert len(ax.lines) == len(rings) == 6
    for line, ring in zip(ax.lines, rings, strict=True):
        np.testing.assert_allclose(line.get_xydata(), ring.numpy())
        assert (line.get_color(), line.get_linewidth(), line.get_zorder()) == ("red", 2.5, 0)


def test_outline_leaves_the_window_of_given_axes_as_it_was():
    ax = plotting.scatter(X, title="kept", limit=1.0)
    plotting.outline(ax)
    assert ax.get_xlim() == (-1.0, 1.0) and ax.get_title() == "kept"
    assert plotting.outline().lines[0].get_color() == GREY


def test_lattice_runs_row_by_row_from_the_lower_left():
    got = plotting.lattice(3, 1.0)
    assert got.tolist() == [[x, y] for y in (-1, 0, 1) for x in (-1, 0, 1)]


def test_heatmap_shows_the_function_the_right_way_up():
    ax = plotting.heatmap(lambda x: x[:, 0] + 10 * x[:, 1], n=5, limit=2.0)
    (image,) = ax.images
    assert image.origin == "lower" and tuple(image.get_extent()) == (-2, 2, -2, 2)
    values = image.get_array()
    assert values.shape == (5, 5)
    np.testing.assert_allclose(values[0], [-22, -21, -20, -19, -18])  # the bottom row: y = -2
    np.testing.assert_allclose(values[:, 0], [-22, -12, -2, 8, 18])


def test_arrows_keep_their_directions_and_the_order_of_their_lengths():
    v = torch.tensor([[3000.0, 4000.0], [0.0, -1.0], [0.1, 0.0], [0.0, 0.0]])
    quiver = plotting.arrows(X[:4], v).collections[0]
    np.testing.assert_allclose(quiver.get_offsets(), X[:4].numpy(), rtol=1e-6)
    drawn = np.c_[quiver.U, quiver.V]
    length = np.linalg.norm(drawn, axis=1)
    np.testing.assert_allclose(drawn[:3] / length[:3, None], [[0.6, 0.8], [0, -1], [1, 0]], atol=1e-6)
    assert 0.5 > length[0] > length[1] > length[2] > length[3] == 0
    # a wide range of lengths is compressed: the shortest that is not zero can still be seen
    assert length[2] > 0.01


def test_no_arrow_is_longer_than_asked_for():
    v = torch.tensor([[3000.0, 4000.0], [0.0, -1.0], [0.1, 0.0]])
    lengths = []
    for longest in (0.3, 0.06):
        quiver = plotting.arrows(X[:3], v, longest=longest).collections[0]
        lengths.append(np.linalg.norm(np.c_[quiver.U, quiver.V], axis=1))
        assert 0.99 * longest < lengths[-1].max() < longest
    np.testing.assert_allclose(lengths[0], 5 * lengths[1], rtol=1e-6)


def test_arrows_of_no_length_at_all_are_no_error():
    quiver = plotting.arrows(X, 0 * X).collections[0]
    assert not np.c_[quiver.U, quiver.V].any()


def test_trajectories_follow_the_first_points():
    path = [X, X / 2, X * 0]
    ax = plotting.trajectories(path, Y, n=7)
    assert len(ax.lines) == 7
    for i, line in enumerate(ax.lines):
        np.testing.assert_allclose(line.get_xydata(), torch.stack([x[i] for x in path]).numpy(), rtol=1e-6)
        assert line.get_color() == list(STATE_COLOURS.values())[int(Y[i])]
    dots, crosses = ax.collections
    np.testing.assert_allclose(dots.get_offsets(), X[:7].numpy(), rtol=1e-6)  # x_T
    np.testing.assert_allclose(crosses.get_offsets(), 0, atol=1e-6)  # x_0
    assert [to_hex(colour) for colour in crosses.get_facecolors()] == [line.get_color().lower() for line in ax.lines]


@pytest.mark.parametrize("y", [None, Y[:9]])
def test_trajectories_of_fewer_points_than_the_default(y):
    ax = plotting.trajectories([X[:9], X[:9] / 2], y)
    assert len(ax.lines) == 9


def test_class_map_blends_the_colours_of_the_states_by_probability() -> None:
    palette = np.array([to_rgb(colour) for colour in plotting.STATE_COLOURS.values()])

    def certain_of_ohio_on_the_right(x: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(x), 5)
        logits[x[:, 0] > 0, 2] = 100.0
        return logits

    ax = plotting.class_map(certain_of_ohio_on_the_right, n=20, title="map")
    image = np.asarray(ax.images[0].get_array())
    assert image.shape == (20, 20, 3) and ax.get_title() == "map"
    np.testing.assert_allclose(image[:, 10:], np.broadcast_to(palette[2], (20, 10, 3)), atol=1e-6)
    np.testing.assert_allclose(image[:, :10], np.broadcast_to(palette.mean(0), (20, 10, 3)), atol=1e-6)


def test_class_map_puts_north_at_the_top() -> None:
    ax = plotting.class_map(lambda x: torch.where(x[:, 1:] > 0, 100.0, 0.0) * torch.eye(5)[1], n=10)
    image = np.asarray(ax.images[0].get_array())
    assert ax.images[0].origin == "lower"
    np.testing.assert_allclose(image[-1, 0], to_rgb(list(plotting.STATE_COLOURS.values())[1]), atol=1e-6)


def test_a_notebook_gets_two_pixels_a_point_and_nothing_else_does(monkeypatch) -> None:
    from IPython import InteractiveShell  # the shell of a kernel in all that matters here
    from matplotlib_inline.config import InlineBackend

    shell, backend = InteractiveShell.instance(), "module://matplotlib_inline.backend_inline"
    try:
        plotting.style()
        assert "retina" not in InlineBackend.instance(parent=shell).figure_formats  # another backend
        monkeypatch.setattr(plt, "get_backend", lambda: backend)
        plotting.style()
        assert InlineBackend.instance().figure_formats == {"retina"}
    finally:
        InlineBackend.clear_instance()
        InteractiveShell.clear_instance()


# Intervals


def read_off(container):
    """What an error bar shows: x, the middles, the half-widths."""
    line, caps, (bars,) = container.lines
    ends = np.array([[low[1], high[1]] for low, high in bars.get_segments()])
    np.testing.assert_allclose([np.asarray(cap.get_ydata(), dtype=float) for cap in caps], ends.T)
    return *(np.asarray(v, dtype=float) for v in line.get_data()), (ends[:, 1] - ends[:, 0]) / 2


GROUPS = {"with": {10: [1.0, 2.0, 4.0], 50: [2.0, 2.0], 200: [-1.0, 0.5, 0.25, 3.0]}, "without": {50: [7.0, 7.5]}}


@pytest.mark.parametrize("level", [None, 0.8, 0.99])
def test_intervals_draws_mean_and_half_width_at_x_for_each_label(level):
    options = {} if level is None else {"level": level}
    ax = plt.figure().add_subplot()
    assert plotting.intervals(ax, GROUPS, **options) is ax
    assert [container.get_label() for container in ax.containers] == list(GROUPS)
    for container, repeats in zip(ax.containers, GROUPS.values(), strict=True):
        want = [interval(values, level or 0.95) for values in repeats.values()]
        x, means, half_widths = read_off(container)
        assert x.tolist() == list(repeats)
        np.testing.assert_allclose(means, [w.mean for w in want])
        np.testing.assert_allclose(half_widths, [w.half_width for w in want], atol=1e-12)


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=6), min_size=1, max_size=5), st.booleans())
def test_intervals_of_any_repeats(rows, as_tensor):
    repeats = {k / 2: torch.tensor(row).double() if as_tensor else row for k, row in enumerate(rows)}
    figure = plt.figure()
    (container,) = plotting.intervals(figure.add_subplot(), {"all": repeats}).containers
    x, means, half_widths = read_off(container)
    np.testing.assert_allclose(x, np.arange(len(rows)) / 2)
    np.testing.assert_allclose(means, [interval(list(row)).mean for row in repeats.values()], atol=1e-9)
    np.testing.assert_allclose(half_widths, [interval(list(row)).half_width for row in repeats.values()], atol=1e-9)
    plt.close(figure)


def test_groups_can_be_told_apart_without_colours():
    ax = plotting.intervals(plt.figure().add_subplot(), {str(k): {1: [0.0, 1.0], 2: [k, k]} for k in range(4)})
    looks = {(c.lines[0].get_marker(), c.lines[0].get_linestyle()) for c in ax.containers}
    assert len(looks) == 4 and len({c.lines[0].get_color() for c in ax.containers}) == 4


def test_more_groups_than_looks_begin_again_and_other_looks_can_be_given():
    groups = {str(k): {1: [0.0, 1.0]} for k in range(5)}
    ax = plotting.intervals(plt.figure().add_subplot(), groups)
    assert ax.containers[4].lines[0].get_marker() == ax.containers[0].lines[0].get_marker()
    ax = plotting.intervals(plt.figure().add_subplot(), groups, lines=["x:"])
    assert {(c.lines[0].get_marker(), c.lines[0].get_linestyle()) for c in ax.containers} == {("x", ":")}


@pytest.mark.parametrize("values", [[], [1.0]])
def test_a_single_repeat_has_no_interval_to_draw(values):
    with pytest.raises(ValueError, match=f"at least 2 repeats, got {len(values)}"):
        plotting.intervals(plt.figure().add_subplot(), {"one": {1: [1.0, 2.0], 2: values}})


def test_the_legend_has_a_name_for_every_colour_of_a_state():
    for width in (9, 4):
        figure, ax = plt.subplots(figsize=(width, 4))
        legend = plotting.state_legend() if width == 4 else plotting.state_legend(figure)
        assert legend in figure.legends and not ax.get_legend()
        dots = zip(legend.texts, legend.legend_handles, strict=True)
        assert {text.get_text(): dot.get_color() for text, dot in dots} == STATE_COLOURS
