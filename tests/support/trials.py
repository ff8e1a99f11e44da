"""Made-up records of searches for hyper-parameters, with known measures."""

import numpy as np
import pandas as pd

from pmrl.records import TUNING

QUERIES = 200


def rows(measured, phase="final", split="validation", criteria="", **columns):
    """One row for each candidate and seed, in full length.

    measured: {candidate: [(pairs, anchor) of each seed]}; the foundation has half of 40 and 60 percent.
    """
    made = [
        {
            **{
                "phase": phase,
                "split": split,
                "candidate": candidate,
                "seed": 1001 + place,
                "share": 1.0,
                "steps": 100,
            },
            **{"pairs": pairs, "anchor": anchor, "pairs_before": 20.0, "anchor_before": 30.0, "queries": QUERIES},
            **{"problem": "", "criteria": criteria, "grid": 24, "temperature": (0.07, 0.1, 0.2, 0.5)[candidate]},
        }
        for candidate, values in measured.items()
        for place, (pairs, anchor) in enumerate(values)
    ]
    names = {"dataset": "digits", "method": "gram", "variant": "main", **columns}
    return pd.DataFrame([names | row for row in made], columns=[*TUNING, "temperature"])


def around(pairs, anchor, spread=0.5):
    """Three seeds around a pair of measures, which differ by ``spread`` points."""
    return [(pairs + shift, anchor + shift) for shift in spread * np.array([-1, 0, 1])]


def searched():
    """A search that replaces the defaults of GRAM on digits, by every criterion."""
    measured = {0: around(20, 50), 1: around(30, 60)}
    return pd.concat(
        [
            rows({0: [(20, 50)], 1: [(31, 61)]}, phase="search", criteria="logit gain pairs anchor mean"),
            rows(measured),
            rows(measured, split="test"),
        ]
    )
