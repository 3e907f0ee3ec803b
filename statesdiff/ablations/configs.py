"""What an ablation varies: the data, the schedule, the network, its training and the sampling, as one frozen record."""

from dataclasses import asdict, dataclass, fields
from functools import partial
from math import inf
from typing import Any

from torch import Tensor, nn

from statesdiff.ablations.curves import CURVES, DRAWS, rungs
from statesdiff.ablations.ensemble import Job
from statesdiff.ablations.homework import N_EMD, HomeworkDenoiser
from statesdiff.ablations.toys import points
from statesdiff.data import UNITS
from statesdiff.guidance import ClassifierFreeGuidance
from statesdiff.models import FREQUENCIES, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import SCHEDULES as NAMED
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import (
    Training,
    adam,
    adam_w,
    constant,
    cosine_decay,
    every_point_once,
    low_noise_t,
    one_cycle,
    uniform_t,
)

SCHEDULES = NAMED | CURVES
FIRST_SET = 10_000  # the seed of the first training set that is drawn anew: no other fresh points have it
SAMPLERS = ("beta", "beta_tilde", "ddim")
NETWORKS = {
    "raw": Denoiser,  # x_t and t_bar, as in the book's plain recipe
    "raw + skip": partial(Denoiser, skip=True),  # differs from fourier in the inputs alone
    "position": partial(Denoiser, x_frequencies=FREQUENCIES[0]),  # Fourier features of x_t
    "position + skip": partial(Denoiser, x_frequencies=FREQUENCIES[0], skip=True),
    "fourier": Denoiser.fourier,  # those of t_bar too, with the skip
    "sinusoidal": partial(HomeworkDenoiser, project=0),
    "homework": HomeworkDenoiser,  # a linear layer of 128 comes first
}
TIME_DRAWS = {"uniform": uniform_t, "low noise": low_noise_t} | DRAWS
RATES = {"constant": constant, "one cycle": one_cycle, "cosine": cosine_decay}
OPTIMISERS = {"adam": adam, "adamw": adam_w}
CHOICES = {
    "schedule": SCHEDULES,
    "units": UNITS,
    "network": NETWORKS,
    "activation": ("relu", "silu"),
    "lr_schedule": RATES,
    "optimiser": OPTIMISERS,
    "draw_t": TIME_DRAWS,
}
# name: (whole or any number, upper end, None allowed); all are above 0
NUMBERS = {
    "T": (int, inf, False),
    "n_train": (int, inf, True),
    "batch_size": (int, inf, False),
    "epochs": (float, inf, False),
    "lr": (float, inf, False),
    "beta_1": (float, 1.0, True),
    "beta_T": (float, 1.0, True),
    "average": (float, 1.0, True),
    "sets": (int, inf, True),
}


@dataclass(frozen=True)
class Sampling:
    """How n samples are drawn: with all steps and variance "beta" or "beta_tilde", or by "ddim" in `steps` with `eta`.

    With `grid`, the name of a schedule, ddim visits the times whose noise is nearest to that of the grid's `steps`
    times; left out, evenly spaced ones. With `guidance`, by classifier-free guidance to labels drawn in the proportions
    of the data; 0 is unconditional, 1 conditional. Raises ValueError for anything else.
    """

    sampler: str = "beta"
    steps: int | None = None
    eta: float = 0.0
    guidance: float | None = None
    n: int = 2000
    grid: str | None = None

    def check(self, T: int, labelled: bool) -> None:
        """Raise ValueError, naming the field, if a network of T times, with labels or without, cannot do this."""
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}; got {self.sampler!r}")
        if self.sampler == "ddim":
            if not (is_number(self.steps, int) and 1 <= self.steps <= T):
                raise ValueError(f"steps must be a whole number in 1..{T} for ddim, got {self.steps!r}")
        elif self.steps is not None or self.eta != 0 or self.grid is not None:
            got = f"{self.steps!r}, {self.eta!r} and {self.grid!r}"
            raise ValueError(f"steps, eta and grid are for ddim, not {self.sampler!r}; got {got}")
        if self.grid is not None and self.grid not in SCHEDULES:
            raise ValueError(f"grid must be one of {', '.join(SCHEDULES)} or None; got {self.grid!r}")
        if not (is_number(self.n, int) and self.n >= 4 * N_EMD and is_number(self.eta) and 0 <= self.eta <= 1):
            needed = f"n must be a whole number >= {4 * N_EMD} and eta lie in [0, 1]"
            raise ValueError(f"{needed}, got {self.n!r} and {self.eta!r}")
        if self.guidance is not None and not (is_number(self.guidance) and abs(self.guidance) < inf):
            raise ValueError(f"guidance must be a finite number or None, got {self.guidance!r}")
        if self.guidance is not None and not labelled:
            raise ValueError(f"guidance = {self.guidance} needs a network trained with labels: labelled=True")

    def times(self, schedule: NoiseSchedule) -> int | list[int]:
        """What ddim is given as its steps."""
        return self.steps if self.grid is None else rungs(schedule, SCHEDULES[self.grid](T=self.steps))

    def draw(self, model: nn.Module, schedule: NoiseSchedule, y: Tensor, seed: int) -> Tensor:
        """n samples, (n, D), where the model is; y (n,): the labels to guide to. FloatingPointError if they explode."""
        generator, device = stream("sample", seed), next(model.parameters()).device
        predictor = model if self.guidance is None else ClassifierFreeGuidance(model, y.to(device), self.guidance)
        x_T = randn(self.n, model.D, generator=generator, device=device)
        if self.sampler == "ddim":
            return last(ddim(predictor, schedule, x_T, steps=self.times(schedule), eta=self.eta, generator=generator))
        return last(ddpm(predictor, schedule, x_T, variance=self.sampler, generator=generator))


@dataclass(frozen=True)
class Config:
    """One denoiser to train and how to judge it; the defaults are the toy-set homework's.

    data: a toy set's name, "states", or the path of a file of points (N, D), brought to `units`, "minmax" or
    "standard". n_train keeps the first so many training points; with `sets` they are drawn anew, for seed s as set
    number s % sets. schedule: one of SCHEDULES; beta_1 and beta_T, left out, are its own. network: one of NETWORKS,
    with `hidden` layers. `epochs` passes over the training points. With `average`, a decay, the network ends with the
    exponential moving average of its weights. With `labelled`, labels are learnt, a fifth of them dropped. `samplings`:
    each gives a row of the table. Raises ValueError, naming the field, for what cannot be trained; FileNotFoundError
    for missing data.
    """

    data: str = "moons"
    units: str = "minmax"
    n_train: int | None = None
    sets: int | None = None
    schedule: str = "linear"
    T: int = 200
    beta_1: float | None = None
    beta_T: float | None = None
    network: str = "homework"
    hidden: tuple[int, ...] = (128,) * 5
    activation: str = "relu"
    labelled: bool = False
    epochs: float = 100
    batch_size: int = 64
    lr: float = 1e-3
    lr_schedule: str = "constant"
    optimiser: str = "adam"
    draw_t: str = "uniform"
    average: float | None = None
    samplings: tuple[Sampling, ...] = (Sampling(),)

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in tuple(allowed):
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        for name, (kind, below, optional) in NUMBERS.items():
            value = getattr(self, name)
            if not (optional and value is None) and not (is_number(value, kind) and 0 < value < below):
                what = "a whole number >= 1" if kind is int else f"a number above 0 and below {below:g}"
                raise ValueError(f"{name} must be {what}{' or None' * optional}; got {value!r}")
        if self.epochs == int(self.epochs):  # 100.0 and 100 are one setting, in a sweep's folder too
            object.__setattr__(self, "epochs", int(self.epochs))
        self._check_tuples()
        if not isinstance(self.labelled, bool):
            raise ValueError(f"labelled must be True or False, got {self.labelled!r}")
        for sampling in self.samplings:
            sampling.check(self.T, self.labelled)
        known, _ = points(self.data, self.units), self.noise
        if self.labelled and len(known.train.names) < 2:
            raise ValueError(f"labelled needs classes, {self.data} has one")
        if self.sets is not None and known.fresh is None:
            raise ValueError(f"sets = {self.sets} needs a distribution to draw from, {self.data} has none")

    def _check_tuples(self) -> None:
        sizes, ways = self.hidden, self.samplings
        if not (isinstance(sizes, tuple) and sizes and all(is_number(n, int) and n >= 1 for n in sizes)):
            raise ValueError(f"hidden must be a tuple of whole numbers >= 1, got {sizes!r}")
        if not (isinstance(ways, tuple) and ways and all(isinstance(way, Sampling) for way in ways)):
            raise ValueError(f"samplings must be a tuple of one Sampling or more, got {ways!r}")

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Config":
        """The configuration that a dictionary, such as JSON holds, describes. Raises ValueError for unknown names."""
        given = dict(_known(cls, given))
        for name in ("samplings", "hidden"):
            if isinstance(given.get(name), list):
                given[name] = tuple(given[name])
        if isinstance(given.get("samplings"), tuple):
            ways = given["samplings"]
            given["samplings"] = tuple(w if isinstance(w, Sampling) else Sampling(**_known(Sampling, w)) for w in ways)
        return cls(**given)

    @property
    def noise(self) -> NoiseSchedule:
        """The noise schedule itself."""
        given = {name: getattr(self, name) for name in ("beta_1", "beta_T") if getattr(self, name) is not None}
        try:
            return SCHEDULES[self.schedule](T=self.T, **given)
        except TypeError as error:
            raise ValueError(f"schedule {self.schedule!r} takes no {' and no '.join(given)}") from error

    @property
    def steps(self) -> int:
        """How many updates the epochs make."""
        return max(1, round(self.epochs * self._size / self.batch_size))

    @property
    def _size(self) -> int:
        """How many points it is trained on."""
        n = len(points(self.data, self.units).train)
        return min(n, self.n_train or n)

    @property
    def training(self) -> Training:
        """How the network is trained."""
        return Training(
            self.steps,
            self.batch_size,
            self.lr,
            RATES[self.lr_schedule],
            OPTIMISERS[self.optimiser],
            TIME_DRAWS[self.draw_t],
            every_point_once,
        )

    def job(self, seed: int) -> Job:
        """What `train_ensemble` needs, with weights and random numbers that depend on `seed` alone."""
        known = points(self.data, self.units)
        train = known.train if self.sets is None else known.fresh(self._size, FIRST_SET + seed % self.sets)
        x_0, y = train.x[: self.n_train], train.y[: self.n_train]
        model = init(
            NETWORKS[self.network],
            D=x_0.shape[1],
            T=self.T,
            hidden=self.hidden,
            activation=self.activation,
            n_classes=len(train.names) if self.labelled else 0,
            generator=stream("init", seed),
        )
        labels, generator = y if self.labelled else None, stream("train", seed)
        return Job(model, x_0, self.noise, labels, self.training, generator, self.average)

    def row(self, sampling: Sampling) -> dict[str, Any]:
        """The fields that a table shows, those of the sampling included; lists as text."""
        own = asdict(self) | {"hidden": " ".join(map(str, self.hidden))}
        del own["samplings"]
        return own | {
            "sampler": sampling.sampler,
            "sampling_steps": sampling.steps or self.T,
            "eta": sampling.eta,
            "grid": sampling.grid,
            "guidance": sampling.guidance,
            "n": sampling.n,
        }


def _known(kind: type, given: Any) -> dict[str, Any]:
    """What was given, if it is a dictionary whose keys are all fields of `kind`."""
    known = [field.name for field in fields(kind)]
    if not isinstance(given, dict):
        raise ValueError(f"a {kind.__name__} is wanted, or a dictionary of {', '.join(known)}; got {given!r}")
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"unknown: {', '.join(map(str, unknown))}; a {kind.__name__} has {', '.join(known)}")
    return given


def is_number(value: object, kind: type = float) -> bool:
    """Whether the value is a whole number (`int`) or any number (`float`); True and False are neither, nor is text."""
    return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
