"""What a file of samples is worth: its NLL, the floor that real points reach, and what the NLL cannot see."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree
from torch import Tensor

from statesdiff.data import Dataset, outline_points, states
from statesdiff.metrics import class_accuracy, coverage, mean_distance, nll
from statesdiff.project.submission import CONDITIONAL, UNCONDITIONAL

PASS, CLEAN = 2.5, 2.3  # the rubric's cut, and the value below which the handout expects a program without bugs
SAME = 1e-4  # two points are the same point: a hundredth of the distance between neighbours in the data

# Where a warning begins. None of them costs marks. The numbers in brackets are what honest solutions reach.
TOO_HIGH = 0.1  # NLL above its floor: noise of 0.12 about every point (0.02)
TOO_LOW = -0.05  # NLL below its floor: thirteen standard errors for 5,000 points; without Oklahoma it is -0.08
WRONG_CLASS = 0.95  # share in the class (0.98 and more)
UNCOVERED = 0.8  # share of a state that has a sample near it (0.95 and more)
SCARCE = 0.5  # a state's share of the samples, divided by its share of the data (0.9 to 1.1)
BLURRED = 0.04  # mean distance to the nearest real point: noise of 0.08 about every point (0.01 to 0.03)
DUPLICATED = 0.05  # share of samples that repeat another one exactly (0; 0.01 in half precision)
COPIED = 0.01  # share of samples on top of a training point, beyond what real points reach among themselves (0.0005)


@dataclass(frozen=True)
class Measures:
    """What was measured on one sample file. Shares are between 0 and 1, distances in units of x, NLL in nats.

    `floor`, `distance_floor` and `copies_floor` are the same measurements on the real points: the NLL of those of the
    class, and for the other two, each real point against the rest. `label` and `class_accuracy` are None for the
    unconditional set.
    """

    file: str
    label: int | None
    n: int
    nll: float
    floor: float
    gap: float
    passes: bool
    clean: bool
    class_accuracy: float | None
    coverage: float
    distance: float
    distance_floor: float
    duplicates: float
    copies: float
    copies_floor: float
    warnings: list[str]


class Reference:
    """The real data that samples are held against, and what needs to be worked out only once. Not tied to a submission.

    data: points in two dimensions with all five labels; left out, STATES with its true outline, in the draw of `seed`.
    cut, clean: the NLL that samples have to stay below, and that of a program without bugs. Raises ValueError for other
    data or a cut that is no finite number.
    """

    def __init__(self, data: Dataset | None = None, *, seed: int = 0, cut: float = PASS, clean: float = CLEAN) -> None:
        if not (math.isfinite(cut) and math.isfinite(clean)):
            raise ValueError(f"the cuts must be finite numbers, got {cut} and {clean}")
        self.own, self.cut, self.clean = data is None, cut, clean
        self.data = states(seed=seed) if data is None else data
        counts = self.data.y.bincount(minlength=len(CONDITIONAL))
        distinct = [len(self.data.of_class(y).unique(dim=0)) for y in range(len(CONDITIONAL))]
        if self.data.x.shape[1] != 2 or len(counts) != len(CONDITIONAL) or min(distinct) < 2:
            raise ValueError(
                f"--data must be points in two dimensions with at least two of each label 0 to {len(CONDITIONAL) - 1}, "
                f"got dimension {self.data.x.shape[1]} and {counts.tolist()} points of the labels, {distinct} different"
            )
        name = f"STATES{f', seed {seed}' if seed else ''}" if self.own else "the data given"
        self.name = f"{name} ({len(self.data):,} points)"
        self.labels = range(len(CONDITIONAL))

    def points(self, label: int | None) -> Tensor:
        """The real points of a class, or all for None, (m, 2)."""
        return self.data.x if label is None else self.data.of_class(label)

    def target(self, label: int) -> Tensor:
        """What the samples of a class should cover: the true outline, or the points if that is all we have, (M, 2)."""
        return outline_points(4000, label) if self.own else self.points(label)

    @cached_property
    def floors(self) -> dict[int | None, tuple[float, float, float]]:
        """NLL, mean distance and share of copies of the real points themselves, for each class and for all."""
        floor = {label: nll(self.points(label), self.data.x) for label in self.labels}
        floor[None] = np.average([*floor.values()], weights=self.data.y.bincount())
        found = {}
        for label in floor:
            x = self.points(label).unique(dim=0)  # a row that the data repeat is nobody's copy
            other = cKDTree(x).query(x, k=2)[0][:, 1]
            found[label] = float(floor[label]), float(other.mean()), float((other <= SAME).mean())
        return found


def measure(samples: Tensor, label: int | None, reference: Reference) -> Measures:
    """Everything we know to measure on samples (n, 2) that were meant to be of class `label`, or of all for None."""
    data, real = reference.data, reference.points(label)
    floor, distance_floor, copies_floor = reference.floors[label]
    covered = [coverage(samples, reference.target(y)) for y in (reference.labels if label is None else [label])]
    found = nll(samples, data.x)
    measures = Measures(
        file=(UNCONDITIONAL if label is None else CONDITIONAL[label]).split("/")[1],
        label=label,
        n=len(samples),
        nll=found,
        floor=floor,
        gap=found - floor,
        passes=found < reference.cut,
        clean=found < reference.clean,
        class_accuracy=None if label is None else class_accuracy(samples, label, data),
        coverage=float(np.mean(covered)),
        distance=mean_distance(samples, real),
        distance_floor=distance_floor,
        duplicates=1 - len(samples.unique(dim=0)) / len(samples),
        copies=float((cKDTree(real).query(samples)[0] <= SAME).mean()),
        copies_floor=copies_floor,
        warnings=[],
    )
    measures.warnings.extend(_warnings(measures, _shares(samples, data), covered, data))
    return measures


def _shares(samples: Tensor, data: Dataset) -> np.ndarray:
    """The share of the samples whose nearest real point has each label."""
    nearest = cKDTree(data.x).query(samples)[1]
    return np.bincount(data.y.numpy()[nearest], minlength=len(data.names)) / len(samples)


def _warnings(m: Measures, shares: np.ndarray, covered: list[float], data: Dataset) -> list[str]:
    found = [
        (m.gap > TOO_HIGH, f"the NLL is {m.gap:.2f} above that of real points"),
        (
            m.gap < TOO_LOW,
            f"the NLL is {-m.gap:.2f} below that of real points: too many samples where the data are densest",
        ),
        (
            m.distance > BLURRED,
            f"samples are {m.distance:.3f} from the nearest real point, on average: blurred, or astray",
        ),
        (m.duplicates > DUPLICATED, f"{m.duplicates:.1%} of the samples repeat another one: collapsed, or filled up"),
        (m.copies - m.copies_floor > COPIED, f"{m.copies:.1%} of the samples are copies of training points"),
    ]
    if m.label is None:
        wanted = data.y.bincount().numpy() / len(data)
        for name, share, want, part in zip(data.names, shares, wanted, covered, strict=True):
            found.append((share < SCARCE * want, f"{share:.1%} of the samples are near {name}, in the data {want:.1%}"))
            found.append((part < UNCOVERED, f"{name} is covered to {part:.0%} only"))
    else:
        name, most = data.names[m.label], int(shares.argmax())
        where = "" if most == m.label else f", most lie nearest to {data.names[most]}"
        wrong = f"{m.class_accuracy:.1%} of the samples are of class {m.label}, {name}, by the exact posterior{where}"
        found.append((m.class_accuracy < WRONG_CLASS, wrong))
        found.append((m.coverage < UNCOVERED, f"{name} is covered to {m.coverage:.0%} only"))
    return [text for true, text in found if true]
