"""The version of the package, where every module may import it."""

__version__ = "0.1.0"
