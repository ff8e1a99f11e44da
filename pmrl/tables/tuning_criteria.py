"""What each criterion of the search for hyper-parameters would have chosen, and what PMRL's rivals then look like."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from pmrl.records import ANCHOR, DEFAULTS, MAIN, PAIRS, PROPOSED
from pmrl.reporting.cells import with_interval
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import paired_t
from pmrl.reporting.tuning import NOTHING, SAME, Searched, all_searches, deciding_criterion

TITLE = "Tuning criteria"
CAPTION = (
    "Hyper-parameters that each criterion chooses from its own search of the same budget, and recall@1 in percent on "
    "the validation split with them, mean over the finalists' seeds; beside it PMRL's minus the method's, both chosen "
    "by that criterion, with the 95 % t-interval over seeds. Pairs: mean over all ordered pairs of modalities by "
    "cosine. Own: anchor against all others, both ways, by each method's own score. All numbers are ours."
)
READS = ("methods", "config/tuning_records.csv", "config/tuning_records_from_scratch.csv")
MEASURES = {PAIRS: "pairs", ANCHOR: "own"}
COLUMNS = ["dataset", "criterion", "method", "variant", "chosen", PAIRS, ANCHOR]


def build(results: Results) -> pd.DataFrame:
    """One row per data set, criterion and search; the first criterion is none, all methods with their defaults."""
    every = all_searches(results)
    rows: list[dict[str, Any]] = []
    for dataset in dict.fromkeys(search.dataset for search in every):
        searches = [search for search in every if search.dataset == dataset]
        for criterion in [SAME, *searches[0].criteria]:
            rows += compared(searches, criterion)
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def compared(searches: list[Searched], criterion: str) -> Iterator[dict[str, Any]]:
    """Each search's choice under a criterion, its recalls, and those of PMRL's choice minus them."""
    own = next((search for search in searches if (search.method, search.variant) == (PROPOSED, MAIN)), None)
    for search in searches:
        line = {"dataset": search.dataset, "criterion": criterion, "method": search.method, "variant": search.variant}
        line |= {"chosen": search.text(chosen(search, criterion))}
        for measure in MEASURES:
            values = search.by_seed(chosen(search, criterion), measure)
            line[measure] = values.mean()
            if own is not None and own is not search:
                test = paired_t((own.by_seed(chosen(own, criterion), measure) - values).dropna())
                line |= {f"{measure}_{key}": getattr(test, key) for key in ("effect", "low", "high")}
        yield line


def chosen(search: Searched, criterion: str) -> int:
    """The candidate that a criterion chooses; the defaults where none decides."""
    return DEFAULTS if criterion == SAME else search.choice(criterion).candidate


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per data set, criterion and method."""
    deciding = deciding_criterion(results)
    rows = [
        {
            "data set": line["dataset"],
            "criterion": f"{line['criterion']} (decides)" if line["criterion"] == deciding else line["criterion"],
            "method": results.label(line["method"], line["variant"]),
            "chosen values": line["chosen"],
            **{name: f"{line[measure]:.1f}" for measure, name in MEASURES.items()},
            **{f"PMRL minus it: {name}": effect(line, measure) for measure, name in MEASURES.items()},
        }
        for line in frame.to_dict("records")
    ]
    shown = pd.DataFrame(rows, columns=None if rows else ["data set", "criterion", "method"])
    shown.attrs["groups"] = 2
    shown.attrs["notes"] = [*verdicts(frame, results), READING] if rows else [NOTHING]
    return shown


READING = (
    "Criteria: logit, the mean of the two recalls' logits; gain, the mean of their gains relative to the same seed's "
    "foundation; pairs or anchor, one recall alone; mean, their mean, which the larger rules. Bold: the interval "
    "excludes 0."
)


def effect(line: dict[str, Any], measure: str) -> str:
    """PMRL's recall minus this method's, bold where the interval excludes zero; empty beside PMRL itself."""
    value, low, high = (line.get(f"{measure}_{key}", float("nan")) for key in ("effect", "low", "high"))
    if pd.isna(value):
        return ""
    cell = with_interval(value, low, high, 1)
    return f"**{cell}**" if low > 0 or high < 0 else cell


def verdicts(frame: pd.DataFrame, results: Results) -> list[str]:
    """For each comparison whose sign depends on the criterion, who leads under which."""
    found = []
    for (dataset, method, variant), part in frame.groupby(["dataset", "method", "variant"], sort=False):
        for measure, name in MEASURES.items():
            effects = part.set_index("criterion").get(f"{measure}_effect", pd.Series(dtype=float)).dropna()
            above, below = list(effects[effects > 0].index), list(effects[effects < 0].index)
            if above and below:
                found.append(
                    f"PMRL against {results.label(method, variant)} on {dataset} ({name}) turns with the criterion: "
                    f"above with {', '.join(above)}; below with {', '.join(below)}."
                )
    return found or ["No comparison of PMRL changes its sign with the criterion."]
