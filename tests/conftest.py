"""What every test shares: one thread, no windows, no figure left open; hypothesis tries the same cases each time."""

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


@pytest.fixture(autouse=True)
def _processor_left_as_it_was():
    """Flushed denormals belong to the whole thread: left on, they fail whichever test comes next."""
    yield
    left = torch.tensor(1e-39).mul(1.0).item()
    torch.set_flush_denormal(False)
    assert left > 0, "this test left denormal numbers flushed to zero"
