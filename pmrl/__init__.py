"""Multimodal alignment benchmark: PMRL, its baselines, and everything needed to compare them fairly.

Importing this package is cheap: nothing here imports torch before it is used.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["load_records", "spectrum"]


def __getattr__(name: str) -> Any:
    if name == "spectrum":
        from pmrl.losses.spectral import spectrum

        return spectrum
    if name == "load_records":
        from pmrl.reporting.load import load_records

        return load_records
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
