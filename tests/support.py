"""What tests of several modules share."""

from torch import Tensor, nn

from statesdiff.models import Denoiser, init
from statesdiff.rng import stream


def parameters(model: nn.Module) -> Tensor:
    """All the parameters of a model, one after the other in one vector (P,), gradients and all."""
    return nn.utils.parameters_to_vector(model.parameters())


def weights(model: nn.Module) -> Tensor:
    """The parameters of a model as they are now, (P,): a copy that no later training step changes."""
    return parameters(model).detach().clone()


def small(seed: int = 0, **changes) -> Denoiser:
    """A denoiser of a few weights, those of this seed: T = 10 and two layers of 8, or other arguments of `Denoiser`."""
    return init(Denoiser, **({"T": 10, "hidden": (8, 8)} | changes), generator=stream("init", seed))
