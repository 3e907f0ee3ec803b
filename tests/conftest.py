"""What every test shares: one thread, no windows, no figure left open, and hypothesis tries the same cases each time."""

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)  # sums in the same order on every machine, and no waiting for a busy second core
matplotlib.use("Agg")
settings.register_profile("fixed", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")
