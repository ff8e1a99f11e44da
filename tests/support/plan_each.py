"""Change each of some modules in turn and print what a dry run of the smoke study plans; run in a copy of the project.

One process for all of them: starting Snakemake anew for each takes ten times as long.
"""

import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

MARK = "changed module: "


def plan() -> None:
    with SnakemakeApi(OutputSettings(quiet={Quietness.HOST, Quietness.PROGRESS}, dryrun=True)) as api:
        config = ConfigSettings(configfiles=[Path("config/smoke.yaml")])
        workflow = api.workflow(ResourceSettings(cores=2), config, snakefile=Path("Snakefile"), workdir=Path())
        workflow.dag().execute_workflow(executor="dryrun")


for name in sys.argv[1:]:
    path = Path(name)
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\nCHANGED = 1\n", encoding="utf-8")
    print(f"{MARK}{name}", flush=True)
    plan()
    sys.stdout.flush()
    sys.stderr.flush()
    path.write_text(text, encoding="utf-8")
