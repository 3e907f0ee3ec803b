"""Helper package of the statesdiff book: diffusion models, taught by making five US states appear out of noise."""

__version__ = "0.2.0.dev0"
