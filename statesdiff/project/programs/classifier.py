"""Task 2, first half: train the classifier on noisy points."""

from data import noisy_validation, validation
from model import save, train
from torch.nn.functional import cross_entropy

x_t, t, _ = noisy_validation("classifier")
classifier, curves = train("classifier", lambda model: cross_entropy(model(x_t, t), validation.y).item())
save("classifier", classifier, curves)
print(f"classifier: validation loss {curves[-1, 2]:.3f}")
