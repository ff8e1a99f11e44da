"""The rules that every data set must keep, whether it comes from a package registry or from a user."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pmrl.data import large
from pmrl.data.arrays import RESOLUTION, column_blocks, column_range
from pmrl.errors import UserError
from pmrl.records import ITEM_COLUMNS, KINDS, OPTIONAL_ITEM_COLUMNS, PRETRAIN, SIGNAL_NOISES, SPLITS, TEST, TEXT

if TYPE_CHECKING:
    from pmrl.data.dataset import Dataset

# A feature that singles out a class of at least this size exactly is taken for the label.
LEAK_CLASS_SIZE = 10
# In a large array, leaks are looked for among so many items, drawn by this seed; what these show is confirmed on all.
SAMPLE, SEED = 5000, 0
PNG_START = b"\x89PNG\r\n\x1a\n"


def check(dataset: "Dataset", files: Mapping[str, str] | None = None) -> None:
    """Test every rule of a data set.

    Args:
        dataset: with arrays of the right shapes, see `check_shapes`.
        files: {modality: the file that its features come from}, for messages.

    Raises:
        UserError: the first rule that is broken, naming the data set, the modality and the row or column.
    """
    name = dataset.card.name
    check_items(name, dataset.items)
    if len(dataset.modalities) < 2:
        raise UserError(f"{name}: {len(dataset.modalities)} modality; alignment needs at least 2.")
    if dataset.anchor not in dataset.modalities:
        raise UserError(
            f"{name}: the anchor {dataset.anchor!r} is not a modality; choose one of {', '.join(dataset.modalities)}."
        )
    check_kinds(dataset)
    check_views(dataset)
    check_class_names(dataset)
    ids = dataset.items["id"].to_numpy()
    for modality in dataset.modalities:
        where, present = f"{name}: modality {modality!r}", dataset.present[modality]
        file = (files or {}).get(modality, where)
        check_modality(file, dataset.pooled[modality], dataset.tokens[modality], present, dataset.items)
        check_pretraining(where, present, dataset.items)
    check_noisy(dataset)
    for features in dataset.noisy:
        where = f"{name}: modality {features.modality!r}, {features.kind} at level {features.level:g}"
        check_finite(where, features.pooled, ids[dataset.items["split"] == TEST])
        check_finite(f"{where}, tokens", features.tokens, ids[dataset.items["split"] == TEST])
    counts = np.sum([dataset.present[modality] for modality in dataset.modalities], axis=0)
    if (counts == 0).any():
        raise UserError(f"{name}: item {ids[counts.argmin()]!r} has no modality at all; remove it.")
    for split, most in pd.Series(counts).groupby(dataset.items["split"].to_numpy()).max().items():
        if most < 2:
            raise UserError(
                f"{name}: no item of the split {split!r} has two modalities, so there is nothing to align or to "
                "retrieve; put items with at least two modalities into every split."
            )


def check_modality(
    where: str, pooled: np.ndarray, tokens: np.ndarray, present: np.ndarray, items: pd.DataFrame
) -> None:
    """Test that features and tokens are finite and informative, and do not reveal the label or the row number.

    Constant columns are refused in features only, since tokens may be padded.

    Raises:
        UserError: naming the item or the column.
    """
    ids = items["id"].to_numpy()
    check_finite(where, pooled, ids)
    check_finite(f"{where}, tokens", tokens, ids)
    check_columns(where, pooled, present, items)
    check_leaks(f"{where}, tokens", tokens.reshape(len(ids), -1), items, present)


def check_pretraining(where: str, present: np.ndarray, items: pd.DataFrame) -> None:
    """Test that the pre-training split has the modality; features are scaled by their statistics in that split.

    Raises:
        UserError: no item of the split has it.
    """
    if not present[items["split"] == PRETRAIN].any():
        raise UserError(
            f"{where}: no item of the split 'pretrain' has it, expected at least 1, since features are scaled by their "
            "mean and deviation in this split; move items that have it into the split, or leave the modality out."
        )


def check_kinds(dataset: "Dataset") -> None:
    """Test that every modality is of a known kind.

    Raises:
        UserError: naming the modality and the valid kinds.
    """
    for name, modality in dataset.card.modalities.items():
        if modality.kind not in KINDS:
            raise UserError(
                f"{dataset.card.name}: modality {name!r}: found the kind {modality.kind!r}, expected one of "
                f"{', '.join(KINDS)}."
            )


def check_views(dataset: "Dataset") -> None:
    """Test that views are pictures or texts, of existing items and modalities.

    Raises:
        UserError: naming the modality and the item.
    """
    ids = set(dataset.items["id"])
    for modality, views in dataset.views.items():
        where = f"{dataset.card.name}: views of the modality {modality!r}"
        if modality not in dataset.modalities:
            raise UserError(f"{where}: there is no such modality; choose from {', '.join(dataset.modalities)}.")
        for key, view in views.items():
            if key not in ids:
                raise UserError(f"{where}: item {key!r} is not in the items table.")
            problem = view_problem(view)
            if problem:
                raise UserError(f"{where}: item {key!r}: {problem}.")


def check_noisy(dataset: "Dataset") -> None:
    """Test that noisy features are of a known kind, and have the shapes of the clean features of the test items.

    Raises:
        UserError: naming the kind, the level and the modality.
    """
    count = int((dataset.items["split"] == TEST).sum())
    for features in dataset.noisy:
        modality = features.modality
        where = f"{dataset.card.name}: modality {modality!r}, {features.kind} at level {features.level:g}"
        if features.kind not in SIGNAL_NOISES:
            raise UserError(f"{where}: unknown kind of noise; expected one of {', '.join(SIGNAL_NOISES)}.")
        if modality not in dataset.modalities:
            raise UserError(f"{where}: there is no such modality; choose from {', '.join(dataset.modalities)}.")
        for part in ("pooled", "tokens"):
            found, clean = getattr(features, part), getattr(dataset, part)[modality]
            expected = (count, *clean.shape[1:])
            if found.shape != expected:
                raise UserError(
                    f"{where}, {part}: found the shape {found.shape}, expected {expected} as of the clean test items."
                )


def check_class_names(dataset: "Dataset") -> None:
    """Test that there is one encoded name for each class, in the form of the anchor, which is a text.

    Raises:
        UserError: naming the sizes, or the kind of the anchor.
    """
    if dataset.class_names is None:
        return
    where, kind = f"{dataset.card.name}: names of classes", dataset.card.modalities[dataset.anchor].kind
    if kind != TEXT:
        raise UserError(f"{where}: the anchor {dataset.anchor!r} is of the kind {kind!r}; expected {TEXT!r}.")
    arrays = dataset.pooled[dataset.anchor], dataset.tokens[dataset.anchor]
    for found, like in zip(dataset.class_names, arrays, strict=True):
        expected = (len(dataset.classes), *like.shape[1:])
        if found.shape != expected:
            raise UserError(f"{where}: found the shape {found.shape}, expected {expected}: one for each label.")
        if not np.isfinite(found).all():
            raise UserError(f"{where}: found numbers that are not finite; encode the names again.")


def view_problem(view: object) -> str:
    """What is wrong with a view of an item; empty if nothing is."""
    if isinstance(view, bytes):
        return "" if view.startswith(PNG_START) else f"found {view[:8]!r}, expected a PNG picture"
    if not isinstance(view, str):
        return f"found {type(view).__name__}, expected a PNG picture or a text"
    return "" if view.strip() else "found an empty text, expected one to read"


def check_shapes(dataset: "Dataset") -> None:
    """Test that every modality has its arrays, one row per item, with the right number of dimensions.

    Raises:
        UserError: naming the modality and the sizes.
    """
    count = len(dataset.items)
    for modality in dataset.modalities:
        kinds = (
            ("pooled", dataset.pooled, 2),
            ("tokens", dataset.tokens, 3),
            ("present", dataset.present, 1),
        )
        for kind, arrays, dimensions in kinds:
            where = f"{dataset.card.name}: modality {modality!r}, {kind}"
            if modality not in arrays:
                raise UserError(f"{where}: there is no such array.")
            shape = arrays[modality].shape
            if len(shape) != dimensions:
                raise UserError(f"{where}: found {len(shape)} dimensions, expected {dimensions}.")
            if shape[0] != count:
                raise UserError(f"{where}: found {shape[0]} rows, expected {count}, one per item.")
            if 0 in shape[1:]:
                raise UserError(f"{where}: found the shape {shape}; every item needs at least one number.")
        if modality in dataset.lengths:
            where = f"{dataset.card.name}: modality {modality!r}"
            check_lengths(
                where, dataset.lengths[modality], dataset.tokens[modality].shape[1], dataset.present[modality]
            )


def check_lengths(where: str, lengths: np.ndarray, most: int, present: np.ndarray) -> None:
    """Test that ``lengths`` has a number of tokens, 1 to ``most``, for every item that is ``present``.

    Raises:
        UserError: naming the row of the item, counted from 0.
    """
    if lengths.shape != present.shape or lengths.dtype.kind not in "iu":
        raise UserError(
            f"{where}: lengths has the shape {lengths.shape} and the type {lengths.dtype}, expected one whole number "
            "for each item."
        )
    wrong = present & ((lengths < 1) | (lengths > most))
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            f"{where}: row {row} (counted from 0) has {lengths[row]} tokens that are not padding, expected 1 to {most}"
            "; correct its length, or mark the modality as absent for this item."
        )


def check_items(where: str, items: pd.DataFrame) -> None:
    """Test the table of items: its columns, unique non-empty ids, non-empty groups, and known splits by group.

    Instances are optional; each belongs to one group, and so to one split.

    Raises:
        UserError: naming the column or the item.
    """
    missing = [column for column in ITEM_COLUMNS if column not in items.columns]
    if missing:
        raise UserError(f"{where}: the items table has no column {missing[0]!r}; it needs {', '.join(ITEM_COLUMNS)}.")
    for column in given_columns(items):
        wrong = [not isinstance(value, str) for value in items[column]]
        if any(wrong):
            row = wrong.index(True)
            raise UserError(
                f"{where}: column {column!r} of the items table, row {row}: found "
                f"{items[column].iloc[row]!r}, expected text (rows are counted from 0)."
            )
    check_given(where, items)
    if items["id"].duplicated().any():
        duplicate = items["id"][items["id"].duplicated()].iloc[0]
        raise UserError(f"{where}: id {duplicate!r} appears twice in the items table; every id must be unique.")
    unknown = set(items["split"]) - set(SPLITS)
    if unknown:
        raise UserError(
            f"{where}: unknown split {sorted(unknown)[0]!r} in the items table; the splits are {', '.join(SPLITS)}."
        )
    _check_within(where, items, "group", "split")
    if "instance" in items:
        _check_within(where, items, "instance", "split")
        _check_within(where, items, "instance", "group")


def given_columns(items: pd.DataFrame) -> list[str]:
    """The columns of a table of items: all required ones, and the optional ones that it has."""
    return [*ITEM_COLUMNS, *(column for column in OPTIONAL_ITEM_COLUMNS if column in items)]


def _check_within(where: str, items: pd.DataFrame, inner: str, outer: str) -> None:
    """Test that no ``inner``, such as a group, is in two of ``outer``, such as splits.

    Raises:
        UserError: naming the first that is.
    """
    counts = items.groupby(inner)[outer].nunique()
    if (counts > 1).any():
        name = counts.index[counts > 1][0]
        found = ", ".join(sorted(set(items.loc[items[inner] == name, outer])))
        raise UserError(
            f"{where}: {inner} {name!r} appears in more than one {outer} ({found}); "
            f"put all items of {'an' if inner == 'instance' else 'a'} {inner} into one {outer}."
        )


def check_given(where: str, items: pd.DataFrame) -> None:
    """Test that every item has an id, a group and, if there are any, an instance; empty ones would be one and the same.

    Raises:
        UserError: naming the column and the row, counted from 0.
    """
    remedies = {
        "id": "give every item an id of its own",
        "group": "an item that resembles no other takes its id",
        "instance": "an item that is alone takes its id",
    }
    for column in (name for name in remedies if name in items):
        empty = (items[column].str.strip() == "").to_numpy()
        if empty.any():
            row = int(empty.argmax())
            raise UserError(
                f"{where}: column {column!r} of the items table, row {row}: found {items[column].iloc[row]!r}, "
                f"expected a name; {remedies[column]} (rows are counted from 0)."
            )


def check_finite(where: str, array: np.ndarray, ids: np.ndarray) -> None:
    """Test that an array holds finite numbers only.

    Raises:
        UserError: naming the first item that does not, and the column, counted from 0.
    """
    flat = array.reshape(len(array), -1)
    for rows in large.blocks(flat):
        finite = np.isfinite(flat[rows])
        if not finite.all():
            place, column = np.argwhere(~finite)[0]
            row = rows.start + place
            raise UserError(
                f"{where}: item {ids[row]!r}, column {column}: found {flat[row, column]}, expected a finite number "
                "(columns are counted from 0); fix it, or mark the modality as absent for this item."
            )


def check_columns(where: str, pooled: np.ndarray, present: np.ndarray, items: pd.DataFrame) -> None:
    """Refuse constant columns, and columns that reveal the label or the row number.

    Raises:
        UserError: naming the column by its number, counted from 0.
    """
    if present.sum() < 2:
        raise UserError(f"{where}: present for {present.sum()} items; expected at least 2.")
    least, largest = column_range(pooled, present)
    constant = least == largest
    if constant.any():
        column = int(constant.argmax())
        raise UserError(
            f"{where}: column {column} is constant over all items (it is {least[column]:g} as float32; columns are "
            "counted from 0) and carries no information; remove it."
        )
    check_leaks(where, pooled, items, present)


def check_leaks(where: str, values: np.ndarray, items: pd.DataFrame, present: np.ndarray) -> None:
    """Refuse columns that reveal the label or the row number; of each instance the first item is looked at.

    Args:
        where: what the columns belong to, for the message.
        values: (items, columns).
        items: the table of items.
        present: (items,) which items have the modality.

    Raises:
        UserError: naming the column by its number, counted from 0.
    """
    rows, labels = np.flatnonzero(present), items["label"].to_numpy()
    if "instance" in items:  # a clip that stands beside five captions tells no more than once
        rows = rows[~items["instance"].iloc[rows].duplicated().to_numpy()]
    if not large.lies_in_file(values):
        found = _leak(values if len(rows) == len(values) else values[rows], rows, labels[rows])
    else:
        few = np.sort(np.random.default_rng(SEED).permutation(rows)[:SAMPLE])
        found = _leak(large.taken(values, few), few, labels[few])
        if found is not None:
            column = large.changed(values[:, found[0] : found[0] + 1], rows)
            confirmed = _leak(column, rows, labels[rows])
            found = confirmed and (found[0], confirmed[1])
    if found is not None:
        raise UserError(f"{where}: column {found[0]} {found[1]} Remove it.")


def _leak(values: np.ndarray, rows: np.ndarray, labels: np.ndarray) -> tuple[int, str] | None:
    """A column of ``values`` (given rows, columns) that reveals the row number or the label, and how it does."""
    numbered = row_numbers(values, rows)
    if numbered.any():
        return int(numbered.argmax()), (
            "rises or falls by the same step with every row like a row number (columns are counted from 0); an id must "
            "not be a feature."
        )
    column, label = label_leak(values, labels)
    if column is not None:
        return column, (
            f"has one value for every item of label {label!r} and never elsewhere: it is the label in disguise "
            "(columns are counted from 0)."
        )
    return None


def row_numbers(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Which columns are an arithmetic progression, up to rounding; a sorted measurement has steps of many sizes.

    Args:
        values: (present items, columns).
        rows: (present items,) their rows in the table of items; numbers may count all items or the present ones.

    Returns:
        (columns,) bool; none if there are fewer than 10 items.
    """
    if len(values) < LEAK_CLASS_SIZE:
        return np.zeros(values.shape[1], dtype=bool)
    rounding = max(RESOLUTION, float(np.finfo(values.dtype).eps)) if values.dtype.kind == "f" else RESOLUTION
    first, last = values[0].astype(np.float64), values[-1].astype(np.float64)

    def follows(columns: np.ndarray, at: np.ndarray, places: np.ndarray) -> np.ndarray:
        rise = last[columns] - first[columns]
        expected = first[columns] + np.outer((places[at] - places[0]) / (places[-1] - places[0]), rise)
        step = np.abs(rise) / (len(places) - 1)
        largest = np.maximum(np.abs(first[columns]), np.abs(last[columns]))
        deviation = np.abs(values[np.ix_(at, columns)] - expected).max(axis=0)
        return (step > 0) & (deviation <= np.minimum(rounding * largest, step / 4))

    found = np.zeros(values.shape[1], dtype=bool)
    for places in (rows, np.arange(len(rows))):
        # A few rows tell almost all columns apart.
        few = np.linspace(0, len(rows) - 1, LEAK_CLASS_SIZE).astype(np.int64)
        candidates = np.flatnonzero(follows(np.arange(values.shape[1]), few, places))
        for block in column_blocks(len(candidates)):
            columns = candidates[block]
            found[columns] |= follows(columns, np.arange(len(rows)), places)
    return found


def label_leak(values: np.ndarray, labels: np.ndarray) -> tuple[int | None, str | None]:
    """The first column that is constant within a class and never takes that value elsewhere, up to rounding.

    Args:
        values: (instances, columns), finite.
        labels: (instances,); classes of fewer than 10 instances are not judged, and instances with an empty label
            belong to no class.

    Returns:
        Column number and label, or (None, None).
    """
    labelled = np.flatnonzero(labels != "")
    classes, codes, sizes = np.unique(labels[labelled].astype(str), return_inverse=True, return_counts=True)
    if len(classes) < 2 or sizes.max() < LEAK_CLASS_SIZE:
        return None, None
    rows = labelled[np.argsort(codes, kind="stable")]
    for block in column_blocks(values.shape[1]):
        numbers = values[rows, block]
        columns = np.ascontiguousarray(numbers.T, dtype=np.result_type(numbers.dtype, np.float32))
        column, place = _single_valued(columns, sizes)
        if column is not None:
            return block.start + column, str(classes[place])
    return None, None


def _single_valued(columns: np.ndarray, sizes: np.ndarray) -> tuple[int | None, int | None]:
    """The first column with a class that has a value of its own, and the class.

    Args:
        columns: (columns, instances), ordered by class.
        sizes: (classes,) instances of each.
    """
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    low, high = (bound.reduceat(columns, starts, axis=1) for bound in (np.minimum, np.maximum))
    rounding = RESOLUTION * np.maximum(np.abs(low), np.abs(high)).max(axis=1, keepdims=True)
    constant = (sizes >= LEAK_CLASS_SIZE) & (high - low <= rounding)
    for column in np.flatnonzero(constant.any(axis=1)):
        places, ordered = np.flatnonzero(constant[column]), np.sort(columns[column])
        below = np.searchsorted(ordered, low[column, places] - rounding[column], side="left")
        up_to = np.searchsorted(ordered, high[column, places] + rounding[column], side="right")
        own = up_to - below == sizes[places]
        if own.any():
            return int(column), int(places[own.argmax()])
    return None, None
