"""What the chapter about pictures claims of samples, steps, guidance and trainings, on Fashion-MNIST with floors.

python benchmarks/pictures.py                # all that is missing, half an hour of one core, into both tables
python benchmarks/pictures.py steps floor    # the runs of these studies alone, no table: pictures.csv has all or none
python benchmarks/pictures.py between        # pictures-between.csv

Every row is a set of n pictures, as many of each class, judged in the features of the book's own classifier: Fréchet's
distance to the 60,000 training images, the share that the classifier takes for what was asked, and precision and recall
against 1,000 test images. "floor" is real test images, as many of each class, judged in the same way. "trained"
compares trainings of a small U-Net that differ in one thing; "perceptron" is the book's own plain network on the 784
numbers of T-shirts. Each run is a file in the folder, so that a run that was stopped goes on.
"""

import argparse
import platform
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from runs import Key, run_all
from torch import Tensor, nn

from statesdiff.data import Dataset
from statesdiff.files.atomic import write_atomically
from statesdiff.guidance import ClassifierFreeGuidance
from statesdiff.images import paths
from statesdiff.images.fashion import fashion_mnist, of_each_class
from statesdiff.images.garments import in_bytes, sleeves
from statesdiff.images.metrics import accuracy, features, frechet, within
from statesdiff.images.pretrained import fashion_classifier, fashion_unet
from statesdiff.images.training import PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.models import Denoiser, init
from statesdiff.results import FOLDER, processors
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, last
from statesdiff.schedule import SCHEDULES, NoiseSchedule
from statesdiff.solvers import dpm_solver, euler
from statesdiff.training import cosine_decay, train_denoiser

N = 1000
SCALES = (0.0, 2.0, 4.0)  # 1 is the network told the label
UPDATES, BATCH, CHANNELS = 400, 64, 16  # of the small U-Nets
EPOCHS = 100  # of the perceptrons, over 6,000 T-shirts


# Studies: each makes the rows of one run


def floor(seed: int) -> list[dict]:
    """Real test images: a hundred of each class, five hundred of each from each half, and once a thousand T-shirts."""
    test, few = fashion_mnist("test"), real(seed)
    rows = [judged(few.x, few.y, seed, study="floor", n=N)]
    if seed < 2:
        half = of_each_class(test, 500, first=500 * seed)
        rows.append(judged(half.x, half.y, seed, study="floor", n=5000))
    if seed == 0:
        rows.append(judged(test.of_class(0), 0, seed, study="floor", n=N, shirts=True))
    return rows


def steps(solver: str, many: int, seed: int) -> list[dict]:
    """The book's U-Net told the label, through so many evaluations of a solver."""
    net, schedule = fashion_unet()
    x_T, y = starts(seed)
    how = SOLVERS[solver][0]
    if solver == "fresh noise":
        how = partial(how, generator=stream("fresh", seed))  # one for all parts
    drawn = by_parts(lambda x, told: how(partial(net, y=told), schedule, x, many), x_T, y)
    return [judged(drawn, y, seed, study="steps", solver=solver, evaluations=many)]


def guided(scale: float, seed: int) -> list[dict]:
    """The book's U-Net with classifier-free guidance of that scale."""
    net, schedule = fashion_unet()
    x_T, y = starts(seed)
    drawn = by_parts(lambda x, told: quick(ClassifierFreeGuidance(net, told, scale), schedule, x), x_T, y)
    return [judged(drawn, y, seed, study="guided", solver="dpm_solver", evaluations=10, scale=scale)]


def many(seed: int) -> list[dict]:
    """Five thousand pictures by 50 steps of DDIM, as tools/make_fashion.py judges what it has trained."""
    net, schedule = fashion_unet()
    x_T, y = starts(seed, 5000)
    drawn = by_parts(lambda x, told: _evenly(partial(net, y=told), schedule, x, 50), x_T, y)
    return [judged(drawn, y, seed, study="many", solver="ddim", evaluations=50, n=5000)]


class Predicting(UNet):
    """A `UNet` whose layers give the noise ("eps"), the clean image ("x_0") or v, and are trained on just that."""

    def __init__(self, predicts: str, **config: int | str) -> None:
        super().__init__(**config)
        self.predicts = predicts

    def velocity(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """v_hat, made from what the layers give."""
        given = super().velocity(x_t, t, y)
        a, b = (root[t][:, None, None, None].to(x_t) for root in (self.alpha_bar.sqrt(), (1 - self.alpha_bar).sqrt()))
        return {"v": lambda: given, "eps": lambda: (given - b * x_t) / a, "x_0": lambda: (a * x_t - given) / b}[
            self.predicts
        ]()


class Training(PictureTraining):
    """A `PictureTraining` whose loss is that of what the network predicts."""

    def loss(self, x_t: Tensor, t: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """E |what is predicted - its guess|^2: the loss of v, times alpha_bar for eps, times 1 - alpha_bar for x_0."""
        a, b = self.signal[t][:, None, None, None], self.noise[t][:, None, None, None]
        weight = {"v": 1.0, "eps": a, "x_0": b}[self.net.predicts]
        return (weight * (self.net.velocity(x_t, t, y) - v)).square().mean()


def trained(predicts: str, schedule: str, seed: int) -> list[dict]:
    """A small U-Net by UPDATES updates: its last weights and their average, with x_0_hat clipped in sampling or not."""
    data, started = fashion_mnist("train"), time.process_time()
    how = {"channels": CHANNELS, "schedule": schedule, "generator": stream("pictures/small", seed)}
    of = Training(
        init(Predicting, predicts=predicts, **how), data.x, data.y, steps=UPDATES, batch_size=BATCH, seed=seed
    )
    for _ in of.updates():
        pass
    took, (x_T, y), rows = time.process_time() - started, starts(seed), []
    noise = SCHEDULES[schedule](T=1000)
    about = {
        "study": "trained",
        "predicts": predicts,
        "schedule": schedule,
        "solver": "dpm_solver",
        "seconds": round(took),
    }
    for weights, net in (("average", of.average), ("last", of.net)):
        net = net.eval().requires_grad_(False)
        for keep in (False, True) if weights == "average" else (True,):
            draw = partial(asked, clipped(net, noise) if keep else net, noise)
            drawn = by_parts(draw, x_T, y)
            rows.append(judged(drawn, y, seed, weights=weights, clipped=keep, **about))
    return rows


def perceptron(predicts: str, seed: int) -> list[dict]:
    """The book's plain network of 4 x 256 on the 784 numbers of T-shirts, which gives the noise or the clean image."""
    net, schedule, loss, took = shirt_perceptron(predicts, seed)
    x_T, _ = starts(seed)
    drawn = last(ddim(flat(net, schedule, predicts), schedule, x_T, steps=50))
    if seed == 0:  # what tools/make_fashion.py garments takes into the package
        np.save(KEPT / f"perceptron-{predicts}.npy", in_bytes(drawn[:16, 0]))
    about = {"study": "perceptron", "predicts": predicts, "solver": "ddim", "evaluations": 50, "shirts": True}
    return [judged(drawn, 0, seed, loss=loss, seconds=round(took), **about)]


def shirts(seed: int) -> list[dict]:
    """The U-Net asked for T-shirts alone, for comparison with the perceptron."""
    net, schedule = fashion_unet()
    x_T, _ = starts(seed)
    drawn = by_parts(partial(asked, net, schedule), x_T, torch.zeros(N).long())
    return [judged(drawn, 0, seed, study="shirts", solver="dpm_solver", shirts=True)]


def nearest(seed: int) -> list[dict]:
    """How far samples, and as many real test images, are from the training image that is next to them, in pixels."""
    net, schedule = fashion_unet()
    x_T, y = starts(seed)
    drawn = by_parts(partial(asked, net, schedule), x_T, y).clamp(-1, 1)
    train, rows = fashion_mnist("train").x.flatten(1), []
    for name, x in (("samples", drawn), ("real", real(seed).x)):
        away = torch.cat([torch.cdist(part, train).amin(1) for part in x.flatten(1).split(200)])
        found = {"set": "all", "study": "nearest", "of": name, "n": N, "seed": seed}
        rows.append(found | {"distance": float(away.median()), "closest": float(away.min())})
    return rows


# Between two garments: a table of its own


def between(pair: int) -> list[dict]:
    """From a T-shirt with half sleeves to a pullover with full ones, by every way: how the sleeve grows."""
    test, (net, schedule) = fashion_mnist("test"), fashion_unet()
    a, b = (chosen[pair] for chosen in half_and_full(test))
    rows = []
    for way, frames in paths.ways(net, schedule, a[None], b[None], (0, 2)).items():
        frames = frames.clamp(-1, 1)
        length, middle = sleeves(frames), len(frames) // 2
        belief = fashion_classifier()(frames).softmax(1)[:, 2].detach()
        seen = features(fashion_classifier(), frames[middle : middle + 1])
        grown = (length - length[0]) / (length[-1] - length[0])
        found = {"halfway": float(grown[middle]), "largest step": float(grown.diff().max())}
        found["steps back"] = int((grown.diff() < -0.1).sum())
        found["in between"] = int(((grown > 0.25) & (grown < 0.75)).sum())
        found |= {"pullover halfway": float(belief[middle]), "looks real": within(seen, real_features())}
        rows.append({"way": way, "pair": pair, **found})
    return rows


def half_and_full(test: Dataset) -> tuple[Tensor, Tensor]:
    """The T-shirts whose sleeves end in rows 9 to 14, and the pullovers whose do in rows 26 to 28."""
    shirts, pullovers = test.of_class(0), test.of_class(2)
    short, long = sleeves(shirts), sleeves(pullovers)
    return shirts[(short >= 9) & (short <= 14)], pullovers[long >= 26]


@cache
def real_features() -> Tensor:
    """Of the last 2,000 test images, among which are the ends of no path: its middle would lie near them."""
    return features(fashion_classifier(), fashion_mnist("test").x[-2000:])


# Networks and samples


def shirt_perceptron(predicts: str, seed: int) -> tuple[nn.Module, NoiseSchedule, float, float]:
    """The perceptron trained on T-shirts, its schedule, its loss near t = T, and the seconds that it took.

    The loss is that in the noise at t = T - 10, of the first N T-shirts that it was trained on.
    """
    x_0, schedule = fashion_mnist("train").of_class(0).flatten(1), NoiseSchedule.cosine(T=1000)
    net, started = init(Denoiser, D=784, T=1000, generator=stream("pictures/perceptron", seed)), time.process_time()
    how = {"steps": EPOCHS * len(x_0) // 128, "batch_size": 128, "lr": 1e-3, "lr_schedule": cosine_decay}
    if predicts == "eps":
        for _ in train_denoiser(net, x_0, schedule, generator=stream("train", seed), **how):
            pass
    else:
        _train_clean(net, x_0, schedule, stream("train", seed), how["steps"])
    took, eps = time.process_time() - started, randn(N, 784, generator=stream("judged", seed))
    with torch.no_grad():
        noisy = schedule.q_sample(x_0[:N], schedule.T - 10, eps).unflatten(1, (1, 28, 28))
        guess = flat(net, schedule, predicts)(noisy, torch.tensor(schedule.T - 10)).flatten(1)
    return net.eval(), schedule, float((guess - eps).square().mean()), took


def _train_clean(net: nn.Module, x_0: Tensor, schedule: NoiseSchedule, rng: torch.Generator, updates: int) -> None:
    """The same training with the clean image as the target."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99))
    rate = cosine_decay(optimiser, 1e-3, updates)
    for _ in range(updates):
        rows, t = torch.randint(len(x_0), (128,), generator=rng), torch.randint(1, 1001, (128,), generator=rng)
        x_t = schedule.q_sample(x_0[rows], t, randn(128, 784, generator=rng))
        loss = (net(x_t, t) - x_0[rows]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()


def flat(net: nn.Module, schedule: NoiseSchedule, predicts: str) -> NoisePredictor:
    """A network on 784 numbers as a noise predictor of images (B, 1, 28, 28)."""

    def predictor(x_t: Tensor, t: Tensor) -> Tensor:
        given = net(x_t.flatten(1), t).view_as(x_t)
        return given if predicts == "eps" else noise_of(given, x_t, t, schedule)

    return predictor


def noise_of(x_0: Tensor, x_t: Tensor, t: Tensor, schedule: NoiseSchedule) -> Tensor:
    """The noise that is in x_t if the clean image is x_0."""
    a, b = (float(root[t]) for root in (schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()))
    return (x_t - a * x_0) / b


def clipped(net: UNet, schedule: NoiseSchedule) -> Callable[..., Tensor]:
    """The network with the image that it guesses cut to [-1, 1], as the code of the DDPM paper does."""

    def predictor(x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return noise_of(schedule.predict_x_0(x_t, t, net(x_t, t, y)).clamp(-1, 1), x_t, t, schedule)

    return predictor


def quick(predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, evaluations: int = 10) -> Tensor:
    """By DPM-Solver++ of order 3 at even times."""
    return last(dpm_solver(predictor, schedule, x_T, steps=evaluations, grid="uniform"))


def asked(predictor: Callable[..., Tensor], schedule: NoiseSchedule, x_T: Tensor, y: Tensor) -> Tensor:
    """Images of the classes y, quickly."""
    return quick(partial(predictor, y=y), schedule, x_T)


def _evenly(predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, evaluations: int) -> Tensor:
    return last(ddim(predictor, schedule, x_T, steps=evaluations))


def _eased(predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, evaluations: int) -> Tensor:
    return last(euler(predictor, schedule, x_T, steps=evaluations))


def _quick_eased(predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, evaluations: int) -> Tensor:
    return last(dpm_solver(predictor, schedule, x_T, steps=evaluations))


def _fresh(
    predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, evaluations: int, generator: torch.Generator
) -> Tensor:
    return last(ddim(predictor, schedule, x_T, steps=evaluations, eta=1.0, generator=generator))


# name: how, and with how many evaluations
SOLVERS = {
    "ddim": (_evenly, (5, 10, 20)),
    "dpm_solver": (quick, (10,)),
    "fresh noise": (_fresh, (20,)),
    "ddim, eased": (_eased, (10, 20)),
    "dpm_solver, eased": (_quick_eased, (10,)),
}


def real(seed: int) -> Dataset:
    """N test images, as many of each class: of each the hundred of that number."""
    return of_each_class(fashion_mnist("test"), N // 10, first=seed * N // 10)


def starts(seed: int, n: int = N) -> tuple[Tensor, Tensor]:
    """Noise, and labels in turn."""
    return randn(n, 1, 28, 28, generator=stream("pictures/judged", seed)), torch.arange(n) % 10


def by_parts(draw: Callable[[Tensor, Tensor], Tensor], x_T: Tensor, y: Tensor, size: int = 250) -> Tensor:
    """draw(x_T, y), so many at once."""
    return torch.cat([draw(a, b) for a, b in zip(x_T.split(size), y.split(size), strict=True)])


# Judging


@cache
def known(shirts: bool) -> Tensor:
    """The features of all training images, or of the T-shirts among them."""
    data = fashion_mnist("train")
    return features(fashion_classifier(), data.of_class(0) if shirts else data.x)


def judged(x_0: Tensor, y: Tensor | int, seed: int, *, n: int = N, shirts: bool = False, **setting) -> dict:
    """A row: the setting, and the measures of pictures clipped to the range of images."""
    x_0, test, classifier = x_0.clamp(-1, 1), fashion_mnist("test"), fashion_classifier()
    y = torch.as_tensor(y).expand(len(x_0))
    others = test.of_class(0) if shirts else test.x[9000 - seed * N :][:N]
    ours, theirs = features(classifier, x_0), features(classifier, others)
    found = {"Frechet": frechet(ours, known(shirts)), "accuracy": accuracy(classifier, x_0, y)}
    if n == N and not (shirts and setting["study"] == "floor"):
        found |= {"precision": within(ours, theirs), "recall": within(theirs, ours)}
    return {"set": "T-shirts" if shirts else "all", **setting, "n": n, "seed": seed, **found}


KEPT = Path("_build/pictures")
PAIRS = 8
SEEDS = {"floor": 4, "steps": 2}  # of the others one
STUDIES: dict[str, tuple[Callable[..., list[dict]], list[Key]]] = {
    "floor": (floor, [()]),
    "steps": (
        steps,
        [(solver, k) for solver in SOLVERS for k in SOLVERS[solver][1]],
    ),
    "guided": (guided, [(scale,) for scale in SCALES]),
    "shirts": (shirts, [()]),
    "perceptron": (perceptron, [("eps",), ("x_0",)]),
    "trained": (trained, [("v", "cosine"), ("v", "linear"), ("eps", "cosine")]),
    "nearest": (nearest, [()]),
    "many": (many, [()]),
}


def run(study: str, *key: str | int) -> list[dict]:
    """The rows of one run of a study."""
    print(study, *key, flush=True)
    return between(*key) if study == "between" else STUDIES[study][0](*key)


def main() -> None:
    """Make what is missing of the studies, and write the tables that are whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", choices=[[], *STUDIES, "between"], help="default: all")
    args = parser.parse_args()
    chosen = args.studies or [*STUDIES, "between"]
    KEPT.mkdir(parents=True, exist_ok=True)
    keys = [(s, *k, seed) for s in STUDIES if s in chosen for seed in range(SEEDS.get(s, 1)) for k in STUDIES[s][1]]
    rows = run_all(run, keys, KEPT)
    if {*STUDIES} <= {*chosen}:  # a table of all or none
        about = f"{N} pictures a row, classes in turn; small U-Nets of {CHANNELS} channels, {UPDATES} "
        about += f"updates of {BATCH}; perceptrons 4 x 256, {EPOCHS} epochs of T-shirts"
        written(pd.DataFrame(rows), "pictures", about)
    if "between" in chosen:
        pairs = run_all(run, [("between", pair) for pair in range(PAIRS)], KEPT)
        about = f"{PAIRS} pairs of a T-shirt with half sleeves and a pullover with full ones, test images"
        written(pd.DataFrame(pairs), "pictures-between", about)


def written(frame: pd.DataFrame, name: str, about: str) -> None:
    """Write a table under a comment, and say where."""
    versions = f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}, one thread of a shared "
    text = f"# python benchmarks/pictures.py: {about}\n# {versions}{processors()[0]}\n"
    text += frame.to_csv(index=False, float_format="%.5g")
    print(write_atomically(FOLDER / f"{name}.csv", lambda path: path.write_text(text, encoding="utf-8")))


if __name__ == "__main__":
    main()
