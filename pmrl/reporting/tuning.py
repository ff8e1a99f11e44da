"""The study's searches for hyper-parameters, as its tables read them from the committed trials."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pmrl.discovery import ROOT
from pmrl.records import DEFAULTS, LOGIT, MAIN, ONE_SEARCH, SEARCH, TUNING, VALIDATION
from pmrl.reporting.results import Results
from pmrl.study.tuning import Choice, choose, finals, offered, read_records, records_file

NOTHING = "Nothing was searched: every method has its default hyper-parameters."
SAME = "defaults"


@dataclass(frozen=True)
class Searched:
    """The search for the hyper-parameters of one method or variant on one data set.

    Attributes:
        trials: its rows, with the columns ``pmrl.records.TUNING`` and one for each hyper-parameter.
    """

    dataset: str
    method: str
    variant: str
    trials: pd.DataFrame

    @property
    def criteria(self) -> list[str]:
        """The criteria that can judge it."""
        return offered(self.trials)

    def choice(self, criterion: str) -> Choice:
        """What it chooses under a criterion."""
        return choose(self.trials, criterion)

    def made_for(self, criterion: str) -> pd.DataFrame:
        """The trainings, before the final, of the search under a criterion."""
        asked = self.trials["criteria"].map(lambda names: criterion in names.split())
        return self.trials[asked & self.trials["phase"].eq(SEARCH)]

    def by_seed(self, candidate: int, measure: str, split: str = VALIDATION) -> pd.Series:
        """A finalist's recall on a split in percent, by seed."""
        final = finals(self.trials, split)
        return final[final["candidate"].eq(candidate)].set_index("seed")[measure]

    def text(self, candidate: int) -> str:
        """The hyper-parameters in which a candidate differs from the defaults."""
        values = self.trials.drop(columns=TUNING)
        numbers = self.trials["candidate"]
        default, own = (values[numbers.eq(number)].iloc[0].dropna() for number in (DEFAULTS, candidate))
        changed = [f"{name.replace('_', ' ')} {own[name]}" for name in own.index if own[name] != default[name]]
        return ", ".join(changed) or SAME


def all_searches(results: Results) -> list[Searched]:
    """The searches of the study's data sets, methods and variants; none if the study names no tuned values."""
    tuned = results.study.get("tuned")
    if not tuned:
        return []
    trials = read_records(records_file(ROOT / tuned))
    groups = dict(iter(trials.groupby(ONE_SEARCH)))
    variants = results.study.get("variants", {})
    wanted = [
        (dataset, method, variant)
        for dataset in results.datasets
        for method in results.study.get("methods", trials["method"].unique())
        for variant in [MAIN, *variants.get(method, {})]
    ]
    return [Searched(*key, groups[key]) for key in wanted if key in groups]


def deciding_criterion(results: Results) -> str:
    """The criterion that chose the study's values."""
    return results.study.get("tuning_criterion", LOGIT)
