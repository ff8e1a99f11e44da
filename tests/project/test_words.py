"""Words and file names stand once, in pmrl/records.py."""

import ast

import pytest

from pmrl import records
from pmrl.discovery import ROOT

WORDS = {
    records.MAIN: "MAIN",
    records.OTHERS: "OTHERS",
    records.ZERO_SHOT: "ZERO_SHOT",
    records.FINE_TUNED: "FINE_TUNED",
    records.SCRATCH: "SCRATCH",
    records.PROBE: "PROBE",
    records.PRETRAIN: "PRETRAIN",
    records.VALIDATION: "VALIDATION",
    records.UNSUPPORTED: "UNSUPPORTED",
    records.RAW_FEATURES: "RAW_FEATURES",
    records.CONTINUED: "CONTINUED",
    records.MISSING_TRAINING: "MISSING_TRAINING",
    records.MISMATCHED_ANCHOR: "MISMATCHED_ANCHOR",
    records.MISMATCHED_MODALITY: "MISMATCHED_MODALITY",
    records.SOUND_NOISE: "SOUND_NOISE",
    **dict.fromkeys((*records.TABLES.values(), *records.RUN_FILES), "RUN_FILES or TABLES"),
}
MODULES = [path for folder in ("pmrl", "baselines") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_writes_a_word_that_records_has(path):
    if path.name == "records.py":
        pytest.skip("here they stand")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and node.value in WORDS:
            pytest.fail(f"line {node.lineno}: {node.value!r}; import {WORDS[node.value]} from pmrl.records")


def test_every_table_names_its_columns_and_its_cells_are_columns():
    assert set(records.CELL) <= set(records.COLUMNS)
    for name, cell in records.CELL.items():
        assert set(cell) <= set(records.COLUMNS[name])
        assert "value" not in cell
