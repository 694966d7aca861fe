"""sendit takes medical images out of a hospital safely."""

__version__ = "0.1.0"
