"""What tables and figures read: the files of a results folder, their formats, and the one reader of them.

``records.parquet``, one row per value:
    dataset, method, variant ("main" or a named ablation), regime ("foundation", "zero_shot", "fine_tuned",
    "scratch"; "probe" for classification), seed (int), split ("test"), score ("own" = the method's own
    multi-modality score, "cosine"), reranked (bool), query, gallery (modality names; "others" = all but
    the anchor), corruption ("none", "gaussian", "missing", "missing_training", "mismatched"), level (float,
    0 = none), metric ("recall@1", "recall@5", "recall@10" in percent, "median_rank"; of "probe" accuracy, auc,
    sensitivity, specificity in percent), value, n (queries), gallery_size, reason (why "unsupported", else "").
    Rows of classification: query = "all" modalities, gallery = the kind of folds ("random",
    "leave_site_out"), method "raw_features" = logistic regression on the unlearned features.
``ranks.parquet``, one row per query, for paired tests:
    dataset, method, variant, regime, seed, score, reranked, query, gallery, item (id of the query),
    rank (float).
``curves.parquet``, one row per logged value of training:
    dataset, method, variant, stage ("foundation", "continued", "fine_tuned", "scratch"), seed, step, quantity
    ("sigma_1" … "sigma_k", "uniformity", "gradient_norm", loss terms; from scratch also "gradient_of_<term>",
    "cosine of a, b" of each pair of modalities, "opposed", "sign_flips", "recall", see ``pmrl.diagnosis``), value.
``contributions.parquet``, one row per item, for paired tests of means over several tasks:
    dataset, method, variant, seed, measure ("pairs": mean recall@1 over ordered pairs by cosine; "anchor": from the
    anchor to the others and back by the own score; "accuracy" of a probe), corruption (as in records; of "accuracy"
    the kind of folds), level, item (id), value (percent; the mean over the items is the measure).
``methods.json``: {method: {title, reference, color, variants: [names], parameters: {dataset: {"encoders", "fused",
    "matching": number}}}}.
``data/<dataset>/card.yaml``, ``items.parquet``, ``pictures.parquet``: the feature store.
``costs.parquet``: method, modalities (int, k), parameters (int), step_milliseconds, epoch_seconds,
    peak_megabytes.
``sweep.parquet``, one row per trained setting of PMRL:
    dataset, seed, parameter ("temperatures" or "matching_weight", what is swept), alignment_temperature,
    instance_temperature, matching_weight, value (mean recall@1 over ordered pairs, percent).
``examples.parquet``, one row per retrieved item:
    dataset, method, query (modality), gallery (modality), item (id of the query), rank (1 … 5), retrieved
    (id of the gallery item), correct (bool).
``embeddings.parquet``, one row per embedded item:
    dataset, method, seed, item (id), label, modality (a modality name, or "leading_direction"), and the
    unit vector as columns e0 … e(d−1), float32.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pmrl.errors import UserError

RUN = ["dataset", "method", "variant", "regime", "seed"]
TASK = ["score", "reranked", "query", "gallery"]
COLUMNS = {
    "records": [*RUN, "split", *TASK, "corruption", "level", "metric", "value", "n", "gallery_size"],
    "ranks": [*RUN, *TASK, "item", "rank"],
    "curves": ["dataset", "method", "variant", "stage", "seed", "step", "quantity", "value"],
    "contributions": ["dataset", "method", "variant", "seed", "measure", "corruption", "level", "item", "value"],
    "costs": ["method", "modalities", "parameters", "step_milliseconds", "epoch_seconds", "peak_megabytes"],
    "sweep": [
        *["dataset", "seed", "parameter", "alignment_temperature", "instance_temperature", "matching_weight"],
        "value",
    ],
    "examples": ["dataset", "method", "query", "gallery", "item", "rank", "retrieved", "correct"],
    "embeddings": ["dataset", "method", "seed", "item", "label", "modality"],
}
# What names one cell of a file in which every cell may stand only once.
CELL = {
    "records": [*RUN, "split", *TASK, "corruption", "level", "metric"],
    "contributions": ["dataset", "method", "variant", "seed", "measure", "corruption", "level", "item", "value"],
    "costs": ["method", "modalities"],
    "sweep": COLUMNS["sweep"][:-1],
}
# Files that not every study writes: without them their tables and figures say that nothing is recorded.
OPTIONAL = ("contributions", "costs", "sweep", "examples", "embeddings")
OTHERS = "others"
PROPOSED = "pmrl"
# The foundation's own test stands among the zero-shot rows: it is where continued training starts from.
FOUNDATION, ZERO_SHOT = "foundation", "zero_shot"
PAIR_COSINE = "cosine of "  # followed by two modalities: a quantity of curves
REGIMES = {"zero_shot": "zero-shot", "fine_tuned": "fine-tuned", "scratch": "from scratch"}


class Results:
    """A results folder, each file read when it is first asked for.

    Args:
        folder: the folder that holds ``records.parquet`` and the other files.
        study: the configuration of the study; tables read ``datasets`` (names of what should be there), ``cost``
            (where it is measured; empty for nowhere) and ``claims``.
        data: the folder of the feature stores; ``data`` in the results folder by default.
    """

    def __init__(self, folder: Path, study: Mapping[str, Any] | None = None, data: Path | None = None) -> None:
        self.folder = Path(folder)
        self.study = study or {}
        self.data = Path(data) if data else self.folder / "data"

    @cached_property
    def records(self) -> pd.DataFrame:
        """All measured values on test data; rows of unsupported methods are in ``reasons`` instead."""
        records = self._all_records
        records = records[records["metric"].ne("unsupported") & records["split"].eq("test")]
        return records.assign(regime=records["regime"].replace(FOUNDATION, ZERO_SHOT))

    @cached_property
    def reasons(self) -> dict[tuple[str, str], str]:
        """{(dataset, method): why the method does not support the data set}."""
        refused = self._all_records[self._all_records["metric"].eq("unsupported")]
        return {(row.dataset, row.method): row.reason for row in refused.itertuples()}

    @cached_property
    def _all_records(self) -> pd.DataFrame:
        return _plain(self.table("records"))

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Rank of the right answer, per query."""
        ranks = self.table("ranks")
        names = [column for column in COLUMNS["ranks"] if column not in ("seed", "reranked", "rank", "regime")]
        regime = pd.Categorical(ranks["regime"])
        seen = [ZERO_SHOT if name == FOUNDATION else name for name in regime.categories]
        regime = pd.Categorical.from_codes(pd.factorize(pd.Index(seen))[0][regime.codes], list(dict.fromkeys(seen)))
        return ranks.assign(regime=regime).astype(dict.fromkeys(names, "category"))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Values logged while training."""
        return _plain(self.table("curves"))

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """What each item adds to a mean that is not a single retrieval task."""
        return _plain(self.table("contributions"))

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Measured costs; none if the study measures none, whatever file an earlier one has left."""
        costs = self.table("costs")[COLUMNS["costs"]]
        return costs if self.study.get("cost", True) else costs[:0]

    def table(self, name: str) -> pd.DataFrame:
        """Read ``<name>.parquet`` and check it; an optional file that is missing is an empty table.

        Raises:
            UserError: the file is missing, lacks a column, or holds the same cell twice.
        """
        path = self.folder / f"{name}.parquet"
        if name in OPTIONAL and not path.exists():
            return pd.DataFrame(columns=COLUMNS[name])
        self._existing(path)
        try:
            frame = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not a readable parquet file ({error}). Delete it and run again.") from error
        missing = [column for column in COLUMNS[name] if column not in frame]
        if missing:
            raise UserError(
                f"{path}: column {', '.join(missing)} is missing; found {', '.join(frame.columns)}. "
                "Evaluate again with this version."
            )
        repeated = frame[frame.duplicated(CELL[name])] if name in CELL else frame[:0]
        if len(repeated):
            cell = ", ".join(f"{key} {repeated.iloc[0][key]}" for key in CELL[name])
            raise UserError(f"{path}: {len(repeated)} rows repeat a cell, first: {cell}. Evaluate again.")
        return frame

    @cached_property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Title, reference, colour and variants of each method; PMRL first."""
        described = json.loads(self._existing(self.folder / "methods.json").read_text(encoding="utf-8"))
        return dict(sorted(described.items(), key=lambda pair: pair[0] != PROPOSED))

    @cached_property
    def cards(self) -> dict[str, dict[str, Any]]:
        """The card of each data set of the study."""
        return {name: self._card(name) for name in self.datasets}

    @cached_property
    def datasets(self) -> list[str]:
        """Data sets of the study, or, where the configuration is not given, of the records."""
        return list(self.study.get("datasets") or self._all_records["dataset"].unique())

    def _card(self, dataset: str) -> dict[str, Any]:
        path = self._existing(self.data / dataset / "card.yaml")
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    def _existing(self, path: Path) -> Path:
        if not path.exists():
            raise UserError(f"{path}: not found. Run the study that writes it (snakemake) or name another folder.")
        return path

    def contestants(self, regime: str = ZERO_SHOT) -> list[tuple[str, str]]:
        """Every (method, variant) of the study or the records: PMRL first, "main" before the variants."""
        described = [
            (method, variant)
            for method, about in self.methods.items()
            for variant in ["main", *about.get("variants", [])]
        ]
        asked = [
            (method, variant)
            for method in self.study.get("methods", [])
            for variant in ["main", *self.study.get("variants", {}).get(method, {})]
        ]
        trained = self.records[self.records["regime"].isin(REGIMES)]
        found = trained[["method", "variant"]].drop_duplicates().itertuples(index=False, name=None)
        everyone = sorted(dict.fromkeys([*described, *asked, *found]), key=lambda one: one[0] != PROPOSED)
        return [one for one in everyone if one[0] != FOUNDATION or regime == ZERO_SHOT]

    def rival(self) -> str | None:
        """The method that figures set PMRL against: GRAM as in the paper, else the first other; None if alone."""
        others = [method for method in self.methods if method not in (PROPOSED, FOUNDATION)]
        return "gram" if "gram" in others else next(iter(others), None)

    def label(self, method: str, variant: str = "main") -> str:
        """How tables and figures name a method or one of its variants."""
        title = self.methods.get(method, {}).get("title", method.replace("_", " "))
        return title if variant == "main" else f"{title} {variant.replace('_', ' ')}"

    def labels(self, frame: pd.DataFrame) -> list[str]:
        """The label of each row's method and variant."""
        return [self.label(*one) for one in frame[["method", "variant"]].itertuples(index=False, name=None)]

    def title(self, dataset: str) -> str:
        """How tables and figures name a data set."""
        return dataset.replace("_", " ")

    def anchor(self, dataset: str) -> str:
        """The modality that anchored methods are built on."""
        return self.cards[dataset]["anchor"]

    def sides(self, dataset: str) -> tuple[str, str]:
        """The anchor and everything else, as the records name them: with two modalities, the other one."""
        others = [modality for modality in self.cards[dataset]["modalities"] if modality != self.anchor(dataset)]
        return self.anchor(dataset), others[0] if len(others) == 1 else OTHERS


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories as texts: two files need not agree on their categories."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, str))
