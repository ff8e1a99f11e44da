"""Which of the paper's claims hold here: one test per claim and data set, judged by the rules of config/claims.yaml."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.files import read_yaml
from pmrl.records import (
    ACCURACY,
    ALIGNMENTS,
    ALL_MODALITIES,
    ANCHOR,
    BETTER_BY,
    BETWEEN_MODALITIES,
    CLEAN,
    CONTINUED,
    CORRUPTIONS,
    COSINE,
    FOLDED,
    MAIN,
    MISSING,
    OWN,
    PAIRS,
    PROBE,
    PROBE_METRICS,
    PROTOCOLS,
    SIGNAL_NOISES,
)
from pmrl.reporting import aggregation
from pmrl.reporting.cells import p_value, with_interval
from pmrl.reporting.contrasts import Hits, columns
from pmrl.reporting.measures import HEADLINE, OWN_RERANKED, TASKS, hits, text_and_audio
from pmrl.reporting.results import Results
from pmrl.reporting.statistics import (
    Comparison,
    detectable,
    difference,
    holm,
    paired_bootstrap,
    paired_t,
    trapezoid_weights,
)

TITLE = "Claims"
CAPTION = (
    "The paper's claims on our data, at our scale. Effect: first method minus second, in points of the measure; for "
    "robustness the measure is the percentage of its own clean recall that a method keeps, averaged over the levels. "
    "Standard errors and the effect size d_z come from a paired bootstrap over seeds and items, intervals and p from "
    "Student's t with degrees of freedom that account for few seeds. Measures with one value per run, such as "
    "gradients, have a paired t-test over seeds, which three seeds can hardly pass. Overall is the mean over these "
    "data sets, whose items are resampled independently (emoji and polyglot name the same things, in different "
    "modalities). p is corrected by Holm within the table, the paper's claims and ours apart. Visible: the smallest "
    "true effect that this test would have found with a probability of 80 %, at the strictest level of that "
    "correction."
)
READS = ("records", "ranks", "contributions", "curves", "stores", "config/claims.yaml", "config/stability.csv")
RULES, STABILITY_RECORDS = ROOT / "config" / "claims.yaml", ROOT / "config" / "stability.csv"
OVERALL = "overall"
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, UNSTABLE = "reproduced", "not reproduced", "inconclusive", "unstable"
DECIDED = (REPRODUCED, NOT_REPRODUCED)
VERDICTS = (*DECIDED, INCONCLUSIVE, UNSTABLE)
TEXT_AUDIO, STABILITY, RERANKING = "text_audio", "gradient_variation", "reranking"
AGGREGATION, NOISE_NOTICED, GAP = "aggregation", "noise_noticed", "modality_gap"
# Measures whose sides name a score, too: "pmrl by own".
SCORES = {
    RERANKING: (HEADLINE, OWN, OWN_RERANKED),
    AGGREGATION: (OWN, aggregation.BEST_SINGLE),
    NOISE_NOTICED: ALIGNMENTS,
}
KEYS = ("claim", "source", "measure", "first", "second", "regime")


def build(results: Results) -> pd.DataFrame:
    """One row per claim and data set, and one per claim overall.

    Raises:
        UserError: a rule names an unknown measure or lacks a key.
    """
    rules = read_yaml(RULES)
    evidence = Evidence(results)
    rows = []
    for claim in rules["claims"]:
        _check(claim)
        terms = {key: claim[key] for key in KEYS}
        parts = {dataset: evidence.differences(claim, dataset) for dataset in results.datasets}
        tests = {dataset: test([part]) for dataset, part in parts.items()} | {OVERALL: test(list(parts.values()))}
        rows += [{**terms, "dataset": dataset, **columns(outcome)} for dataset, outcome in tests.items()]
    frame = pd.DataFrame(rows)
    frame = pd.concat([corrected(family, rules["alpha"]) for _, family in frame.groupby(of_ours(frame), sort=False)])
    frame = frame.sort_index()
    frame["here"] = [verdict(row, rules) for row in frame.to_dict("records")]
    frame = frame.join(elsewhere(frame))
    decided = frame["here"].isin(DECIDED)
    return frame.assign(verdict=frame["here"].mask(decided & frame["turns"].ne(""), UNSTABLE))


def of_ours(frame: pd.DataFrame) -> pd.Series:
    """Whether each row's claim is one that the paper's story implies, rather than one that the paper states."""
    return frame["source"].str.startswith("ours")


def corrected(family: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """A family of claims with p corrected within it, and the smallest effect that each test could have seen."""
    level = alpha / max(1, family["p"].notna().sum())
    visible = detectable(family["error"].to_numpy(), family["df"].to_numpy(), level)
    return family.assign(p_holm=holm(family["p"].to_numpy(dtype=float)), visible=visible)


def elsewhere(frame: pd.DataFrame) -> pd.DataFrame:
    """Per row, the other conditions of `make stability` under which its verdict turns, and those that leave it open.

    A verdict turns where another condition decides otherwise. A condition that decides nothing, for instance with fewer
    seeds, does not contradict it.

    Returns:
        Columns ``turns`` and ``open``, names separated by commas; empty where there are none or nothing is recorded.
    """
    recorded = pd.read_csv(STABILITY_RECORDS, keep_default_na=False) if STABILITY_RECORDS.exists() else pd.DataFrame()
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in recorded.itertuples():
        found.setdefault((row.claim, row.dataset), []).append((row.condition, row.verdict))

    def conditions(row: pd.Series, verdicts: Collection[str]) -> str:
        others = found.get((row["claim"], row["dataset"]), [])
        return ", ".join(name for name, other in others if other in verdicts and other != row["here"])

    columns = {"turns": DECIDED, "open": (INCONCLUSIVE,)}
    return pd.DataFrame(
        {name: [conditions(row, wanted) for _, row in frame.iterrows()] for name, wanted in columns.items()},
        index=frame.index,
    )


def test(parts: list[pd.DataFrame]) -> Comparison:
    """Test the mean of some data sets' differences.

    Args:
        parts: (seed × item) tables, or (seed × 1) where a run has one value; empty where nothing is measured.
    """
    parts = [part for part in parts if part.size]
    if any(part.shape[1] > 1 for part in parts):
        return paired_bootstrap(*(part.to_numpy() for part in parts))
    return paired_t(pd.concat(parts, axis=1).dropna().mean(axis=1) if parts else [])


def verdict(row: Mapping[str, Any], rules: Mapping[str, Any]) -> str:
    """The rule: reproduced, not reproduced, or inconclusive; empty where nothing was measured."""
    if np.isnan(row["effect"]):
        return ""
    if row["p_holm"] < rules["alpha"] and row["effect"] > 0:
        return REPRODUCED
    smallest = rules["smallest_effect"]["ratio" if row["measure"] == STABILITY else "points"]
    return NOT_REPRODUCED if row["high"] < smallest else INCONCLUSIVE


def show(frame: pd.DataFrame, results: Results) -> pd.DataFrame:
    """One row per claim and data set."""
    rows = [
        {
            "claim": f"{row.claim} ({row.source})",
            "data set": row.dataset,
            "measure": row.measure.replace("_", " "),
            "effect [95 % interval]": with_interval(row.effect, row.low, row.high, 2),
            "d_z [95 % interval]": with_interval(row.size, row.size_low, row.size_high, 2),
            "p (Holm)": p_value(row.p_holm),
            "visible": "–" if np.isnan(row.visible) else f"{row.visible:.2f}",
            "seeds": str(row.n) if row.n else "–",
            "verdict": _bold(row),
            "turns with": row.turns or "–",
            "open with": row.open or "–",
        }
        for row in frame.itertuples()
    ]
    shown = pd.DataFrame(rows)
    overall = frame[frame["dataset"] == OVERALL]["verdict"]
    counts = ", ".join(f"{(overall == word).sum()} {word}" for word in VERDICTS)
    shown.attrs["notes"] = [
        f"Overall: {counts}, {(overall == '').sum()} not measured.",
        "Reproduced: corrected p below alpha and a positive effect. Not reproduced: the interval excludes every effect "
        "as large as the smallest one of interest. Inconclusive: neither. Unstable: reproduced or not reproduced here, "
        "and the other of the two under a condition of config/stability.csv (`make stability`). The rules are ours, in "
        "config/claims.yaml. A dash: not measured.",
    ]
    return shown


def _bold(row: Any) -> str:
    return f"**{row.verdict}**" if row.verdict and row.dataset == OVERALL else row.verdict or "–"


def _check(claim: Mapping[str, Any]) -> None:
    missing = set(KEYS) - set(claim)
    if missing:
        raise UserError(f"{RULES}: {dict(claim)} lacks {', '.join(sorted(missing))}.")
    if claim["measure"] not in MEASURES:
        raise UserError(f"{RULES}: unknown measure {claim['measure']!r}. Valid: {', '.join(MEASURES)}.")
    scores = SCORES.get(claim["measure"], ("",))
    for side in ("first", "second"):
        if _scored(claim[side])[1] not in scores:
            valid = " or ".join(f"METHOD by {score}" if score else "METHOD" for score in scores)
            raise UserError(f"{RULES}: {claim['claim']!r}: {side} is {claim[side]!r}; expected {valid}.")


def _contestant(name: str) -> tuple[str, str]:
    """(method, variant) of ``method`` or ``method/variant``."""
    method, _, variant = name.partition("/")
    return method, variant or MAIN


def _scored(name: str) -> tuple[str, str]:
    """(method or method/variant, score) of ``METHOD by SCORE``; the score is empty where none is named."""
    method, _, score = name.partition(" by ")
    return method, score


class Evidence:
    """The paired differences by which each measure of a claim is tested.

    Args:
        results: the results folder.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.hits: dict[str, Hits] = {}

    def differences(self, claim: Mapping[str, Any], dataset: str) -> pd.DataFrame:
        """First minus second on a data set, (seed × item) or (seed × 1); empty where either is missing."""
        first, second = (MEASURES[claim["measure"]](self, claim, dataset, side) for side in ("first", "second"))
        return pd.DataFrame() if first is None or second is None else difference(first, second)

    def retrieval(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Hits at rank 1, seed × item."""
        tables, contestant = self._hits(claim["regime"]), _contestant(claim[side])
        if claim["measure"] != TEXT_AUDIO:
            return hits(self.results, tables, dataset, claim["measure"], contestant)
        pair = text_and_audio(self.results).get(dataset)
        both = [pair, pair[::-1]] if pair else []
        return tables.table(dataset, contestant, (COSINE, False), both)

    def reranking(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Hits at rank 1 from the anchor to the others by the final score that the side names, seed × item."""
        name, score = _scored(claim[side])
        return hits(self.results, self._hits(claim["regime"]), dataset, score, _contestant(name))

    def _hits(self, regime: str) -> Hits:
        if regime not in self.hits:
            self.hits[regime] = Hits(self.results, regime)
        return self.hits[regime]

    def aggregation(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Hits at rank 1 by the joint score or by the best single modality, both directions, seed × item."""
        name, score = _scored(claim[side])
        return aggregation.hits(self.results, self._hits(claim["regime"]), dataset, _contestant(name), score)

    def noise_noticed(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Minus the percentage of an item's modalities whose noise looks like better alignment, seed × item.

        Mean over the levels of the noise.
        """
        name, score = _scored(claim[side])
        chosen = self._contributions(dataset, name, f"{BETTER_BY}{score}")
        return None if chosen.empty else -chosen.groupby(["seed", "item"])["value"].mean().unstack()

    def gap(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Minus the percentage of the variance that lies between modalities, seed × 1; higher is a smaller gap."""
        records = self.results.records
        chosen = records[records["metric"].eq(BETWEEN_MODALITIES) & records["regime"].eq(claim["regime"])]
        return _by_seed(chosen.assign(value=-chosen["value"]), dataset, claim[side])

    def accuracy(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Whether an item is classified correctly, seed × item, by one protocol, or mean over a probe's folds."""
        chosen = self._contributions(dataset, claim[side], ACCURACY)
        chosen = chosen[chosen["folds"].isin(FOLDED if claim["measure"] == ACCURACY else [claim["measure"]])]
        return None if chosen.empty else chosen.groupby(["seed", "item"])["value"].mean().unstack()

    def probe(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Another metric of those probes, seed × 1, mean over their folds."""
        records = self.results.records
        probed = records["regime"].eq(PROBE) & records["query"].eq(ALL_MODALITIES) & records["folds"].isin(FOLDED)
        chosen = records[probed & records["metric"].eq(claim["measure"])]
        return _by_seed(chosen, dataset, claim[side])

    def robustness(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Each item's contribution to the share of its clean recall that a run keeps under a corruption, seed × item.

        The mean over the items is the area under the curve in percent of the same run's clean recall, which the
        bootstrap treats as fixed.
        """
        kind = claim["measure"]
        measure = kind if kind in SIGNAL_NOISES else ANCHOR if kind.startswith(MISSING) else PAIRS
        chosen = self._contributions(dataset, claim[side], measure)
        levels = chosen[chosen["corruption"].isin([kind, CLEAN])].pivot_table("value", ["seed", "item"], "level")
        if 0.0 not in levels or len(levels.columns) < 2:
            return None
        clean = levels[0.0].groupby("seed").transform("mean")
        weights = trapezoid_weights(levels.columns.to_numpy(dtype=float))
        return (100 * (levels * weights).sum(axis=1, skipna=False) / clean).unstack()

    def _contributions(self, dataset: str, name: str, measure: str) -> pd.DataFrame:
        method, variant = _contestant(name)
        every = self.results.contributions
        own = every["dataset"].eq(dataset) & every["method"].eq(method) & every["variant"].eq(variant)
        return every[own & every["measure"].eq(measure)]

    def stability(self, claim: Mapping[str, Any], dataset: str, side: str) -> pd.DataFrame | None:
        """Minus standard deviation / mean of the gradient norm in continued training, seed × 1; higher is steadier."""
        curves = self.results.curves
        chosen = curves[curves["quantity"].eq("gradient_norm") & curves["stage"].eq(CONTINUED)]
        norms = chosen.groupby(["dataset", "method", "variant", "seed"])["value"]
        return _by_seed((-norms.std() / norms.mean()).rename("value").reset_index(), dataset, claim[side])


def _by_seed(values: pd.DataFrame, dataset: str, name: str) -> pd.DataFrame | None:
    """One value per seed, (seed × 1)."""
    method, variant = _contestant(name)
    chosen = values["dataset"].eq(dataset) & values["method"].eq(method) & values["variant"].eq(variant)
    return values[chosen].groupby("seed")[["value"]].mean() if chosen.any() else None


MEASURES = {
    **dict.fromkeys([*TASKS, TEXT_AUDIO], Evidence.retrieval),
    RERANKING: Evidence.reranking,
    **dict.fromkeys(PROBE_METRICS, Evidence.probe),
    **dict.fromkeys([ACCURACY, *(name for name in PROTOCOLS if name not in FOLDED)], Evidence.accuracy),
    **dict.fromkeys(CORRUPTIONS, Evidence.robustness),
    STABILITY: Evidence.stability,
    AGGREGATION: Evidence.aggregation,
    NOISE_NOTICED: Evidence.noise_noticed,
    GAP: Evidence.gap,
}
