"""Multimodal alignment benchmark: PMRL, its baselines, and everything needed to compare them fairly.

Importing this package is cheap: nothing here imports torch before it is used.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["spectrum"]


def __getattr__(name: str) -> Any:
    if name == "spectrum":
        from pmrl.spectral import spectrum

        return spectrum
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
