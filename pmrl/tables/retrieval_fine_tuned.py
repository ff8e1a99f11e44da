"""Retrieval between the anchor and everything else after training on the target's training part (Table 2)."""

import pandas as pd

from pmrl.results import Results
from pmrl.tables import retrieval_zero_shot

TITLE = "Fine-tuned retrieval"
CAPTION = (
    "Retrieval of everything but the anchor from the anchor (anchor → others) and back, after training on "
    "the training part of the target; the test groups stay unseen. Recall@k in percent (higher is better), "
    "median rank (lower is better)."
)
show = retrieval_zero_shot.show


def build(results: Results) -> pd.DataFrame:
    """As in ``retrieval_zero_shot``, for the fine-tuned models."""
    return retrieval_zero_shot.build(results, "fine_tuned")
