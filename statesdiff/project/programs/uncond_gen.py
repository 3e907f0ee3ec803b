"""Task 1: train the denoiser, then draw points from the whole map."""

import torch
from data import FOLDER, SAMPLES, noisy_validation, schedule
from model import save, train

from statesdiff.rng import randn, stream
from statesdiff.samplers import ddpm, last

x_t, t, eps = noisy_validation("fourier")
denoiser, curves = train("fourier", lambda model: (model(x_t, t) - eps).square().mean().item())
save("denoiser", denoiser, curves)
print(f"denoiser: validation loss {curves[-1, 2]:.3f}")

generator = stream("sample")
x_T = randn(SAMPLES, 2, generator=generator)
x_0 = last(ddpm(denoiser, schedule, x_T, generator=generator))
torch.save(x_0, FOLDER / "outputs" / "uncond_gen_samples.pt")
print(f"drawn: {len(x_0)} points of the whole map")
