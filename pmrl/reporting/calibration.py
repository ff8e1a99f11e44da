"""The committed records of `make calibrate`, as tables and figures read them."""

import pandas as pd

from pmrl.discovery import ROOT
from pmrl.records import ANCHOR, CALIBRATION_COLUMNS, PAIRS
from pmrl.reporting.results import Results

RECORDS = "config/calibration_records.csv"
BASE, HALF, DOUBLE = "base", "half_steps", "double_steps"  # settings of config/calibration.yaml
MEASURES = {PAIRS: "any modality", ANCHOR: "anchor, own score"}


def records(results: Results) -> pd.DataFrame:
    """Recall@1 on validation, in percent, of the study's data sets and methods under every compared setting."""
    table = pd.read_csv(ROOT / RECORDS)[list(CALIBRATION_COLUMNS)]
    return table[table["dataset"].isin(results.datasets)]
