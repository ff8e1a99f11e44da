"""Tables and figures for a paper: one format on the terminal, and a width that fits the column."""

import re

import pytest

from pmrl.cli import main

INCH = 72  # points
COLUMN, PAGE = 3.5, 7.0  # inches, of a two-column page


def made(results, *arguments):
    """The exit status of a command on a results folder, in the smoke study's selection of data."""
    folders = ["--config", "config/smoke.yaml", "--results", str(results), "--data", str(results / "data")]
    return main([*arguments, *folders])


@pytest.mark.parametrize(
    ("format", "begin", "end"),
    [
        ("latex", r"\begin{table*}", r"\end{table*}"),
        ("csv", "method,modalities,", ""),
        ("html", "<!doctype html>", "</html>"),
    ],
)
def test_a_table_is_printed_in_one_format_and_written_nowhere(own_results, capsys, format, begin, end):
    before = sorted(own_results.rglob("*"))
    assert made(own_results, "table", "cost", "--format", format) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(begin) and printed.strip().endswith(end)
    assert sorted(own_results.rglob("*")) == before


@pytest.mark.parametrize(("width", "inches"), [("column", COLUMN), ("page", PAGE)])
def test_a_figure_fits_the_width_of_a_paper(own_results, width, inches):
    assert made(own_results, "figure", "ablation", "--width", width) == 0
    content = (own_results / "figures" / f"ablation-{width}.pdf").read_bytes()
    across = float(re.search(rb"/MediaBox \[\s*0 0 ([\d.]+) ", content)[1])
    assert across == pytest.approx(inches * INCH, abs=0.5)
