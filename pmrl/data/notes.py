"""What is allowed in a data set but is often a mistake: `pmrl check` and `pmrl prepare` say it, and go on."""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import pandas as pd

from pmrl.data.arrays import deviations, real_tokens
from pmrl.data.dataset import Dataset
from pmrl.records import PRETRAIN

# So many items, and this share of those that have the modality, with one vector look like a filler.
BULK, BULK_SHARE = 3, 0.01
EXAMPLES = 3


def notes(dataset: Dataset) -> list[str]:
    """One sentence for each thing that may be a mistake; none if nothing is."""
    found = [*_similar_names(dataset.items)]
    for name in dataset.modalities:
        found += [*_equal_vectors(dataset, name), *_padding(dataset, name), *_constant(dataset, name)]
    return [f"Note: {sentence}" for sentence in found]


def _similar_names(items: pd.DataFrame) -> Iterable[str]:
    """Names that differ in upper and lower case only."""
    for column in ("id", "group", "label", "instance"):
        if column not in items:
            continue
        spellings = defaultdict(list)
        for name in items[column].unique():
            spellings[name.casefold()].append(name)
        similar = [names for names in spellings.values() if len(names) > 1]
        if similar:
            examples = "; ".join(" and ".join(map(repr, names)) for names in similar[:EXAMPLES])
            yield (
                f"column {column!r} has names that differ in upper and lower case only ({len(similar)} such), as "
                f"{examples}; they count as different; if they are not, write them alike."
            )


def _equal_vectors(dataset: Dataset, name: str) -> Iterable[str]:
    """Items of different instances with the same features: fillers, or several items of one instance."""
    groups = [rows for rows in _equal_rows(dataset.pooled[name], dataset.present[name]) if len(rows) > 1]
    groups = [rows for rows in groups if len(set(dataset.instances[rows])) > 1]
    present, ids = int(dataset.present[name].sum()), dataset.items["id"].to_numpy()
    fillers = [rows for rows in groups if _is_constant(dataset.pooled[name][rows[0]])]
    for rows in fillers:
        if len(rows) >= max(BULK, BULK_SHARE * present):
            value = np.format_float_positional(dataset.pooled[name][rows[0], 0] + np.float32(0), trim="-")
            yield (
                f"{len(rows)} items of modality {name} ({100 * len(rows) / present:.0f} %) share one vector, all "
                f"{value}; if they lack the modality, write `absent: {'zeros' if value == '0' else value}` in the card."
            )
    copies = [rows for rows in groups if not _is_constant(dataset.pooled[name][rows[0]])]
    if copies:
        largest = max(copies, key=len)
        bulk = len(largest) >= max(BULK, BULK_SHARE * present)
        filler = " If this vector stands for a missing modality, mark these items as absent." if bulk else ""
        yield (
            f"{sum(map(len, copies))} items of modality {name} share their features with another item (largest group: "
            f"{len(largest)} items, e.g. ids {', '.join(ids[largest[:2]])}); if they are one instance, say so in a "
            f"column `instance`.{filler}"
        )


def _is_constant(vector: np.ndarray) -> bool:
    """Whether a vector has one value throughout."""
    return bool((vector == vector[0]).all())


def _equal_rows(values: np.ndarray, present: np.ndarray) -> Iterable[np.ndarray]:
    """The rows of each distinct content, ascending."""
    rows = defaultdict(list)
    for row in np.flatnonzero(present):
        content = values[row] + values.dtype.type(0)  # -0 equals 0
        rows[blake2b(content.tobytes(), digest_size=16).digest()].append(row)
    return (np.array(equal) for equal in rows.values())


def _padding(dataset: Dataset, name: str) -> Iterable[str]:
    """Zeros at the end of the tokens that are not said to be padding."""
    tokens, present = dataset.tokens[name], dataset.present[name]
    if name in dataset.lengths or tokens.shape[1] == 1:
        return
    zero = tokens.shape[1] - real_tokens(tokens)[present]
    # Tokens that are zeros in all items come from cutting a vector that does not fill them.
    zero = zero - zero.min()
    if zero.any():
        share = 100 * zero.sum() / (present.sum() * tokens.shape[1])
        yield (
            f"{int((zero > 0).sum())} items of modality {name} end with tokens of zeros ({share:.0f} % of all tokens), "
            "which count like others; if they are padding, write `padding: zeros` in the card or give an array "
            "`lengths`."
        )


def _constant(dataset: Dataset, name: str) -> Iterable[str]:
    """Features without variation in the pre-training split, by whose deviation features are scaled."""
    rows = dataset.present[name] & (dataset.items["split"] == PRETRAIN).to_numpy()
    spread = deviations(dataset.pooled[name][rows].astype(np.float64), dataset.card.modalities[name].noise)
    constant = np.flatnonzero(spread == 0)
    if len(constant):
        shown = ", ".join(map(str, constant[:10])) + (", …" if len(constant) > 10 else "")
        yield (
            f"modality {name}: {_count(constant, 'column is', 'columns are')} constant in the split {PRETRAIN} and "
            f"will not be scaled: {shown} (counted from 0)."
        )


def _count(things: list | np.ndarray, one: str, many: str) -> str:
    return f"{len(things)} {one if len(things) == 1 else many}"
