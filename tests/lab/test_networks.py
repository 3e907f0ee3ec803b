"""The labs' network computes what PyTorch computes: outputs, both gradients, the optimiser; with either kernel."""

import pytest
import torch
from torch import Tensor, nn

from statesdiff.checkpoints import WEIGHTS, load_model
from statesdiff.guidance import log_prob_gradient
from statesdiff.models import FREQUENCIES, Classifier, Denoiser, init
from statesdiff.rng import stream
from statesdiff.training import adam_w, one_cycle
from tests.lab.conftest import Engine, close
from tests.support import parameters, weights

NETWORKS = {
    "fourier": lambda: load_model(WEIGHTS / "denoiser_fourier.safetensors")[0],
    "conditional": lambda: load_model(WEIGHTS / "denoiser_conditional.safetensors")[0],
    "plain": lambda: init(Denoiser, hidden=(20, 9), generator=stream("init", 1)),
    "odd": lambda: init(
        Denoiser, T=77, hidden=(33,), x_frequencies=(1.0, 3.0, 5.0), t_frequencies=(0.5, 7.0), n_classes=3,
        generator=stream("init", 2)),
    "classifier": lambda: init(Classifier, hidden=(24, 40), x_frequencies=FREQUENCIES[0], generator=stream("init", 3)),
}  # fmt: skip


def about(model: nn.Module) -> tuple[dict, Tensor]:
    """What the page needs to build it."""
    kind = "classifier" if isinstance(model, Classifier) else "denoiser"
    return model.config | {"kind": kind}, weights(model)


def batch(model: nn.Module, n: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """Points, times and, for a conditional denoiser, labels with some left out."""
    rng = stream("batch", n)
    x_t, t = 1.5 * torch.randn(n, 2, generator=rng), torch.randint(0, model.T + 1, (n,), generator=rng)
    labelled = isinstance(model, Denoiser) and model.n_classes
    return x_t, t, torch.randint(-1, model.n_classes, (n,), generator=rng) if labelled else None


def output(model: nn.Module, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
    return model(x_t, t) if y is None else model(x_t, t, y)


@pytest.mark.parametrize("n", [1, 6, 1030])
@pytest.mark.parametrize("name", NETWORKS)
def test_forward(engine: Engine, name: str, n: int) -> None:
    model = NETWORKS[name]()
    x_t, t, y = batch(model, n)
    script = """(config, weights, x_t, t, y) => {
      const net = network(config, weights), f = config.kind === "classifier" ? "classifier" : "denoiser";
      return [statesdiff[f](net)(f32(x_t), t, y ?? -1), net.weights()];
    }"""
    found, after = engine(script, *about(model), x_t, t, y)
    with torch.no_grad():
        close(found, output(model, x_t, t, y), atol=2e-5)
    close(after, parameters(model), atol=0)


def test_one_time_for_all_rows(engine: Engine) -> None:
    model = NETWORKS["fourier"]()
    x_t, _, _ = batch(model, 5)
    script = "(config, weights, x_t) => statesdiff.denoiser(network(config, weights))(f32(x_t), 20)"
    with torch.no_grad():
        close(engine(script, *about(model), x_t), model(x_t, 20), atol=2e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_weights_and_inputs(engine: Engine, name: str) -> None:
    model = NETWORKS[name]()
    x_t, t, y = batch(model, 131)
    x_t.requires_grad_()
    features = model.features(x_t, t)
    if y is not None:
        features = torch.cat([features, (y[:, None] == torch.arange(model.n_classes)).float()], dim=1)
    out = model.net(features)
    d_out = torch.randn(out.shape, generator=stream("d_out")) / len(out)
    out.backward(d_out)
    script = """(config, weights, x_t, t, y, d) => {
      const net = network(config, weights);
      net.forward(f32(x_t), t, y ?? -1);
      net.backward(f32(d));
      return [net.gradients(), net.inputGradient(f32(d))];
    }"""
    of_weights, of_inputs = engine(script, *about(model), x_t.detach(), t, y, d_out.flatten())
    close(of_weights, torch.cat([p.grad.flatten() for p in model.parameters()]), atol=3e-6, rtol=1e-5)
    close(of_inputs, x_t.grad, atol=3e-6, rtol=1e-5)


def test_the_gradient_of_a_classifiers_belief(engine: Engine) -> None:
    model = NETWORKS["classifier"]()
    x_t, t, _ = batch(model, 700)
    y = torch.arange(700) % 5
    script = """(config, weights, x_t, t, y) =>
      statesdiff.log_prob_gradient(statesdiff.classifier(network(config, weights)), f32(x_t), t, y)"""
    found = engine(script, *about(model), x_t, t, y)
    close(found, log_prob_gradient(model, x_t, t, y), atol=1e-5)


@pytest.mark.parametrize("steps", [1, 20])
def test_steps_of_the_optimiser_on_given_batches(engine: Engine, steps: int) -> None:
    """The recipe `fourier` at its learning rate, one cycle and all; batches of 64."""
    model = init(Denoiser.fourier, generator=stream("init", 5))
    start, rng = about(model), stream("steps")
    optimiser = adam_w(model.parameters(), 8e-3)
    cycle, batches, losses = one_cycle(optimiser, 8e-3, 20), [], []
    for _ in range(steps):
        x_t, eps = torch.randn(64, 2, generator=rng), torch.randn(64, 2, generator=rng)
        t = torch.randint(1, 501, (64,), generator=rng)
        batches.append({"x_t": x_t, "t": t, "eps": eps, "y": -1})
        loss = (model(x_t, t) - eps).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        cycle.step()
        losses.append(loss.item())
    script = """(config, weights, batches) => {
      const net = network(config, weights);
      const losses = batches.map((b, k) =>
        statesdiff.update(net, { ...b, x_t: f32(b.x_t), eps: f32(b.eps) }, statesdiff.one_cycle(k, 8e-3, 20)));
      return [net.weights(), losses];
    }"""
    after, found = engine(script, *start, batches)
    close(found, torch.tensor(losses), atol=1e-5, rtol=1e-4)
    # where a gradient is nearly zero Adam takes a step of either sign: few weights may differ by more than rounding
    gap = (after - parameters(model).detach().double()).abs()
    assert gap.median() < 1e-6 and gap.quantile(0.99) < 1e-4 and gap.max() < 2 * 8e-3 * steps


def test_one_cycle_is_that_of_pytorch(plain_engine: Engine) -> None:
    optimiser = adam_w([nn.Parameter(torch.zeros(1))], 8e-3)
    cycle, wanted = one_cycle(optimiser, 8e-3, 50), []
    for _ in range(50):
        group = optimiser.param_groups[0]
        wanted.append([group["lr"], group["betas"][0]])
        optimiser.step()
        cycle.step()
    script = """() => Array.from({ length: 50 }, (_, k) => {
      const { lr, beta1 } = statesdiff.one_cycle(k, 8e-3, 50);
      return [lr, beta1];
    })"""
    close(torch.stack(plain_engine(script)), torch.tensor(wanted), atol=1e-7)


def test_training_learns_and_repeats_itself(engine: Engine) -> None:
    script = """() => {
      const { config, options } = statesdiff.RECIPES.fourier, schedule = statesdiff.NoiseSchedule.linear();
      const circle = Float32Array.from({ length: 800 }, (_, i) => i & 1 ? Math.sin(i >> 1) : Math.cos(i >> 1));
      const train = () => {
        const net = new statesdiff.Network(config).init(statesdiff.stream("init", 0));
        const how = { ...options, steps: 60, batch_size: 128, random: statesdiff.stream("train", 0) };
        return [[...statesdiff.train_denoiser(net, circle, schedule, how)].map((s) => s.loss), net.weights()];
      };
      return [train(), train()];
    }"""
    (losses, after), (again, after_too) = engine(script)
    assert losses[-20:].mean() < 0.9 * losses[:5].mean()
    assert torch.equal(losses, again) and torch.equal(after, after_too)


def test_initial_weights_are_uniform_within_pytorchs_bounds(plain_engine: Engine) -> None:
    found = plain_engine("""() => new statesdiff.Network(statesdiff.RECIPES.fourier.config)
      .init(statesdiff.stream("init", 3)).weights()""")
    first, bound = found[: 27 * 128], 27**-0.5
    assert bound * 0.99 < first.abs().max() <= bound
    assert abs(first.square().mean() / (bound**2 / 3) - 1) < 0.05


def test_wrong_sizes_are_refused(plain_engine: Engine) -> None:
    script = """() => {
      const net = new statesdiff.Network({ hidden: [8] });
      const said = (f) => { try { f(); } catch (e) { return e.message; } };
      net.forward(new Float32Array(4), 1);
      return [said(() => net.load(new Float32Array(3))), said(() => net.backward(new Float32Array(3)))];
    }"""
    after, rows = plain_engine(script)
    assert "needs 50 weights, got 3" in after and "2 rows of 2" in rows
