"""Make the weights of the picture chapter, the classifier that judges first, then the U-Net, and its real images.

    python tools/make_fashion.py classifier [--device cuda]
    python tools/make_fashion.py unet --state unet.pt --batch-size 256 [--device cuda]
    python tools/make_fashion.py garments

All need the data of `statesdiff.images.fashion`; the last makes the small sample of it that comes with the package.
Killed, the second goes on from its state with the same command. The committed weights took 30,000 updates, eight
minutes of a shared NVIDIA H200; for two cores see benchmarks/pictures_speed.py.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from statesdiff.checkpoints import WEIGHTS
from statesdiff.files.atomic import write_atomically
from statesdiff.images.classifier import PictureClassifier, train_picture_classifier
from statesdiff.images.fashion import fashion_mnist, of_each_class
from statesdiff.images.garments import SAMPLE, in_bytes
from statesdiff.images.metrics import accuracy, features, frechet
from statesdiff.images.pretrained import CLASSIFIER, UNET, fashion_classifier, fashion_unet, save_classifier, save_unet
from statesdiff.images.training import BLOCK, PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.models import init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import SCHEDULES

EVERY = 20.0  # seconds between two states


def classifier(args: argparse.Namespace) -> None:
    """Train the classifier, and say how often it is right on the test images."""
    train, test = fashion_mnist("train", args.data), fashion_mnist("test", args.data)
    model = init(PictureClassifier, generator=stream("pictures/classifier")).to(args.device)
    x_0, y = train.x.to(args.device), train.y.to(args.device)
    for _ in tqdm(train_picture_classifier(model, x_0, y, generator=stream("pictures/order")), disable=None):
        pass
    save_classifier(args.folder / CLASSIFIER, model)
    print(f"right on {accuracy(model, test.x.to(args.device), test.y):.4f} of the test images")


def unet(args: argparse.Namespace) -> None:
    """Train the U-Net from its state, if there is one, to its end, or for so many seconds, and judge what it draws."""
    data = fashion_mnist("train", args.data)
    net = init(UNet, channels=args.channels, schedule=args.schedule, generator=stream("pictures/unet", args.seed))
    how = {"steps": args.steps, "batch_size": args.batch_size, "lr": args.lr, "seed": args.seed, "device": args.device}
    training = PictureTraining(net, data.x, data.y, **how)
    if args.state.exists():
        training.load(args.state)
    started = saved = time.perf_counter()
    for step in tqdm(training.updates(), total=args.steps, initial=training.done, disable=None):
        now = time.perf_counter()
        if step.step % BLOCK == 0 and now - saved > EVERY:
            print(f"{step.step} updates, {now - started:.0f} s, loss {float(step.loss):.4f}", flush=True)
            training.save(args.state)
            saved = now
            if now - started > args.seconds:
                break
    save_unet(args.folder / UNET, training.average, {"data": "Fashion-MNIST", "updates": training.done} | how)
    for name, model in (("average", training.average), ("last", training.net)):
        judge(f"{args.state.stem}, {name}, {training.done} updates", model, args)


def judge(name: str, net: UNet, args: argparse.Namespace, n: int = 5000, steps: int = 50) -> None:
    """Print Fréchet's distance to the training images, and how often the classifier sees the label that was asked.

    Beside them the distance of n test images, as the samples as many of each class, and how often it is right on all.
    """
    test = fashion_mnist("test", args.data)
    seen = fashion_classifier(args.folder / CLASSIFIER).to(args.device)
    real = features(seen, fashion_mnist("train", args.data).x.to(args.device))
    floor = frechet(features(seen, of_each_class(test, n // 10).x.to(args.device)), real)
    y, generator = torch.arange(n) % 10, stream("pictures/judged")
    parts = [sample(net, labels, steps, generator) for labels in y.split(500)]
    drawn = torch.cat(parts)
    found = f"Frechet {frechet(features(seen, drawn), real):.3f} (floor {floor:.3f})"
    right = f"right {accuracy(seen, drawn, y):.4f} (real {accuracy(seen, test.x.to(args.device), test.y):.4f})"
    print(f"{name}: {steps} steps of DDIM: {found}; {right}", flush=True)


def sample(net: UNet, y: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """Images of the classes y (B,), without guidance, by DDIM, clipped to the range of images."""
    device = next(net.parameters()).device
    x_T, told = randn(len(y), 1, 28, 28, generator=generator, device=device), y.to(device)
    path = ddim(lambda x_t, t: net(x_t, t, told), SCHEDULES[net.config["schedule"]](T=net.T), x_T, steps=steps)
    return last(path).clamp(-1, 1)


def garments(args: argparse.Namespace) -> None:
    """Write the first images of each class, 40 to train and 20 to test, and those next to the chapter's samples."""
    kept: dict[str, np.ndarray] = {}
    for part, n in (("train", 40), ("test", 20)):
        data = fashion_mnist(part, args.data)
        few = of_each_class(data, n)
        kept |= {f"{part}_x": in_bytes(few.x[:, 0]), f"{part}_y": few.y.numpy().astype(np.uint8)}
    data = fashion_mnist("train", args.data)
    nearest = torch.cdist(chapter_samples().flatten(1), data.x.flatten(1)).argmin(1)
    kept |= {"neighbours_x": in_bytes(data.x[nearest, 0]), "neighbours_y": data.y[nearest].numpy().astype(np.uint8)}
    for answer in ("eps", "x_0"):
        drawn = np.load(args.perceptrons / f"perceptron-{answer}.npy")[:8]
        kept |= {f"perceptron {answer}_x": drawn, f"perceptron {answer}_y": np.zeros(8, np.uint8)}
    print(write_atomically(SAMPLE, lambda path: np.savez_compressed(path, **kept)))


def chapter_samples() -> torch.Tensor:
    """The first ten samples that chapter 16 draws, one of each class."""
    net, schedule = fashion_unet()
    x_T, y = randn(40, 1, 28, 28, generator=stream("pictures"))[:10], torch.arange(10)
    return last(ddim(lambda x_t, t: net(x_t, t, y), schedule, x_T, steps=20)).clamp(-1, 1)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("classifier", "unet", "garments"))
    p.add_argument("--data", type=Path, default=None, help="folder of the idx files; default: Debian's, or fetched")
    p.add_argument("--folder", type=Path, default=WEIGHTS, help="where the weights go")
    p.add_argument("--state", type=Path, default=Path("unet.pt"))
    p.add_argument("--device", default="cpu")
    p.add_argument(
        "--perceptrons", type=Path, default=Path("_build/pictures"), help="where benchmarks/pictures.py drew"
    )
    p.add_argument("--channels", type=int, default=48)
    p.add_argument("--schedule", default="cosine")
    p.add_argument("--steps", type=int, default=30_000)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--seconds", type=float, default=float("inf"), help="stop, with the state kept, after so long")
    args = p.parse_args()
    {"classifier": classifier, "unet": unet, "garments": garments}[args.what](args)


if __name__ == "__main__":
    main()
