"""What an ablation varies: the data, the schedule, the network, its training and the sampling, as one frozen record."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from statesdiff import judging, training
from statesdiff.ensemble import Job
from statesdiff.judging import Sampling
from statesdiff.models import FREQUENCIES, Denoiser, SinusoidalDenoiser, init
from statesdiff.rng import stream
from statesdiff.schedule import SCHEDULES, NoiseSchedule

NETWORKS = {
    "raw": Denoiser,  # x_t and t_bar, the project's
    "fourier": lambda **shape: Denoiser(x_frequencies=FREQUENCIES[0], t_frequencies=FREQUENCIES[1], skip=True, **shape),
    "sinusoidal": lambda **shape: SinusoidalDenoiser(project=0, **shape),
    "homework": SinusoidalDenoiser,  # the toy-set homework's: a linear layer of 128 comes first
}
TIMES = {"uniform": training.uniform_t, "low noise": training.low_noise_t}
RATES = {"constant": training.constant, "one cycle": training.one_cycle, "cosine": training.cosine_decay}
OPTIMISERS = {"adam": training.adam, "adamw": training.adam_w}
CHOICES = {
    "schedule": SCHEDULES,
    "scale": ("minmax", "standard"),
    "network": NETWORKS,
    "activation": ("relu", "silu"),
    "lr_schedule": RATES,
    "optimiser": OPTIMISERS,
    "draw_t": TIMES,
}


@dataclass(frozen=True)
class Config:
    """One denoiser to train and how to judge it; the defaults are the toy-set homework's.

    data: a toy set's name, "states", or the path of a .npy of points (N, D), brought to `scale`: "minmax", [-1, 1] in each
    coordinate, or "standard". n_train keeps the first so many training points. schedule: one of SCHEDULES; beta_1 and
    beta_T, left out, are its own. network: one of NETWORKS, with `hidden` layers. `epochs` passes over the training
    points. With `labelled`, labels are learnt, a fifth of them dropped. `samplings`: each gives a row of the table.
    Raises ValueError, naming the field, for what cannot be trained; FileNotFoundError for missing data.
    """

    data: str = "moons"
    scale: str = "minmax"
    n_train: int | None = None
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
    samplings: tuple[Sampling, ...] = (Sampling(),)

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}")
        for name in ("n_train", "epochs", "batch_size", "lr"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive, got {value!r}")
        if not self.hidden or min(self.hidden) < 1 or not self.samplings:
            raise ValueError(f"hidden needs sizes >= 1 and samplings an entry, got {self.hidden} and {self.samplings}")
        for sampling in self.samplings:
            sampling.check(self.T, self.labelled)
        known, _ = judging.points(self.data, self.scale), self.noise
        if self.labelled and len(known.train.names) < 2:
            raise ValueError(f"labelled needs classes, {self.data} has one")

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Config":
        """The configuration that a dictionary, such as JSON holds, describes. Raises ValueError for unknown names."""
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"unknown: {', '.join(unknown)}; a configuration has {', '.join(known)}")
        given = dict(given)
        if "samplings" in given:
            given["samplings"] = tuple(s if isinstance(s, Sampling) else Sampling(**s) for s in given["samplings"])
        if "hidden" in given:
            given["hidden"] = tuple(given["hidden"])
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
        n = len(judging.points(self.data, self.scale).train)
        return max(1, round(self.epochs * min(n, self.n_train or n) / self.batch_size))

    def job(self, seed: int) -> Job:
        """What `train_ensemble` needs, with weights and random numbers that depend on `seed` alone."""
        train = judging.points(self.data, self.scale).train
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
        return Job(
            model,
            x_0,
            self.noise,
            y if self.labelled else None,
            steps=self.steps,
            batch_size=self.batch_size,
            lr=self.lr,
            draw_t=TIMES[self.draw_t],
            lr_schedule=RATES[self.lr_schedule],
            optimiser=OPTIMISERS[self.optimiser],
            generator=stream("train", seed),
        )

    def row(self, sampling: Sampling) -> dict[str, Any]:
        """The fields that a table shows, those of the sampling included; lists as text."""
        own = asdict(self) | {"hidden": " ".join(map(str, self.hidden))}
        del own["samplings"]
        how = asdict(sampling)
        return (
            own
            | {"sampler": how["sampler"], "sampling_steps": how["steps"] or self.T, "eta": how["eta"]}
            | {
                "guidance": how["scale"],
                "n": how["n"],
            }
        )
