"""What re-ranking by matching gains, and which final score validation prefers for each method."""

import pandas as pd

from pmrl.records import OWN, PRETRAIN, REGIMES, TEST, VALIDATION
from pmrl.reporting import final_scores
from pmrl.reporting.measures import clean_anchor_recalls
from pmrl.reporting.results import Results

TITLE = "Re-ranking"
CAPTION = (
    "Recall@1 in percent between the anchor and all others, mean over both directions and seeds, by every candidate "
    "for a method's final score: on validation, where the headline score is chosen (bold), and on test; and, zero- "
    "shot, on items that the method was trained on, which shows what the matching head has learned by heart. All "
    "numbers are ours; the paper re-ranks the top 50 by matching alone."
)
READS = ("methods", "records", "stores")
TRAINED = {(OWN, False): "own score", (OWN, True): "top 50 by matching"}
SPLITS = {PRETRAIN: "trained on", VALIDATION: VALIDATION, TEST: TEST}


def build(results: Results) -> pd.DataFrame:
    """Mean recall per run (without its seed), split and candidate, its ``title``, and whether it is the headline."""
    parts = [final_scores.recalls(results.of_split(split)).assign(split=split) for split in (PRETRAIN, VALIDATION)]
    parts.append(final_scores.recalls(clean_anchor_recalls(results)).assign(split=TEST))
    frame = pd.concat(parts, ignore_index=True)
    runs = frame[final_scores.RUN].itertuples(index=False, name=None)
    scorings = list(frame[["score", "reranked"]].itertuples(index=False, name=None))
    chosen = [results.final_scores.get(run) == scoring for run, scoring in zip(runs, scorings, strict=True)]
    return frame.assign(chosen=chosen, title=[final_scores.TITLES[scoring] for scoring in scorings])


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, regime and method or variant that trains a matching head."""
    order = {one: place for place, one in enumerate(results.contestants())}
    rows = []
    for run, part in frame.groupby(final_scores.RUN, sort=False):
        dataset, method, variant, regime = run
        if not part["reranked"].any():
            continue
        cells = {(row.split, (row.score, row.reranked)): row for row in part.itertuples()}
        line = {"data set": dataset, "regime": REGIMES[regime], "method": results.label(method, variant)}
        for split, title in SPLITS.items():
            for scoring, name in (TRAINED if split == PRETRAIN else final_scores.TITLES).items():
                line[f"{title}: {name}"] = _cell(cells.get((split, scoring)))
        rows.append((results.datasets.index(dataset), list(REGIMES).index(regime), order[method, variant], line))
    lines = [line for *_, line in sorted(rows, key=lambda row: row[:3])]
    shown = pd.DataFrame(lines, columns=None if lines else ["data set", "regime", "method"])
    shown.attrs["groups"] = 2
    shown.attrs["notes"] = [
        "Mixtures: the two scores, each standardised over a query's 50 candidates, weighted as the column says. The "
        "headline is the candidate with the highest mean on validation, the simplest of equal ones. Methods without a "
        "matching head are ranked by their own score and left out.",
    ]
    return shown


def _cell(row: object) -> str:
    if row is None:
        return "–"
    text = f"{row.value:.1f}"  # type: ignore[attr-defined]
    return f"**{text}**" if row.chosen else text  # type: ignore[attr-defined]
