"""What a search for hyper-parameters judges by, and what it chooses: functions of its records alone.

Every training is recorded with two measures on the validation split, as percentages: ``pairs``, the mean recall@1 over
ordered modality pairs by cosine, and ``anchor``, that of the anchor against everything else, both ways, by the method's
own score. A criterion makes one number of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from pmrl.errors import UserError
from pmrl.records import ANCHOR, CRITERIA, DEFAULTS, FINAL, GAIN, LOGIT, MEAN, PAIRS, TUNING, VALIDATION

MEASURES = [PAIRS, ANCHOR]
BEFORE = ["pairs_before", "anchor_before"]
ALPHA = 0.05


def records_file(tuned: Path) -> Path:
    """The file with the trials behind a file of tuned values: ``tuning_records_X.csv`` beside ``tuned_X.yaml``."""
    return tuned.with_name(f"tuning_records{tuned.stem.removeprefix('tuned')}.csv")


def read_records(path: Path) -> pd.DataFrame:
    """The trials in a file with the columns ``pmrl.records.TUNING``; empty if there is no file.

    Raises:
        UserError: the file lacks a column.
    """
    if not path.exists():
        return pd.DataFrame(columns=TUNING)
    trials = pd.read_csv(path)
    missing = [column for column in TUNING if column not in trials]
    if missing:
        raise UserError(
            f"{path}: column {', '.join(missing)} is missing; found {', '.join(trials.columns)}. It was written by "
            "another version: delete it, and search again with `make tune`."
        )
    texts = ["problem", "criteria"]
    return trials.assign(**trials[texts].astype(object).fillna(""))


def offered(trials: pd.DataFrame) -> list[str]:
    """The criteria that can judge the trials: without a foundation there is no gain over it."""
    return [name for name in CRITERIA if name != GAIN or trials[BEFORE].notna().any(axis=None)]


def criterion_values(trials: pd.DataFrame, criterion: str) -> pd.Series:
    """The value of each trial, higher is better.

    With the recall r (a fraction) of each measure, the mean over both measures of
        logit: log(r / (1 − r)), with r at least half a query above 0 and below 1;
        gain: 100 · (r / r₀ − 1), with r₀ that of the same seed's foundation, at least half a query;
        mean: 100 · r;
    or one of the measures alone, as a percentage. A difference of logits is the same change of odds near 10 % as near
    90 %, so that a measure does not rule by being the larger.
    """
    measures = trials[MEASURES].to_numpy(dtype=float)
    half_query = 0.5 / trials["queries"].to_numpy(dtype=float)[:, None]
    if criterion == LOGIT:
        values = special.logit(np.clip(measures / 100, half_query, 1 - half_query)).mean(axis=1)
    elif criterion == GAIN:
        before = np.maximum(trials[BEFORE].to_numpy(dtype=float), 100 * half_query)
        values = 100 * (measures / before - 1).mean(axis=1)
    elif criterion == MEAN:
        values = measures.mean(axis=1)
    else:
        values = measures[:, MEASURES.index(criterion)]
    return pd.Series(values, index=trials.index)


@dataclass(frozen=True)
class Choice:
    """What the finalists of one search lead to under a criterion.

    Attributes:
        best: the finalist with the highest mean over the seeds.
        lead: its mean minus that of the defaults, in the unit of the criterion; infinite if the defaults diverged.
        noise: the lead that noise alone would hardly reach; see :func:`noise`.
    """

    best: int
    lead: float
    noise: float

    @property
    def candidate(self) -> int:
        """The best finalist if its lead exceeds the noise, else the defaults."""
        return self.best if self.lead > self.noise else DEFAULTS


def finals(trials: pd.DataFrame, split: str = VALIDATION) -> pd.DataFrame:
    """The trials of finalists on a split, in full length with every final seed."""
    return trials[trials["phase"].eq(FINAL) & trials["split"].eq(split)]


def choose(trials: pd.DataFrame, criterion: str) -> Choice:
    """Choose among the finalists of one search by their validation measures; one that diverged cannot be chosen.

    Args:
        trials: all records of the search; those on other splits are not read.
        criterion: one of ``pmrl.records.CRITERIA``.
    """
    final = finals(trials)
    values = final.assign(value=criterion_values(final, criterion)).pivot(
        index="candidate", columns="seed", values="value"
    )
    sound = values.drop(index=final.loc[final["problem"].ne(""), "candidate"].unique())
    if sound.empty:
        return Choice(DEFAULTS, 0.0, np.inf)
    means = sound.mean(axis=1)
    best = int(means.idxmax())
    lead = means[best] - means[DEFAULTS] if DEFAULTS in means else np.inf
    return Choice(best, float(lead), noise(sound.to_numpy()))


def noise(values: np.ndarray) -> float:
    """The lead over the defaults that the best of several equally good candidates exceeds in at most 5 % of searches.

    Candidates share their seeds, so a value is seen as candidate + seed + rest, and the rest, of variance
    v = Σ(x_cs − x̄_c − x̄_s + x̄)² / f with f = (C − 1)(S − 1), is the noise of all of them: three seeds of a single pair
    would estimate it poorly. The bound for the difference of two means is t(1 − α/(C − 1); f) · √(2v/S), one-sided,
    with Bonferroni's correction for the C − 1 candidates that could have won.

    Args:
        values: (C candidates, S seeds); with one candidate or seed nothing tells noise, which is then infinite.

    Source: the two-way layout without replication, e.g. H. Scheffé, The Analysis of Variance, 1959, chapter 4.
    """
    candidates, seeds = values.shape
    freedom = (candidates - 1) * (seeds - 1)
    if not freedom:
        return np.inf
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    error = np.sqrt((rest**2).sum() / freedom * 2 / seeds)
    return float(special.stdtrit(freedom, 1 - ALPHA / (candidates - 1)) * error)
