"""The only reader of a results folder; ``pmrl.records`` describes its files."""

from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pmrl.errors import UserError
from pmrl.files import read_json, read_yaml
from pmrl.records import (
    CELL,
    COLUMNS,
    FOUNDATION,
    MAIN,
    METHODS,
    METHODS_FILE,
    OPTIONAL,
    OTHERS,
    PROPOSED,
    RAW_FEATURES,
    REGIMES,
    STORES,
    TABLES,
    TEST,
    UNSUPPORTED,
    VALIDATION,
    ZERO_SHOT,
)
from pmrl.reporting import final_scores
from pmrl.reporting.collect import collected_runs, same


class Results:
    """A results folder; each file is read on first use.

    Args:
        folder: the folder that holds ``records.parquet`` and the other files.
        study: the settings of ``pmrl.study.plan.study_settings``; without them, data sets and methods are those of the
            records.
        data: the folder of the feature stores; ``data`` in the results folder by default.
        reads: what may be read: names of ``pmrl.records.TABLES``, "methods" and "stores"; everything by default. A
            table or figure declares them as ``READS``, so that the workflow makes it again when one of them changes,
            and only then.
    """

    def __init__(
        self,
        folder: Path,
        study: Mapping[str, Any] | None = None,
        data: Path | None = None,
        reads: Collection[str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.study = study or {}
        self.data = Path(data) if data else self.folder / "data"
        self.reads = reads
        self.used: set[str] = set()  # what has been read so far, in the names of ``reads``

    def _declared(self, name: str) -> None:
        self.used.add(name)
        if self.reads is not None and name not in self.reads:
            raise UserError(f"{name!r} is read but not declared; add it to READS of the table or figure.")

    def store(self, dataset: str) -> Path:
        """The folder of a data set's feature store."""
        self._declared(STORES)
        return self.data / dataset

    @cached_property
    def records(self) -> pd.DataFrame:
        """All measured values on test data; rows of unsupported methods are in ``reasons`` instead."""
        return self.of_split(TEST)

    def of_split(self, split: str) -> pd.DataFrame:
        """All values measured on the items of a split."""
        records = self._all_records
        records = records[records["metric"].ne(UNSUPPORTED) & records["split"].eq(split)]
        return records.assign(regime=records["regime"].replace(FOUNDATION, ZERO_SHOT))

    @cached_property
    def final_scores(self) -> dict[tuple[str, ...], final_scores.Scoring]:
        """{(data set, method, variant, regime): the (score, reranked) that its headline number is measured by}."""
        return final_scores.choose(self.of_split(VALIDATION))

    @cached_property
    def reasons(self) -> dict[tuple[str, str], str]:
        """{(dataset, method): why the method does not support the data set}."""
        refused = self._all_records[self._all_records["metric"].eq(UNSUPPORTED)]
        return {(row.dataset, row.method): row.reason for row in refused.itertuples()}

    @cached_property
    def _all_records(self) -> pd.DataFrame:
        return _plain(self.table("records"))

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """Rank of the relevant item, per query."""
        ranks = self.table("ranks")
        names = [column for column in COLUMNS["ranks"] if column not in ("seed", "reranked", "rank", "regime")]
        regime = pd.Categorical(ranks["regime"])
        merged = [ZERO_SHOT if name == FOUNDATION else name for name in regime.categories]
        codes = pd.factorize(pd.Index(merged))[0][regime.codes]
        regime = pd.Categorical.from_codes(codes, list(dict.fromkeys(merged)))
        return ranks.assign(regime=regime).astype(dict.fromkeys(names, "category"))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Values logged in training."""
        return _plain(self.table("curves"))

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """Each item's contribution to a mean over several tasks."""
        return _plain(self.table("contributions"))

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Measured costs; empty if the study measures none, even if an earlier study left a file."""
        costs = self.table("costs")[COLUMNS["costs"]]
        return costs if self.study.get("cost", True) else costs[:0]

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """Sensitivity sweeps of the data sets that the study sweeps, even if an earlier study left others."""
        sweep = self.table("sweep")
        return sweep[sweep["dataset"].isin(self.study.get("swept", sweep["dataset"]))]

    def table(self, name: str) -> pd.DataFrame:
        """Read and check ``<name>.parquet``; a missing optional file gives an empty table.

        Raises:
            UserError: the file is missing or damaged, lacks a column, or has two values for one cell.
        """
        self._declared(name)
        path = self.folder / TABLES[name]
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
        frame = self._own_runs(frame)
        repeated = frame[frame.duplicated(CELL[name])] if name in CELL else frame[:0]
        if len(repeated):
            cell = ", ".join(f"{key} {repeated.iloc[0][key]}" for key in CELL[name])
            raise UserError(f"{path}: {len(repeated)} rows repeat a cell, first: {cell}. Evaluate again.")
        return frame

    def _own_runs(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of runs that belong to the study, where it says what its runs are made of."""
        foreign = self.foreign
        if not foreign or not {"dataset", "method"} <= set(frame):
            return frame
        variants = frame["variant"].astype(str) if "variant" in frame else MAIN
        keys = frame[["dataset", "method"]].astype(str).assign(variant=variants)
        keys.loc[keys["method"].isin([FOUNDATION, RAW_FEATURES]), ["method", "variant"]] = FOUNDATION, MAIN
        return frame[~pd.MultiIndex.from_frame(keys).isin(foreign)]

    @cached_property
    def foreign(self) -> set[tuple[str, str, str]]:
        """(data set, method, variant) of collected runs that were made of something else than the study asks for."""
        expected = self.study.get("origins")
        if expected is None:
            return set()
        foreign = set()
        for folder, digest in collected_runs(self.folder).items():
            kind = (
                folder.as_posix().rpartition("/runs/")[2].rpartition("/")[0]
            )  # digits/pmrl/main, or digits/foundation
            if kind not in expected or not same(expected[kind], digest):
                dataset, method, variant = (*kind.split("/"), MAIN)[:3]
                foreign.add((dataset, method, variant))
        return foreign

    @cached_property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Title, reference, colour and variants of each method; PMRL first."""
        self._declared(METHODS)
        described = read_json(self._existing(self.folder / METHODS_FILE))
        return dict(sorted(described.items(), key=lambda pair: pair[0] != PROPOSED))

    @cached_property
    def cards(self) -> dict[str, dict[str, Any]]:
        """The card of each data set of the study."""
        return {name: self._card(name) for name in self.datasets}

    @cached_property
    def datasets(self) -> list[str]:
        """Data sets of the study, or of the records if no study is given."""
        return list(self.study.get("datasets") or Results(self.folder)._all_records["dataset"].unique())

    def _card(self, dataset: str) -> dict[str, Any]:
        return read_yaml(self._existing(self.store(dataset) / "card.yaml"))

    def _existing(self, path: Path) -> Path:
        if not path.exists():
            raise UserError(f"{path}: not found. Run the study that writes it (snakemake) or name another folder.")
        return path

    def contestants(self, regime: str = ZERO_SHOT) -> list[tuple[str, str]]:
        """Every (method, variant) of the study or the records: PMRL first, the main form before the variants."""
        described = [
            (method, variant)
            for method, about in self.methods.items()
            for variant in [MAIN, *about.get("variants", [])]
        ]
        configured = [
            (method, variant)
            for method in self.study.get("methods", [])
            for variant in [MAIN, *self.study.get("variants", {}).get(method, {})]
        ]
        trained = self.records[self.records["regime"].isin(REGIMES)]
        recorded = trained[["method", "variant"]].drop_duplicates().itertuples(index=False, name=None)
        everyone = sorted(dict.fromkeys([*described, *configured, *recorded]), key=lambda one: one[0] != PROPOSED)
        return [one for one in everyone if one[0] != FOUNDATION or regime == ZERO_SHOT]

    def rival(self) -> str | None:
        """The method that figures compare PMRL with: GRAM as in the paper, else the first other method, else None."""
        others = [method for method in self.methods if method not in (PROPOSED, FOUNDATION)]
        return "gram" if "gram" in others else next(iter(others), None)

    def label(self, method: str, variant: str = MAIN) -> str:
        """The name of a method, or of one of its variants, in tables and figures."""
        title = self.methods.get(method, {}).get("title", method.replace("_", " "))
        return title if variant == MAIN else f"{title} {variant.replace('_', ' ')}"

    def labels(self, frame: pd.DataFrame) -> list[str]:
        """The label of each row's method and variant."""
        return [self.label(*one) for one in frame[["method", "variant"]].itertuples(index=False, name=None)]

    def title(self, dataset: str) -> str:
        """The name of a data set in tables and figures."""
        return dataset.replace("_", " ")

    def anchor(self, dataset: str) -> str:
        """The modality that anchored methods are built on."""
        return self.cards[dataset]["anchor"]

    def sides(self, dataset: str) -> tuple[str, str]:
        """The anchor and all other modalities, as the records name them: "others", or the other one of two."""
        others = [modality for modality in self.cards[dataset]["modalities"] if modality != self.anchor(dataset)]
        return self.anchor(dataset), others[0] if len(others) == 1 else OTHERS


def vectors_of(frame: pd.DataFrame) -> np.ndarray:
    """The columns e0 … e(d−1) of embeddings as one array (rows, d)."""
    names = [name for name in frame.columns if name[0] == "e" and name[1:].isdigit()]
    return frame[sorted(names, key=lambda name: int(name[1:]))].to_numpy(dtype=float)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories as texts, since two files need not have the same categories."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, str))
