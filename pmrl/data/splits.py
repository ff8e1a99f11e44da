"""Splits by group: no group ever straddles two parts, and the same groups always give the same split."""

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

    Groups are taken in the order of a hash of their name, and each goes to the split that lacks most of its
    share of items; large groups come first so that the shares are met.

    Args:
        groups: group of each item.
        fractions: share of items per split, summing to 1.
        pinned: split of groups whose place is given.

    Returns:
        Split of each item.
    """
    sizes = Counter(groups)
    place = {group: split for group, split in (pinned or {}).items() if group in sizes}
    filled = Counter()
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
