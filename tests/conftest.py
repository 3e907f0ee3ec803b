"""What every test shares: no window is opened, no figure is left open, and hypothesis tries the same cases each time."""

import matplotlib
import matplotlib.pyplot as plt
import pytest
from hypothesis import settings

matplotlib.use("Agg")
settings.register_profile("fixed", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")
