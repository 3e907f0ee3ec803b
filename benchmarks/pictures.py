"""What the chapter about pictures claims of samples, steps, guidance and trainings, on Fashion-MNIST with floors.

python benchmarks/pictures.py                # all that is missing, half an hour of one core, into results/pictures.csv
python benchmarks/pictures.py steps floor    # these studies alone

Every row is a set of n pictures, as many of each class, judged in the features of the book's own classifier: Fréchet's
distance to the 60,000 training images, the share that the classifier takes for what was asked, and precision and recall
against 1,000 test images. "floor" is real test images, judged in the same way. "trained" compares trainings of a small
U-Net that differ in one thing; "perceptron" is the book's own plain network on the 784 numbers of T-shirts. Each run is
a file in the folder, so that a run that was stopped goes on.
"""

import argparse
import platform
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pandas as pd
import torch
from runs import Key, run_all
from torch import Tensor, nn

from statesdiff.files.atomic import write_atomically
from statesdiff.guidance import ClassifierFreeGuidance
from statesdiff.images.fashion import fashion_mnist
from statesdiff.images.metrics import accuracy, features, frechet, within
from statesdiff.images.pretrained import fashion_classifier, fashion_unet
from statesdiff.images.training import PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.models import Denoiser, init
from statesdiff.results import FOLDER, processors
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, last
from statesdiff.schedule import SCHEDULES, NoiseSchedule
from statesdiff.training import cosine_decay, train_denoiser

N, SEEDS = 1000, 2
STEPS, SCALES = (5, 10, 20, 40), (0.0, 2.0, 4.0)
UPDATES, BATCH, CHANNELS = 1500, 64, 16  # of the small U-Nets
EPOCHS = 100  # of the perceptrons, over 6,000 T-shirts


# Studies: each makes the rows of one run


def floor(seed: int) -> list[dict]:
    """Real test images, the thousand of that number; and, once, 5,000 of them, and a thousand T-shirts."""
    test = fashion_mnist("test")
    rows = [judged(test.x[seed * N :][:N], test.y[seed * N :][:N], seed, study="floor", n=N)]
    if seed == 0:
        rows.append(judged(test.x[:5000], test.y[:5000], seed, study="floor", n=5000))
        rows.append(judged(test.of_class(0), 0, seed, study="floor", n=N, shirts=True))
    return rows


def steps(solver: str, many: int, seed: int) -> list[dict]:
    """The book's U-Net told the label, through so many evaluations of a solver."""
    net, schedule = fashion_unet()
    x_T, y = starts(seed)
    drawn = by_parts(lambda x, told: SOLVERS[solver](partial(net, y=told), schedule, x, many), x_T, y)
    return [judged(drawn, y, seed, study="steps", solver=solver, evaluations=many)]


def guided(scale: float, seed: int) -> list[dict]:
    """The book's U-Net with classifier-free guidance of that scale, by 20 steps of DDIM."""
    net, schedule = fashion_unet()
    x_T, y = starts(seed)
    drawn = by_parts(lambda x, told: _ddim(ClassifierFreeGuidance(net, told, scale), schedule, x, 20), x_T, y)
    return [judged(drawn, y, seed, study="guided", solver="ddim", scale=scale)]


def many(seed: int) -> list[dict]:
    """Five thousand pictures by 25 steps of DDIM."""
    net, schedule = fashion_unet()
    x_T, y = starts(seed, 5000)
    drawn = by_parts(lambda x, told: _ddim(partial(net, y=told), schedule, x, 25), x_T, y)
    return [judged(drawn, y, seed, study="many", solver="ddim", evaluations=25, n=5000)]


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
    about = {"study": "trained", "predicts": predicts, "schedule": schedule, "solver": "ddim", "seconds": round(took)}
    for weights, net in (("average", of.average), ("last", of.net)):
        net = net.eval().requires_grad_(False)
        for keep in (False, True) if weights == "average" else (True,):
            draw = partial(_asked, clipped(net, noise) if keep else net, noise)
            drawn = by_parts(draw, x_T, y)
            rows.append(judged(drawn, y, seed, weights=weights, clipped=keep, **about))
    return rows


def perceptron(predicts: str, seed: int) -> list[dict]:
    """The book's plain network of 4 x 256 on the 784 numbers of T-shirts, which gives the noise or the clean image."""
    net, schedule, loss, took = shirt_perceptron(predicts, seed)
    x_T, _ = starts(seed)
    drawn = last(ddim(flat(net, schedule, predicts), schedule, x_T, steps=50))
    about = {"study": "perceptron", "predicts": predicts, "solver": "ddim", "evaluations": 50, "shirts": True}
    return [judged(drawn, 0, seed, loss=loss, seconds=round(took), **about)]


def shirts(seed: int) -> list[dict]:
    """The U-Net asked for T-shirts alone, for comparison with the perceptron."""
    net, schedule = fashion_unet()
    x_T, _ = starts(seed)
    drawn = by_parts(lambda x, told: _ddim(partial(net, y=told), schedule, x, 20), x_T, torch.zeros(N).long())
    return [judged(drawn, 0, seed, study="shirts", solver="ddim", shirts=True)]


# Networks and samples


def shirt_perceptron(predicts: str, seed: int) -> tuple[nn.Module, NoiseSchedule, float, float]:
    """The perceptron trained on T-shirts, its schedule, its loss in noise at t = T, and the seconds that it took."""
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


def _asked(predictor: Callable[..., Tensor], schedule: NoiseSchedule, x_T: Tensor, y: Tensor) -> Tensor:
    return _ddim(partial(predictor, y=y), schedule, x_T, 20)


def _ddim(predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, steps: int) -> Tensor:
    return last(ddim(predictor, schedule, x_T, steps=steps))


def _fresh(predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, steps: int) -> Tensor:
    return last(ddim(predictor, schedule, x_T, steps=steps, eta=1.0, generator=stream("fresh")))


SOLVERS = {"ddim": _ddim, "fresh noise": _fresh}


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
    real = test.of_class(0) if shirts else test.x[9000 - seed * N :][:N]
    ours, theirs = features(classifier, x_0), features(classifier, real)
    found = {"Frechet": frechet(ours, known(shirts)), "accuracy": accuracy(classifier, x_0, y)}
    if n == N and not (shirts and setting["study"] == "floor"):
        found |= {"precision": within(ours, theirs), "recall": within(theirs, ours)}
    return {"set": "T-shirts" if shirts else "all", **setting, "n": n, "seed": seed, **found}


STUDIES: dict[str, tuple[Callable[..., list[dict]], list[Key]]] = {
    "floor": (floor, [()]),
    "steps": (steps, [(solver, k) for solver in SOLVERS for k in STEPS if solver == "ddim" or k == 20]),
    "guided": (guided, [(scale,) for scale in SCALES]),
    "shirts": (shirts, [()]),
    "perceptron": (perceptron, [("eps",), ("x_0",)]),
    "trained": (trained, [("v", "cosine"), ("v", "linear"), ("eps", "cosine"), ("x_0", "cosine")]),
    "many": (many, [()]),
}


def run(study: str, *key: str | int) -> list[dict]:
    """The rows of one run of a study."""
    print(study, *key, flush=True)
    return STUDIES[study][0](*key)


def main() -> None:
    """Make what is missing, and write the table of all there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", choices=[[], *STUDIES], help="default: all")
    parser.add_argument("--folder", type=Path, default=Path("_build/pictures"))
    args = parser.parse_args()
    chosen = args.studies or list(STUDIES)
    keys = [(s, *k, seed) for s in chosen for seed in range(1 if s == "many" else SEEDS) for k in STUDIES[s][1]]
    frame = pd.DataFrame(run_all(run, keys, args.folder))
    about = f"python benchmarks/pictures.py: {N} pictures a row, classes in turn, {SEEDS} seeds; small U-Nets of "
    about += f"{CHANNELS} channels, {UPDATES} updates of {BATCH}; perceptrons 4 x 256, {EPOCHS} epochs of T-shirts"
    versions = f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}, one thread of a shared "
    text = f"# {about}\n# {versions}{processors()[0]}\n" + frame.to_csv(index=False, float_format="%.5g")
    print(write_atomically(FOLDER / "pictures.csv", lambda path: path.write_text(text, encoding="utf-8")))


if __name__ == "__main__":
    main()
