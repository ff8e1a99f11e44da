"""The site of a config's study: once, or again and again while its runs finish."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pmrl.records import RUN_FILES
from pmrl.reporting import report
from pmrl.reporting.site.write import write_site
from pmrl.study.plan import run_folders, site_settings


def of_study(config: dict[str, Any], config_file: Path, output: Path) -> Path:
    """Make what is outdated of the tables and figures, write the site, and return its first page.

    Raises:
        UserError: no run has finished.
    """
    report.write_outdated(config)
    return write_site([Path(config["results"])], output, site_settings(config, str(config_file)), Path(config["data"]))


def watched(config: dict[str, Any], config_file: Path, output: Path, seconds: int) -> Iterator[Path]:
    """Write the site whenever runs have finished; ends when none is missing.

    Args:
        config: the study.
        config_file: the file that describes it.
        output: the folder of the site.
        seconds: how long to wait before looking again.
    """
    shown = 0
    while True:
        folders = [Path(config["results"], "runs", folder) for folder in run_folders(config)]
        finished = sum(all((folder / file).exists() for file in RUN_FILES) for folder in folders)
        print(f"pmrl: {finished} of {len(folders)} runs have finished", file=sys.stderr, flush=True)
        if finished > shown:
            yield of_study(config, config_file, output)
            shown = finished
        if finished == len(folders):
            return
        time.sleep(seconds)
