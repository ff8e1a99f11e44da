"""The rules that every data set must keep, whether it comes from a package registry or from a user."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pmrl.errors import UserError
from pmrl.records import ITEM_COLUMNS, KINDS, PRETRAIN, SPLITS

if TYPE_CHECKING:
    from pmrl.data.dataset import Dataset

# A feature that singles out a class of at least this size exactly is taken for the label.
LEAK_CLASS_SIZE = 10
LARGEST_TOKEN = float(np.finfo(np.float16).max)
PNG_START = b"\x89PNG\r\n\x1a\n"


def check(dataset: "Dataset") -> None:
    """Test every rule of a data set.

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
    check_shapes(dataset)
    ids = dataset.items["id"].to_numpy()
    for modality in dataset.modalities:
        where, present = f"{name}: modality {modality!r}", dataset.present[modality]
        check_modality(where, dataset.pooled[modality], dataset.tokens[modality], present, dataset.items)
        check_pretraining(where, present, dataset.items)
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
    check_leaks(f"{where}, tokens", tokens.reshape(len(ids), -1)[present], items, present)


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
        tokens = np.abs(dataset.tokens[modality])
        if (tokens[np.isfinite(tokens)] > LARGEST_TOKEN).any():
            raise UserError(
                f"{dataset.card.name}: modality {modality!r}: a token has a value beyond {LARGEST_TOKEN:,.0f}, the "
                "largest number that its storage type holds; give the modality in a larger unit."
            )


def check_items(where: str, items: pd.DataFrame) -> None:
    """Test the table of items: its columns, unique non-empty ids, non-empty groups, and known splits by group.

    Raises:
        UserError: naming the column or the item.
    """
    missing = [column for column in ITEM_COLUMNS if column not in items.columns]
    if missing:
        raise UserError(f"{where}: the items table has no column {missing[0]!r}; it needs {', '.join(ITEM_COLUMNS)}.")
    for column in ITEM_COLUMNS:
        wrong = [not isinstance(value, str) for value in items[column]]
        if any(wrong):
            row = wrong.index(True)
            raise UserError(
                f"{where}: column {column!r} of the items table, row {row}: "
                f"found {items[column].iloc[row]!r}, expected text."
            )
    check_given(where, items)
    if items["id"].duplicated().any():
        duplicate = items["id"][items["id"].duplicated()].iloc[0]
        raise UserError(f"{where}: id {duplicate!r} stands twice in the items table; every id must be unique.")
    unknown = set(items["split"]) - set(SPLITS)
    if unknown:
        raise UserError(
            f"{where}: unknown split {sorted(unknown)[0]!r} in the items table; the splits are {', '.join(SPLITS)}."
        )
    splits_per_group = items.groupby("group")["split"].nunique()
    if (splits_per_group > 1).any():
        group = splits_per_group.index[splits_per_group > 1][0]
        splits = ", ".join(sorted(set(items.loc[items["group"] == group, "split"])))
        raise UserError(
            f"{where}: group {group!r} appears in more than one split ({splits}); "
            "put all items of a group into one split."
        )


def check_given(where: str, items: pd.DataFrame) -> None:
    """Test that every item has an id and a group; items with an empty group would all share one group.

    Raises:
        UserError: naming the column and the row, counted from 0.
    """
    remedies = {"id": "give every item an id of its own", "group": "an item that resembles no other takes its id"}
    for column, remedy in remedies.items():
        empty = (items[column].str.strip() == "").to_numpy()
        if empty.any():
            row = int(empty.argmax())
            raise UserError(
                f"{where}: column {column!r} of the items table, row {row}: found {items[column].iloc[row]!r}, "
                f"expected a name; {remedy}."
            )


def check_finite(where: str, array: np.ndarray, ids: np.ndarray) -> None:
    """Test that an array holds finite numbers only.

    Raises:
        UserError: naming the first item that does not, and the column, counted from 0.
    """
    flat = array.reshape(len(array), -1)
    finite = np.isfinite(flat)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise UserError(
            f"{where}: item {ids[row]!r}, column {column}: found {flat[row, column]}, expected a finite number; "
            "fix it, or mark the modality as absent for this item."
        )


def check_columns(where: str, pooled: np.ndarray, present: np.ndarray, items: pd.DataFrame) -> None:
    """Refuse constant columns, and columns that reveal the label or the row number.

    Raises:
        UserError: naming the column by its number, counted from 0.
    """
    values = pooled[present]
    if len(values) < 2:
        raise UserError(f"{where}: present for {len(values)} items; expected at least 2.")
    constant = values.min(axis=0) == values.max(axis=0)
    if constant.any():
        raise UserError(
            f"{where}: column {constant.argmax()} is constant over all items and carries no information; remove it."
        )
    check_leaks(where, values, items, present)


def check_leaks(where: str, values: np.ndarray, items: pd.DataFrame, present: np.ndarray) -> None:
    """Refuse columns that reveal the label or the row number.

    Args:
        where: what the columns belong to, for the message.
        values: (present items, columns).
        items: the table of items.
        present: (items,) which items have the modality.

    Raises:
        UserError: naming the column by its number, counted from 0.
    """
    # Strictly rising or falling with the row: a row number or an id, not a measurement.
    if len(values) >= LEAK_CLASS_SIZE:
        steps = np.diff(values.astype(np.float64), axis=0)
        ordered = (steps > 0).all(axis=0) | (steps < 0).all(axis=0)
        if ordered.any():
            raise UserError(
                f"{where}: column {ordered.argmax()} rises or falls with every row like a row number; "
                "an id must not be a feature. Remove it."
            )
    labels = items["label"].to_numpy()[present]
    column, label = label_leak(values, labels)
    if column is not None:
        raise UserError(
            f"{where}: column {column} has one value for every item of label {label!r} and never elsewhere: "
            "it is the label in disguise. Remove it."
        )


def label_leak(values: np.ndarray, labels: np.ndarray) -> tuple[int | None, str | None]:
    """The first column that is constant within a class and never takes that value elsewhere.

    Args:
        values: (instances, columns).
        labels: (instances,); classes of fewer than 10 instances are not judged.

    Returns:
        Column number and label, or (None, None).
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        return None, None
    for label in classes[sizes >= LEAK_CLASS_SIZE]:
        inside = labels == label
        first = values[inside][0]
        constant = (values[inside] == first).all(axis=0)
        leaking = constant & ~(values[~inside] == first).any(axis=0)
        if leaking.any():
            return int(leaking.argmax()), str(label)
    return None, None
