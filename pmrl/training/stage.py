"""What one stage of training is."""

from __future__ import annotations

from dataclasses import dataclass

from pmrl.records import MISMATCHED_ANCHOR, MISMATCHED_MODALITY, MISSING

FLOAT32, BFLOAT16, FLOAT16 = "float32", "bfloat16", "float16"


@dataclass(frozen=True)
class Stage:
    """What one stage trains on.

    Attributes:
        name: foundation, continued, fine_tuned or scratch.
        split: the split whose instances are trained on.
        steps: optimiser steps.
        batch_size: instances in a batch.
        weight_decay: of AdamW.
        mismatched_anchor: percent of the training items whose modalities but the anchor are another instance's.
        mismatched_modality: percent of the cells (item, modality) that are another instance's, each a different one's.
        missing: percent of the modalities that are missing at random, including the anchor.
        precision: of the encoders; the losses, and the heads that read several modalities, always have float32.
        embedded_at_once: instances of a batch whose activations are kept at a time; 0 keeps those of all.
    """

    name: str
    split: str
    steps: int
    batch_size: int
    weight_decay: float = 0.01
    mismatched_anchor: float = 0.0
    mismatched_modality: float = 0.0
    missing: float = 0.0
    precision: str = FLOAT32
    embedded_at_once: int = 0

    @property
    def label(self) -> str:
        """The name of the stage's files."""
        corruptions = {
            MISMATCHED_ANCHOR: self.mismatched_anchor,
            MISMATCHED_MODALITY: self.mismatched_modality,
            MISSING: self.missing,
        }
        return "_".join([self.name, *(f"{kind}_{level:g}" for kind, level in corruptions.items() if level)])
