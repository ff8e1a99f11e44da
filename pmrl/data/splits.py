"""Splits by group: no group is in two splits, and the same groups always give the same splits."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from pmrl.records import SPLITS

FRACTIONS = dict(zip(SPLITS, (0.5, 0.2, 0.1, 0.2), strict=True))


def split_by_group(
    groups: Sequence[str],
    fractions: Mapping[str, float] = FRACTIONS,
    pinned: Mapping[str, str] | None = None,
) -> list[str]:
    """Assign every item to a split by its group.

    Groups are taken one by one, large ones first so that the shares are met, the others in the order of a hash of
    their names. Each goes to the split that lacks most items of its share.

    Args:
        groups: group of each item.
        fractions: share of items per split, summing to 1.
        pinned: {group: split} of groups whose split is given.

    Returns:
        Split of each item.
    """
    sizes = Counter(groups)
    place = {group: split for group, split in (pinned or {}).items() if group in sizes}
    filled: Counter[str] = Counter()
    for group, split in place.items():
        filled[split] += sizes[group]
    limit = 0.02 * len(groups)
    free = sorted(set(groups) - set(place), key=lambda group: (-max(sizes[group], limit), _order(group)))
    for group in free:
        split = max(fractions, key=lambda name: fractions[name] * len(groups) - filled[name])
        place[group] = split
        filled[split] += sizes[group]
    return [place[group] for group in groups]


def _order(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
