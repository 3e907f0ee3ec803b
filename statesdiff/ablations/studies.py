"""The book's ablations by name: what each varies, from a quick look to the committed tables."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

from scipy.optimize import brentq

from statesdiff.ablations.configs import Config, Sampling
from statesdiff.schedule import SCHEDULES, NoiseSchedule

FIVE_SETS = ("moons", "circles", "blobs", "manycircles", "helix")
T_VALUES = (10, 50, 100, 150, 200, 500)
RANGES = ((1e-4, 0.02), (1e-3, 0.2), (1e-5, 0.002), (1e-5, 0.02), (1e-4, 0.2), (1e-5, 0.2))
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
SETS = 20  # training sets drawn anew: one for each seed
EPOCHS = (1, 2, 5, 10, 20, 50, 100, 200)
LINEAR = {"schedule": "linear", "beta_1": 1e-4, "beta_T": 0.02}
# Which network three of the second homework's four tables are about is not said. They print 126 for the helix in these
# settings, and its table of depths 120, 103 and 90 for its three networks: so it is the smallest.
SURFACE_CONFIG = Config(
    data="sine",
    units="standard",
    T=50,
    schedule="linear",
    beta_1=1e-5,
    beta_T=1.28e-2,
    network="sinusoidal",
    hidden=(64,),
    batch_size=1024,
)
SURFACES = ("sine", "helix")
# Changes to the settings of the surfaces: a network large enough, and trained long enough and at an annealed rate, for
# a verdict on the schedule: six times the updates, ten times the weights.
LARGE = {
    "network": "fourier",
    "hidden": (128,) * 3,
    "epochs": 150,
    "batch_size": 256,
    "lr": 4e-3,
    "lr_schedule": "one cycle",
    "optimiser": "adamw",
}
# The book's way on STATES, small enough to be trained a few hundred times.
STATES_CONFIG = Config(
    data="states",
    T=500,
    **LINEAR,
    network="fourier",
    hidden=(128,) * 3,
    epochs=200,
    batch_size=64,
    lr=2e-3,
    lr_schedule="one cycle",
    optimiser="adamw",
    draw_t="low noise",
)


def arrived(data: str, **changes) -> Config:
    """Where chapters 8 to 11 arrive: Fourier inputs, low-noise times, an annealed rate, T = 500 and beta_tilde."""
    ours = {"epochs": 400, "batch_size": 256, "lr": 4e-3, "samplings": (Sampling("beta_tilde"),)}
    return replace(STATES_CONFIG, data=data, **ours | changes)


@dataclass(frozen=True)
class Study:
    """What is compared, in one sentence, and what makes the configurations."""

    about: str
    configs: Callable[[], list[Config]]
    first_seed: int = 0  # above 0: seeds that no other study has, to confirm what another has selected

    def quick(self) -> list[Config]:
        """The same with a tenth of the epochs: minutes become seconds, and conclusions guesses."""
        return [replace(config, epochs=config.epochs / 10) for config in self.configs()]


def timesteps() -> list[Config]:
    return [Config(data=data, T=T, **LINEAR) for data, T in product(FIVE_SETS, T_VALUES)]


def timesteps_matched() -> list[Config]:
    both = (Sampling("beta"), Sampling("beta_tilde"))  # few steps have large betas, for which it matters
    return [
        Config(data=data, T=T, schedule="linear_matched", samplings=both) for data, T in product(FIVE_SETS, T_VALUES)
    ]


def sampling_steps() -> list[Config]:
    steps = (5, 10, 20, 50, 100, 200, 500)
    ways = [Sampling("ddim", n, eta) for eta, n in product((0.0, 1.0), steps)]
    return [
        replace(c, samplings=(*ways, Sampling("beta"), Sampling("beta_tilde")))
        for c in (STATES_CONFIG, Config(T=500, **LINEAR))
    ]


def rungs() -> list[Config]:
    """A network of 500 levels at even times and at those of the matched rungs, and networks of these rungs alone."""
    base, few = replace(STATES_CONFIG, epochs=30), (10, 50)
    even = [Sampling("ddim", n, 1.0, n=1000) for n in few]
    on_rungs = [replace(way, grid="linear_matched") for way in even]
    own = {"schedule": "linear_matched", "beta_1": None, "beta_T": None}
    taught = [replace(base, T=n, **own, samplings=(Sampling("beta_tilde", n=1000),)) for n in few]
    return [replace(base, samplings=(*even, *on_rungs)), *taught]


def betas() -> list[Config]:
    return [
        Config(data=data, T=200, schedule="linear", beta_1=low, beta_T=high)
        for data, (low, high) in product(FIVE_SETS, RANGES)
    ]


def reaching(name: str, T: int, beta_1: float, alpha_bar_T: float) -> float:
    """The beta_T with which the schedule of that name ends at alpha_bar_T."""

    def excess(beta_T: float) -> float:
        return SCHEDULES[name](T=T, beta_1=beta_1, beta_T=beta_T).alpha_bar_T - alpha_bar_T

    return float(brentq(excess, beta_1, 0.999))


def shapes(T: int = 200) -> list[Config]:
    end = NoiseSchedule.linear().alpha_bar_T
    ramps = {
        name: {"beta_1": 1e-4, "beta_T": reaching(name, T, 1e-4, end)}
        for name in ("linear", "scaled_linear", "sigmoid")
    }
    kinds = ramps | {"cosine": {}, "sech": {}}
    return [Config(data=data, T=T, schedule=name, **kinds[name]) for data, name in product(FIVE_SETS, kinds)]


def guided(sampler: str) -> tuple[Sampling, ...]:
    # The homework's w counts from the conditional network: scale = 1 + w. Both readings of its five numbers are run.
    return tuple(
        Sampling(sampler, guidance=scale, n=1200) for scale in sorted({*STRENGTHS, *(1 + w for w in STRENGTHS)})
    )


def guidance() -> list[Config]:
    return [Config(data=data, T=200, **LINEAR, labelled=True, samplings=guided("beta")) for data in FIVE_SETS]


def guidance_best() -> list[Config]:
    return [arrived(data, labelled=True, samplings=guided("beta_tilde")) for data in FIVE_SETS]


def surface_epochs() -> list[Config]:
    return [replace(SURFACE_CONFIG, data=data, epochs=epochs) for data, epochs in product(SURFACES, (100, 500, 1000))]


def surface_depth() -> list[Config]:
    depths = ((64,), (64, 64), (64, 128, 128))
    return [replace(SURFACE_CONFIG, data=data, hidden=hidden) for data, hidden in product(SURFACES, depths)]


def surface_timesteps() -> list[Config]:
    return [replace(SURFACE_CONFIG, data=data, T=T) for data, T in product(SURFACES, (10, 50, 100, 150, 200))]


def surface_schedules() -> list[Config]:
    ramps = [replace(SURFACE_CONFIG, schedule=name) for name in ("linear", "scaled_linear", "sigmoid")]
    free = [replace(SURFACE_CONFIG, schedule=name, beta_1=None, beta_T=None) for name in ("cosine", "sech")]
    # What the report's columns are called may be swapped: both readings, the betas fall or they rise. One range that
    # rises is the linear ramp above.
    ranged = [
        replace(SURFACE_CONFIG, beta_1=first, beta_T=last)
        for pair in ((1.28e-2, 1e-3), (1.28e-2, 1e-5), (1.28e-1, 1e-6))
        for first, last in (pair, pair[::-1])
    ]
    shapes = [replace(config, data=data) for data in SURFACES for config in ramps + free]
    return list(dict.fromkeys(shapes + ranged))  # the ranges are published for the surface alone


def epochs() -> list[Config]:
    rates = (("constant", 1e-3), ("one cycle", 2e-3))
    return [replace(STATES_CONFIG, epochs=n, lr_schedule=rate, lr=lr) for (rate, lr), n in product(rates, EPOCHS)]


def epochs_averaged() -> list[Config]:
    long = [config for config in epochs() if config.lr_schedule == "constant" and config.epochs >= 50]
    return [replace(config, average=0.999) for config in long]


def drawn_anew(n: int, share: float) -> Config:
    """A constant rate on n points, a draw of their own for every seed; share 1: the updates of 200 epochs of 5,000."""
    epochs = 200 * share * 5000 / n
    way = {"lr_schedule": "constant", "lr": 1e-3, "samplings": (Sampling("ddim", 100, 1.0),)}
    return replace(STATES_CONFIG, n_train=n, sets=SETS, epochs=epochs, **way)


def memorisation() -> list[Config]:
    sizes, shares = (50, 200, 500, 1000, 5000), (0.1, 1.0)
    return [drawn_anew(n, share) for n, share in product(sizes, shares)]


def depth() -> list[Config]:
    shapes = [(width,) * layers for layers, width in product((1, 2, 3, 4, 6), (16, 32, 64, 128))]
    return [
        replace(STATES_CONFIG, epochs=60, network=network, hidden=hidden)
        for network, hidden in product(("raw + skip", "fourier"), shapes)
    ]


def smallest() -> list[Config]:
    shapes = ((24,) * 4, (32,) * 3, (48,) * 2, (32,) * 4, (48,) * 3, (64,) * 3, (64,) * 4)
    return [replace(STATES_CONFIG, epochs=60, hidden=hidden) for hidden in shapes]


def activations() -> list[Config]:
    return [
        replace(STATES_CONFIG, network=network, activation=activation)
        for network, activation in product(("raw + skip", "fourier"), ("relu", "silu"))
    ]


def sharper() -> list[Config]:
    # every combination of the three changes of chapter 3, 800 updates of 512 points
    networks = ("raw", "raw + skip", "position", "position + skip")
    common = replace(STATES_CONFIG, batch_size=512, lr=8e-3, samplings=(Sampling("ddim", 50),))
    return [
        replace(common, network=network, draw_t=draw_t, epochs=800 * 512 / 5000)
        for network, draw_t in product(networks, ("uniform", "low noise"))
    ]


def best() -> list[Config]:
    return [arrived(data) for data in FIVE_SETS]


def surface_best() -> list[Config]:
    return [arrived(data, units="standard") for data in SURFACES]


STUDIES = {
    "timesteps": Study("T with beta from 1e-4 to 0.02 whatever T is: the published design", timesteps),
    "timesteps-matched": Study("T with the same alpha_bar_T for every T", timesteps_matched),
    "sampling-steps": Study("how many steps a network of T = 500 is sampled in", sampling_steps),
    "rungs": Study("few steps with a network of T = 500, even or on matched rungs, or with one of these rungs", rungs),
    "betas": Study("the range of beta at T = 200: the published design", betas),
    "shapes": Study("the shape of the schedule at T = 200, the ramps ending at the same alpha_bar_T", shapes),
    "toy-guidance": Study("the scale of classifier-free guidance: the published design", guidance),
    "surface-epochs": Study("epochs, on the sine surface and the helix: the published design", surface_epochs),
    "surface-depth": Study("three depths, on the sine surface and the helix: the published design", surface_depth),
    "surface-timesteps": Study("T, on the sine surface and the helix: the published design", surface_timesteps),
    "surface-schedules": Study("schedules, on the sine surface and the helix: the published design", surface_schedules),
    "epochs": Study("how long to train, with a constant and an annealed learning rate", epochs),
    "epochs-averaged": Study("the same trainings at a constant rate, their weights averaged", epochs_averaged),
    "memorisation": Study(
        "training points, a set for every seed, and updates: when samples become copies", memorisation
    ),
    "depth": Study("depth and width, raw and Fourier inputs", depth),
    "smallest": Study("small Fourier networks on seeds that chose none of them", smallest, first_seed=100),
    "best": Study("the settings that the ablations lead to, on the five toy sets", best),
    "toy-guidance-best": Study("the scale of classifier-free guidance with the same settings", guidance_best),
    "surface-best": Study("the same settings on the sine surface and the helix, standardised", surface_best),
    "activations": Study("ReLU and SiLU", activations),
    "sharper": Study(
        "Fourier inputs, skip and low-noise times, alone and together, in 800 updates of 512 points", sharper
    ),
}
