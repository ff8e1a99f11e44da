"""The one reader of a results folder; what its files hold stands in ``pmrl.records``."""

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
    REGIMES,
    STORES,
    TABLES,
    TEST,
    UNSUPPORTED,
    ZERO_SHOT,
)


class Results:
    """A results folder, each file read when it is first asked for.

    Args:
        folder: the folder that holds ``records.parquet`` and the other files.
        study: the configuration of the study; tables read ``datasets`` (names of what should be there), ``cost``
            (where it is measured; empty for nowhere) and ``claims``.
        data: the folder of the feature stores; ``data`` in the results folder by default.
        reads: what may be read, names of ``pmrl.records.TABLES``, "methods" and "stores"; everything by default. An
            artefact declares it as ``READS``, so that the workflow makes it again when one of these changes, and only
            then.
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
        self.used: set[str] = set()  # of what may be read

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
        records = self._all_records
        records = records[records["metric"].ne(UNSUPPORTED) & records["split"].eq(TEST)]
        return records.assign(regime=records["regime"].replace(FOUNDATION, ZERO_SHOT))

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

    @cached_property
    def sweep(self) -> pd.DataFrame:
        """Sensitivity sweeps of the data sets that the study sweeps, whatever file an earlier one has left."""
        sweep = self.table("sweep")
        return sweep[sweep["dataset"].isin(self.study.get("swept", sweep["dataset"]))]

    def table(self, name: str) -> pd.DataFrame:
        """Read ``<name>.parquet`` and check it; an optional file that is missing is an empty table.

        Raises:
            UserError: the file is missing, lacks a column, or holds the same cell twice.
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
        repeated = frame[frame.duplicated(CELL[name])] if name in CELL else frame[:0]
        if len(repeated):
            cell = ", ".join(f"{key} {repeated.iloc[0][key]}" for key in CELL[name])
            raise UserError(f"{path}: {len(repeated)} rows repeat a cell, first: {cell}. Evaluate again.")
        return frame

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
        """Data sets of the study, or, where the configuration is not given, of the records."""
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
        asked = [
            (method, variant)
            for method in self.study.get("methods", [])
            for variant in [MAIN, *self.study.get("variants", {}).get(method, {})]
        ]
        trained = self.records[self.records["regime"].isin(REGIMES)]
        found = trained[["method", "variant"]].drop_duplicates().itertuples(index=False, name=None)
        everyone = sorted(dict.fromkeys([*described, *asked, *found]), key=lambda one: one[0] != PROPOSED)
        return [one for one in everyone if one[0] != FOUNDATION or regime == ZERO_SHOT]

    def rival(self) -> str | None:
        """The method that figures set PMRL against: GRAM as in the paper, else the first other; None if alone."""
        others = [method for method in self.methods if method not in (PROPOSED, FOUNDATION)]
        return "gram" if "gram" in others else next(iter(others), None)

    def label(self, method: str, variant: str = MAIN) -> str:
        """How tables and figures name a method or one of its variants."""
        title = self.methods.get(method, {}).get("title", method.replace("_", " "))
        return title if variant == MAIN else f"{title} {variant.replace('_', ' ')}"

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


def vectors_of(frame: pd.DataFrame) -> np.ndarray:
    """The columns e0 … e(d−1) of embeddings as one array (rows, d)."""
    names = [name for name in frame.columns if name[0] == "e" and name[1:].isdigit()]
    return frame[sorted(names, key=lambda name: int(name[1:]))].to_numpy(dtype=float)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Categories as texts: two files need not agree on their categories."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, str))
