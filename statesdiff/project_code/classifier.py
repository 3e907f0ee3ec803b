"""Task 2, first half: train the classifier on noisy points."""

import torch
from data import FOLDER, noisy_validation, validation
from model import train
from torch.nn.functional import cross_entropy

x_t, t, _ = noisy_validation("classifier")
classifier, curves = train("classifier", lambda model: cross_entropy(model(x_t, t), validation.y).item())
torch.save({"model": classifier.state_dict(), "curves": curves}, FOLDER / "checkpoints" / "classifier.pt")
print(f"classifier: validation loss {curves[-1, 2]:.3f}")
