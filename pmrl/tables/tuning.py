"""What the search for hyper-parameters spent and gained: the defaults against the chosen values."""

from typing import Any

import numpy as np
import pandas as pd

from pmrl.records import ANCHOR, DEFAULTS, PAIRS, TEST, VALIDATION
from pmrl.reporting.cells import text
from pmrl.reporting.render import MISSING
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import t_interval
from pmrl.reporting.tuning import NOTHING, SAME, Searched, all_searches, deciding_criterion

TITLE = "Tuning"
CAPTION = (
    "The search for hyper-parameters: what it spent, in full trainings and in optimiser steps; how much of the grid of "
    "values it tried; the range of recall@1 in percent over its trainings of any length; and the defaults against the "
    "chosen values, over seeds that neither the search nor the study uses. Pairs: mean over all ordered pairs of "
    "modalities by cosine. Own: anchor against all others, both ways, by the method's own score. All numbers are ours."
)
READS = ("methods", "config/tuning_records.csv", "config/tuning_records_from_scratch.csv")
MEASURES = {PAIRS: "pairs", ANCHOR: "own"}
SPLITS = (VALIDATION, TEST)
KEYS = ["dataset", "method", "variant", "criterion", "trainings", "steps", "tried", "grid", "chosen", "lead", "noise"]


def build(results: Results) -> pd.DataFrame:
    """One row per search: its budget, its ranges, and both recalls of the defaults and the chosen values by split."""
    criterion = deciding_criterion(results)
    rows = [row(search, criterion) for search in all_searches(results)]
    return pd.DataFrame(rows, columns=None if rows else KEYS)


def row(search: Searched, criterion: str) -> dict[str, Any]:
    """The numbers of one search under the criterion that decides."""
    made, choice = search.made_for(criterion), search.choice(criterion)
    line: dict[str, Any] = {
        "dataset": search.dataset,
        "method": search.method,
        "variant": search.variant,
        "criterion": criterion,
        "trainings": made["share"].sum(),
        "steps": made["steps"].sum(),
        "tried": max(1, made["candidate"].nunique()),
        "grid": search.trials["grid"].iloc[0],
        "chosen": search.text(choice.candidate),
        "lead": choice.lead,
        "noise": choice.noise,
    }
    for measure in MEASURES:
        line |= {f"{measure}_lowest": made[measure].min(), f"{measure}_highest": made[measure].max()}
        for split in SPLITS:
            for name, candidate in {"default": DEFAULTS, "chosen": choice.candidate}.items():
                estimate = t_interval(search.by_seed(candidate, measure, split))
                line |= {f"{split}_{measure}_{name}_{key}": value for key, value in vars(estimate).items()}
    return line


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set and method."""
    rows = [
        {
            "data set": line["dataset"],
            "method": results.label(line["method"], line["variant"]),
            "search: trainings": f"{line['trainings']:g}",
            "search: steps": f"{line['steps']:,.0f}",
            "search: of the grid": f"{line['tried']} of {line['grid']} ({line['tried'] / line['grid']:.0%})",
            **{f"search: {name}": span(line, measure) for measure, name in MEASURES.items()},
            **{
                f"{split}: {name}": against(line, f"{split}_{measure}")
                for split in SPLITS
                for measure, name in MEASURES.items()
            },
            "choice: lead (noise)": lead(line),
            "choice: values": line["chosen"],
        }
        for line in frame.to_dict("records")
    ]
    shown = pd.DataFrame(rows, columns=None if rows else ["data set", "method"])
    shown.attrs["notes"] = notes(frame, deciding_criterion(results)) if rows else [NOTHING]
    return shown


def span(line: dict[str, Any], measure: str) -> str:
    """The lowest and the highest recall in the search; a dash where there was nothing to search."""
    low, high = line[f"{measure}_lowest"], line[f"{measure}_highest"]
    return MISSING if pd.isna(low) else f"{low:.1f}–{high:.1f}"


def lead(line: dict[str, Any]) -> str:
    """The best finalist's lead over the defaults and that of noise; a dash without another finalist."""
    numbers = f"{line['lead']:.2f} ({line['noise']:.2f})".replace("-", "−")
    return numbers if np.isfinite(line["noise"]) else MISSING


def against(line: dict[str, Any], prefix: str) -> str:
    """The recall with the defaults and, if they were replaced, with the chosen values."""
    names = ["default"] if line["chosen"] == SAME else ["default", "chosen"]
    cells = [text(*(line[f"{prefix}_{name}_{key}"] for key in ("mean", "low", "high"))) for name in names]
    return " → ".join(cells)


def notes(frame: pd.DataFrame, criterion: str) -> list[str]:
    """How to read the table, and the verdict of all searches."""
    stays = int(frame["chosen"].eq(SAME).sum())
    return [
        f"The defaults stay in {stays} of {len(frame)} searches. The best finalist replaces them only if its lead, by "
        f"the criterion “{criterion}” on the validation split, exceeds the noise: the lead that the best of as many "
        "equally good candidates would exceed in one of twenty searches (two-way layout of candidates and seeds, "
        "Bonferroni); a dash where there is only one finalist.",
        "Recall: mean ± half of the 95 % t-interval over the seeds; the defaults, and → the chosen values where they "
        "replace the defaults. No choice reads the test split. A search that spent less than others had tried its "
        "whole grid.",
    ]
