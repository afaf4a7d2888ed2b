"""OneTake: record once, serve everywhere."""

__version__ = "0.1.0"
