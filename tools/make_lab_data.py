"""Write the data and the weights of the labs to book/lab/data: NAME.json says what NAME.bin holds.

    python tools/make_lab_data.py [--distil] [--lengths] [--between]

Points are 16-bit integers in units of `unit`, their labels bytes after them; weights are 16-bit floats in PyTorch's
order. --distil also trains the labs' small classifier again, to say what the book's large one says; without it the
committed one stays. It takes some minutes and prints how well the two agree. --lengths trains the networks again that
the lab of chapter 10 has kept on the way of two long trainings: half a minute. --between draws the frames of
chapter 16's lab again, bytes of ink: some seconds.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from statesdiff.checkpoints import WEIGHTS, load_model
from statesdiff.data import STATE_NAMES, outline_points, states
from statesdiff.files.atomic import write_atomically
from statesdiff.images import paths
from statesdiff.images.garments import garments, in_bytes, sleeves
from statesdiff.images.pretrained import fashion_classifier, fashion_unet
from statesdiff.models import FREQUENCIES, Classifier, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import constant, every_point_once, low_noise_t, train_denoiser

TARGET = Path(__file__).resolve().parents[1] / "book" / "lab" / "data"
NETWORKS = {
    "fourier": "denoiser_fourier",
    "conditional": "denoiser_conditional",
    "straight": "velocity_straight",
    "leap": "student_1",
}
OUTLINE = 2_000
LENGTHS = {"sets": [50, 5000], "updates": [100, 400, 1600, 6400, 25_600]}  # points, and when weights are kept
PAIRS = [[6, 7], [0, 0], [2, 1]]  # of T-shirts and pullovers in the package's sample
TIMES = (1, 25, 50, 100, 150, 200, 300, 400)  # where the two classifiers are compared


def points_file(x: Tensor, y: Tensor) -> tuple[dict, bytes]:
    """Points x (n, 2) and labels y (n,) as what a lab decodes."""
    unit = float(x.abs().max()) / 32767
    words = np.round(x.double().numpy() / unit).astype("<i2")
    return {"kind": "points", "count": len(x), "unit": unit}, words.tobytes() + y.numpy().astype("u1").tobytes()


def network_file(model: nn.Module) -> tuple[dict, bytes]:
    """A network as what a lab decodes."""
    kind = "classifier" if isinstance(model, Classifier) else "denoiser"
    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    return {"kind": "network", "config": model.config | {"kind": kind}}, flat.numpy().astype("<f2").tobytes()


def write(folder: Path, name: str, about: dict, content: bytes) -> None:
    """NAME.json and NAME.bin, atomically."""
    text = json.dumps(about, indent=1) + "\n"
    write_atomically(folder / f"{name}.bin", lambda path: path.write_bytes(content))
    write_atomically(folder / f"{name}.json", lambda path: path.write_text(text, encoding="utf-8"))


def make(folder: Path) -> None:
    """The data sets, and the book's denoisers."""
    data = states()
    write(folder, "states", *points_file(data.x, data.y))
    share = OUTLINE // len(STATE_NAMES)
    y = torch.arange(len(STATE_NAMES)).repeat_interleave(share)
    write(folder, "outline", *points_file(outline_points(OUTLINE), y))
    for name, file in NETWORKS.items():
        write(folder, name, *network_file(load_model(WEIGHTS / f"{file}.safetensors", Denoiser)[0]))


def held_out(t: int, schedule: NoiseSchedule) -> tuple[Tensor, Tensor]:
    """Noisy points of a draw that no network saw, at time t, with their labels."""
    data = states(seed=1)
    return schedule.q_sample(data.x, t, randn(*data.x.shape, generator=stream("compare", t))), data.y


def compared(small: nn.Module, large: nn.Module, schedule: NoiseSchedule) -> dict[str, list[float]]:
    """At each of TIMES: the accuracy of both, how often they agree, and how far their beliefs are apart."""
    table: dict[str, list[float]] = {"t": list(TIMES), "small": [], "large": [], "agree": [], "belief": []}
    for t in TIMES:
        x_t, y = held_out(t, schedule)
        with torch.no_grad():
            p, q = (network(x_t, torch.tensor(t)).softmax(dim=1) for network in (small, large))
        table["small"].append(float((p.argmax(1) == y).double().mean()))
        table["large"].append(float((q.argmax(1) == y).double().mean()))
        table["agree"].append(float((p.argmax(1) == q.argmax(1)).double().mean()))
        table["belief"].append(float((p - q).abs().sum(1).mean() / 2))
    return {name: [round(v, 4) for v in values] for name, values in table.items()}


def distil(large: nn.Module, schedule: NoiseSchedule, steps: int = 3000, n: int = 1024) -> Classifier:
    """A small classifier that learns the large one's beliefs, on noisy points spread a little wider than the data."""
    generator = stream("distil")
    small = init(Classifier, hidden=(128, 128), x_frequencies=FREQUENCIES[0], t_frequencies=FREQUENCIES[1],
                 generator=generator)  # fmt: skip
    optimiser = torch.optim.AdamW(small.parameters(), lr=4e-3, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps + 1)
    x_0 = states().x
    for _ in range(steps):
        t = low_noise_t(schedule.T, n, generator)
        rows = torch.randint(len(x_0), (n,), generator=generator)
        wide = 0.3 * randn(n, 2, generator=generator) * (torch.rand(n, 1, generator=generator) < 0.4)
        x_t = schedule.q_sample(x_0[rows] + wide, t, randn(n, 2, generator=generator))
        with torch.no_grad():
            belief = large(x_t, t).softmax(dim=1)
        loss = nn.functional.cross_entropy(small(x_t, t), belief)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    return small


def make_classifier(folder: Path) -> None:
    """Train the small classifier, store it with its table, and print that."""
    large, schedule = load_model(WEIGHTS / "classifier.safetensors", Classifier)
    small = distil(large, schedule)
    about, content = network_file(small)
    table = compared(small, large, schedule)
    write(folder, "classifier", about | {"compared": table}, content)
    print(sum(p.numel() for p in small.parameters()), "weights;", json.dumps(table))


def kept_on_the_way(n: int, updates: list[int]) -> tuple[dict, list[Tensor]]:
    """The config of a small network, and its weights after so many updates at a constant rate on n points of STATES."""
    x_0, schedule = states().x[:: len(states().x) // n], NoiseSchedule.linear()
    model = init(Denoiser.fourier, hidden=(40, 40), generator=stream("init"))
    how = {"batch_size": 64, "lr": 2e-3, "lr_schedule": constant, "draw_t": low_noise_t, "draw_rows": every_point_once}
    kept = []
    for step in train_denoiser(model, x_0, schedule, steps=updates[-1], **how, generator=stream("train")):
        if step.step in updates:
            kept.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    return model.config | {"kind": "denoiser"}, kept


def make_lengths(folder: Path) -> None:
    """Train on each set, and store what was kept, set by set."""
    kept = []
    for n in LENGTHS["sets"]:
        config, weights = kept_on_the_way(n, LENGTHS["updates"])
        kept += weights
    about = {"kind": "trainings", "config": config, **LENGTHS}
    write(folder, "epochs", about, torch.cat(kept).numpy().astype("<f2").tobytes())


def make_between(folder: Path) -> None:
    """Draw the frames of each pair by each way, and store them with their sleeves and what the classifier says."""
    net, schedule = fashion_unet()
    shirts, pullovers = garments("test").of_class(0), garments("test").of_class(2)
    parts = [paths.ways(net, schedule, shirts[[a]], pullovers[[b]], (0, 2)) for a, b in PAIRS]
    frames = torch.cat([x for way in parts for x in way.values()]).clamp(-1, 1)
    about = {"kind": "frames", "pairs": PAIRS, "ways": list(parts[0]), "count": paths.FRAMES} | judged(frames)
    write(folder, "between", about, in_bytes(frames).tobytes())


def judged(frames: Tensor) -> dict:
    """Of images (N, 1, 28, 28): where their sleeves end, and with which probability each is taken for a pullover."""

    def belief(x: Tensor) -> Tensor:
        with torch.no_grad():
            return fashion_classifier()(x).softmax(dim=1)[:, 2]

    said = [round(p, 3) for p in belief(frames).tolist()]
    real = round(float(belief(garments("test").of_class(2)).mean()), 3)
    return {"sleeves": sleeves(frames).tolist(), "pullover": said, "real": real}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--distil", action="store_true", help="train the small classifier again")
    parser.add_argument("--lengths", action="store_true", help="train the networks of chapter 10's lab again")
    parser.add_argument("--between", action="store_true", help="draw the frames of chapter 16's lab again")
    given = parser.parse_args()
    TARGET.mkdir(parents=True, exist_ok=True)
    make(TARGET)
    if given.distil:
        make_classifier(TARGET)
    if given.lengths:
        make_lengths(TARGET)
    if given.between:
        make_between(TARGET)
