"""The figures of the report, as a PDF: samples, training curves, and the classifier's map."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import torch
from data import FOLDER, training
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.colors import ListedColormap
from model import load

from statesdiff.plotting import LIMIT, STATE_COLOURS, lattice, outline, scatter

OUTPUTS = FOLDER / "outputs"
_, denoiser_curves = load("denoiser", "fourier")
classifier, classifier_curves = load("classifier", "classifier")


def points(name):
    return torch.load(OUTPUTS / name, weights_only=True)


def samples():
    """The whole map, and each state over its true outline."""
    figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
    scatter(points("uncond_gen_samples.pt"), ax=axes[0, 0], title="Unconditional")
    for y, (name, ax) in enumerate(zip(training.names, axes.flat[1:], strict=True)):
        x_0 = points(f"cond_gen_samples_{y}.pt")
        scatter(x_0, torch.full((len(x_0),), y), outline(ax), title=f"{y}: {name}")
    figure.suptitle(f"{len(x_0):,} samples in each panel; in grey, the true outlines")
    return figure


def curves():
    """Loss against step, on the points that were trained on and on points that were not."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    names, units = ("denoiser", "classifier"), ("mean squared error per coordinate", "cross-entropy (nats)")
    for ax, name, rows, unit in zip(axes, names, (denoiser_curves, classifier_curves), units, strict=True):
        step, on_training, on_validation = rows.T
        ax.plot(step, on_training, label="training")
        ax.plot(step, on_validation, label="validation")
        ax.set(title=name, xlabel="step", ylabel=unit)
        ax.legend()
    return figure


def prediction_map(times=(1, 100, 300)):
    """The plane in the colour of the state that the classifier finds most probable, at low, middle and high noise."""
    figure, axes = plt.subplots(1, len(times), figsize=(9, 3.4), layout="constrained")
    for ax, t in zip(axes, times, strict=True):
        with torch.no_grad():
            predicted = classifier(lattice(200), t).argmax(dim=1).reshape(200, 200)
        extent = (-LIMIT, LIMIT, -LIMIT, LIMIT)
        colours = ListedColormap(list(STATE_COLOURS.values()))
        ax.imshow(predicted, origin="lower", extent=extent, cmap=colours, vmin=0, vmax=4, alpha=0.5)
        outline(ax)
        ax.set(title=f"most probable state, t = {t}")
    return figure


with PdfPages(OUTPUTS / "report.pdf") as pdf:
    for make in (samples, curves, prediction_map):
        pdf.savefig(make())
print("drawn: the report")
