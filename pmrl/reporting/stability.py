"""The committed record of how the verdicts fare under other conditions: `make stability` runs them, this writes it."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pmrl.errors import UserError
from pmrl.files import replacing

COLUMNS = ["condition", "claim", "dataset", "effect", "low", "high", "p_holm", "verdict"]


def adopt(folders: Iterable[Path], target: Path) -> None:
    """Join the claims tables of several results folders, each named after its condition, in one file.

    Raises:
        UserError: a folder has no claims table.
    """
    parts = []
    for folder in folders:
        path = Path(folder) / "tables" / "claims.csv"
        if not path.exists():
            raise UserError(
                f"{path}: not found. Run `make stability`, which runs the study of {Path(folder).name} first."
            )
        table = pd.read_csv(path, keep_default_na=False, na_values={"effect": "", "low": "", "high": "", "p_holm": ""})
        parts.append(table.assign(condition=Path(folder).name, verdict=table["here"])[COLUMNS])
    with replacing(target) as temporary:
        pd.concat(parts).to_csv(temporary, index=False, float_format="%.4f")
