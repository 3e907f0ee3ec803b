"""The book's studies: each varies what it says and keeps what it says it keeps."""

from collections import Counter

import pytest

from statesdiff.ablations.configs import Config
from statesdiff.ablations.studies import FIVE_SETS, STRENGTHS, STUDIES, T_VALUES, reaching
from statesdiff.ablations.sweep import grouped
from statesdiff.schedule import NoiseSchedule

END = NoiseSchedule.linear().alpha_bar_T
# name: fields that may differ between the configurations
VARIED = {
    "timesteps": {"data", "T"},
    "timesteps-matched": {"data", "T"},
    "sampling-steps": {"data", "network", "hidden", "epochs", "lr", "lr_schedule", "optimiser", "draw_t"},
    "rungs": {"T", "schedule", "beta_1", "beta_T", "samplings"},
    "betas": {"data", "beta_1", "beta_T"},
    "shapes": {"data", "schedule", "beta_1", "beta_T"},
    "toy-guidance": {"data"},
    "toy-guidance-best": {"data"},
    "surface-best": {"data"},
    "surface-epochs": {"data", "epochs"},
    "surface-depth": {"data", "hidden"},
    "surface-timesteps": {"data", "T"},
    "surface-schedules": {"data", "schedule", "beta_1", "beta_T"},
    "epochs": {"epochs", "lr_schedule", "lr"},
    "epochs-averaged": {"epochs"},
    "memorisation": {"n_train", "epochs"},
    "smallest": {"hidden"},
    "depth": {"network", "hidden"},
    "best": {"data"},
    "activations": {"network", "activation"},
    "sharper": {"network", "draw_t"},
}


def differing(configs):
    return {name for name in vars(configs[0]) if len({getattr(config, name) for config in configs}) > 1}


def test_every_study_is_looked_at_here():
    assert set(VARIED) == set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_varies_what_it_is_about_and_nothing_else(name):
    configs = STUDIES[name].configs()
    assert differing(configs) == VARIED[name]
    assert len(set(configs)) == len(configs) >= 2 and STUDIES[name].about


@pytest.mark.parametrize("name", STUDIES)
def test_quick_is_the_same_with_a_tenth_of_the_epochs(name):
    full, quick = STUDIES[name].configs(), STUDIES[name].quick()
    assert [q.epochs for q in quick] == pytest.approx([f.epochs / 10 for f in full])
    assert [vars(q) | {"epochs": 0} for q in quick] == [vars(f) | {"epochs": 0} for f in full]


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_cut_into_chunks_that_hold_all_of_it(name):
    runs = [(config, 0) for config in STUDIES[name].quick()]
    assert Counter(run for chunk in grouped(runs, 2) for run in chunk) == Counter(runs)


def test_the_published_tables_have_every_cell():
    cells = {(c.data, c.T) for c in STUDIES["timesteps"].configs()}
    assert cells == {(data, T) for data in FIVE_SETS for T in T_VALUES}
    assert {(c.beta_1, c.beta_T) for c in STUDIES["timesteps"].configs()} == {(1e-4, 0.02)}
    ranges = Counter((c.beta_1, c.beta_T) for c in STUDIES["betas"].configs())
    assert len(ranges) == 6 and set(ranges.values()) == {5}
    assert all((c.epochs, c.batch_size, c.network) == (100, 64, "homework") for c in STUDIES["timesteps"].configs())
    guided = [c for name in ("toy-guidance", "toy-guidance-best") for c in STUDIES[name].configs()]
    (strengths,) = {tuple(s.guidance for s in c.samplings) for c in guided}
    assert {0.25, 0.5, 1, 2, 4} | {1.25, 1.5, 2, 3, 5} == set(strengths) == {*STRENGTHS, *(1 + w for w in STRENGTHS)}
    assert all(c.T == 50 and c.batch_size == 1024 for c in STUDIES["surface-depth"].configs())


def test_the_matched_design_ends_where_it_says():
    matched = STUDIES["timesteps-matched"].configs()
    assert {(c.data, c.T) for c in matched} == {(data, T) for data in FIVE_SETS for T in T_VALUES}
    assert [c.noise.alpha_bar_T for c in matched] == pytest.approx([END] * len(matched), rel=1e-8)
    naive = [c.noise.alpha_bar_T for c in STUDIES["timesteps"].configs() if c.data == "moons"]
    assert naive[0] > 0.85 and naive[-1] < 0.01  # which is what is wrong with it


def test_the_second_homeworks_ranges_are_read_both_ways():
    ranges = {(c.beta_1, c.beta_T) for c in STUDIES["surface-schedules"].configs() if c.schedule == "linear"}
    assert {(last, first) for first, last in ranges - {(1e-5, 1.28e-2)}} <= ranges and len(ranges) == 6
    assert {c.data for c in STUDIES["surface-schedules"].configs() if c.beta_1 not in (1e-5, None)} == {"sine"}


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "sigmoid"])
def test_a_ramp_reaches_the_end_that_is_asked_for(name):
    beta_T = reaching(name, 200, 1e-4, END)
    assert Config(T=200, schedule=name, beta_1=1e-4, beta_T=beta_T).noise.alpha_bar_T == pytest.approx(END, rel=1e-6)
    used = [c for c in STUDIES["shapes"].configs() if c.schedule == name]
    assert {c.data for c in used} == set(FIVE_SETS) and {c.beta_T for c in used} == {beta_T}


def test_memorisation_compares_equal_numbers_of_updates_on_sets_of_their_own():
    by_size = {}
    for config in STUDIES["memorisation"].configs():
        by_size.setdefault(config.n_train, set()).add(config.steps)
        assert config.sets == 20
    assert len(by_size) == 5 and len({tuple(steps) for steps in by_size.values()}) == 1


def test_what_confirms_has_seeds_of_its_own():
    assert STUDIES["smallest"].first_seed == 100
    assert {name for name, study in STUDIES.items() if study.first_seed} == {"smallest"}
    tried = {c.hidden for c in STUDIES["depth"].configs() if c.network == "fourier"}
    assert len(tried & {c.hidden for c in STUDIES["smallest"].configs()}) >= 3


def test_sharper_has_every_combination_once_and_gives_each_as_many_updates():
    cells = Counter()
    for config in STUDIES["sharper"].configs():
        model = config.job(0).model
        cells[(config.steps, config.draw_t, model.skip, bool(model.x_frequencies))] += 1
    assert len(cells) == 2 * 2 * 2 and set(cells.values()) == {1}
    assert {steps for steps, *_ in cells} == {800}
