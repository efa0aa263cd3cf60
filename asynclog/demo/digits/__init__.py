"""A small variational autoencoder that learns to redraw handwritten digits, and to name them."""

from typing import Final

from asynclog.demo.digits.report import DigitsTask

TASK: Final = DigitsTask
