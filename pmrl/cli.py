"""The command line; `pmrl --help` lists the commands.

Every problem that the user can solve ends in one message and exit status 2; with PMRL_TRACEBACK=1 in the environment
the traceback is printed as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pmrl import discovery
from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.records import FOUNDATION, MAIN, REGIMES
from pmrl.study.config import DEFAULT_CONFIG, load_config
from pmrl.study.plan import foundation_settings, run_settings, study_settings

if TYPE_CHECKING:
    from pmrl.data.dataset import Dataset
    from pmrl.experiments.run import Run

TRACEBACK = "PMRL_TRACEBACK"
FORMATS = {"csv": ".csv", "latex": ".tex", "markdown": ".md", "html": ".html"}
WIDTHS = ("column", "page")
CALIBRATION_RECORDS, STABILITY_RECORDS = "config/calibration_records.csv", "config/stability.csv"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the sign shows a question mark
    options = vars(parser().parse_args(arguments))
    command = options.pop("command")
    try:
        require_own_checkout()
        command(**options)
    except UserError as error:
        hint = f" ({TRACEBACK}=1 shows where.)" if error.__cause__ and not os.environ.get(TRACEBACK) else ""
        return failed(f"error: {error}{hint}")
    except ModuleNotFoundError as error:
        return failed(f'error: the package {error.name} is missing. Run `pip install -e ".[study]"`.')
    except OSError as error:
        return failed(f"error: {error.filename or 'file'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        return failed("interrupted", status=130)
    return 0


def require_own_checkout() -> None:
    """Check that in a checkout of the project it is this checkout's code that runs.

    Raises:
        UserError: the installed package belongs to another folder, so that edits here would change nothing.
    """
    here = Path.cwd()
    if (here / "pmrl" / "cli.py").is_file() and here.resolve() != ROOT:
        raise UserError(
            f"{here}: this folder has its own code, but the installed package belongs to {ROOT}. Install this one, "
            "`pip install --no-deps -e .`, or use its own environment."
        )


def failed(message: str, status: int = 2) -> int:
    """Print a message, with PMRL_TRACEBACK after the current error's traceback; return the exit status."""
    if os.environ.get(TRACEBACK):
        traceback.print_exc()
    print(f"pmrl: {message}", file=sys.stderr)
    return status


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; a command's options are the parameters of its function."""
    top = argparse.ArgumentParser(prog="pmrl", description="A benchmark of multimodal alignment.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[..., None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        return sub

    sub = command("prepare", prepare, "Build the feature stores of data sets.")
    sub.add_argument("datasets", nargs="+", metavar="NAME", help="a built-in data set or one of your own")
    sub.add_argument("--folder", default="", help="folder with the files of a data set that no package contains")
    sub.add_argument("--data", type=path, default=Path("results/data"), help="feature stores (%(default)s)")

    sub = command("check", check, "Check and describe one of your own data cards, without writing anything.")
    sub.add_argument("card", type=path, metavar="CARD")

    command("list", list_names, "List data sets, methods, tables and figures.")
    command("manual", manual, "Print the manual of the config, config/README.md.")

    sub = command("foundation", foundation, "Train the shared foundation of a data set.")
    run_options(sub)

    sub = command("train", train, "Train and evaluate one method on one data set.")
    run_options(sub)
    sub.add_argument("--method", required=True)
    sub.add_argument("--variant", nargs="+", default=[MAIN], help="one or more names (%(default)s)", metavar="NAME")

    sub = command("collect", collect, "Gather finished runs into records.parquet and its companions.")
    sub.add_argument("runs", nargs="*", type=path, help="run folders")
    sub.add_argument("--sweeps", nargs="*", type=path, default=[], metavar="FILE", help="sweeps")
    study_options(sub)

    sub = command("tune", tune, "Search a method's hyper-parameters on the validation split.")
    study_options(sub)
    sub.add_argument("--dataset")
    sub.add_argument("--method")
    sub.add_argument("--variant", default=MAIN)
    sub.add_argument("--adopt", action="store_true", help="write the best values of all searches to the tuned file")

    sub = command("calibrate", calibrate, "Compare heads, optimisers and steps on the validation split.")
    study_options(sub)
    sub.add_argument("--dataset")
    sub.add_argument("--setting", help="a name from calibration.settings")
    sub.add_argument("--adopt", action="store_true", help=f"write the records of all settings to {CALIBRATION_RECORDS}")

    sub = command("sweep", sweep, "Train PMRL over a grid of its temperatures and matching weights.")
    sub.add_argument("--dataset", required=True)
    study_options(sub)

    sub = command("cost", cost, "Measure the time and memory that each method takes.")
    sub.add_argument("--dataset", required=True)
    study_options(sub)

    sub = command("stability", stability, f"Write {STABILITY_RECORDS} from the claims of other conditions.")
    sub.add_argument("folders", nargs="+", type=path, metavar="FOLDER", help="results folders, named after conditions")

    sub = command("status", status, "Say which runs of a study have finished, which train now, and how long to go.")
    study_options(sub, settings=False)

    sub = command("report", report, "Write one HTML file with every table and figure, even of an unfinished study.")
    study_options(sub, settings=False)

    sub = command("site", site, "Write the site of a study, even of an unfinished one, or of several results folders.")
    sub.add_argument(
        "folders", nargs="*", type=path, metavar="FOLDER", help="results folders to show beside each other, as they are"
    )
    study_options(sub)
    sub.add_argument("--output", type=path, help="folder of the site (site/ in the results folder)")
    sub.add_argument(
        "--watch", type=positive, metavar="SECONDS", nargs="?", const=60, help="write it again as runs finish (60)"
    )

    sub = command("documents", documents, "Write the numbers, tables and figures of README.md and docs/ from the runs.")
    sub.add_argument(
        "--study",
        nargs="*",
        dest="studies",
        metavar="NAME",
        help="only these studies of docs/documents.yaml; without a name, write the documents from docs/results alone",
    )

    sub = command("table", table, "Write one table from the records.")
    sub.add_argument("name", metavar="NAME")
    study_options(sub)
    sub.add_argument("--output", type=path, help="folder to write to (tables/ in the results folder)")
    sub.add_argument("--format", choices=list(FORMATS), help="print the table in this format, instead of writing files")

    sub = command("figure", figure, "Draw one figure from the records.")
    sub.add_argument("name", metavar="NAME")
    study_options(sub)
    sub.add_argument("--output", type=path, help="folder to write to (figures/ in the results folder)")
    sub.add_argument("--width", choices=list(WIDTHS), help="fit it to one column of a paper or to the page")
    sub.add_argument("--rival", help="the method to compare PMRL with, instead of GRAM")
    sub.add_argument("--regime", choices=list(REGIMES), help="the regime to draw, where a figure shows one")
    return top


def run_options(sub: argparse.ArgumentParser) -> None:
    """Add the options of the commands that train."""
    study_options(sub)
    sub.add_argument("--dataset", required=True)
    sub.add_argument("--seeds", type=natural, nargs="+", default=[0], help="indices of seeds (%(default)s)")
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (%(default)s)")
    sub.add_argument(
        "--threads", type=positive, default=1, help="threads of one run; results may depend on it (%(default)s)"
    )
    sub.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=5.0,
        help="minutes of training after which its state is saved, to go on from there (%(default)s)",
    )


def study_options(sub: argparse.ArgumentParser, settings: bool = True) -> None:
    """Add the options that say where a command gets its settings and folders from."""
    source = sub.add_mutually_exclusive_group()
    source.add_argument("--config", type=path, default=DEFAULT_CONFIG, help="config file (%(default)s)")
    if settings:
        source.add_argument(
            "--settings",
            type=json_object,
            help="the settings as JSON, instead of a config; for `train`, of each variant",
        )
    sub.add_argument("--results", type=path, help="results folder (default: the config's)")
    sub.add_argument("--data", type=path, help="feature stores (default: the config's)")


def path(text: str) -> Path:
    """A path given on the command line; ``~`` is the home folder also where no shell has expanded it."""
    return Path(text).expanduser()


def natural(text: str) -> int:
    """The whole number of at least 0 in ``text``."""
    return at_least(0, text)


def positive(text: str) -> int:
    """The whole number of at least 1 in ``text``."""
    return at_least(1, text)


def at_least(smallest: int, text: str) -> int:
    """The whole number in ``text``, or an error message that says what was expected."""
    try:
        number = int(text)
    except ValueError:
        number = smallest - 1
    if number < smallest:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of at least {smallest}")
    return number


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in ``text``, or an error message that says what was expected."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a JSON object ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object, found {text!r}")
    return value


def studied(config: Path | None, results: Path | None, data: Path | None) -> tuple[dict[str, Any], Path, Path]:
    """The study of a config (only folders without one), and the two folders, as given or as in the config."""
    study = load_config(config) if config else {"results": "results", "data": "results/data"}
    results, data = results or Path(study["results"]), data or Path(study["data"])
    return {**study, "results": str(results), "data": str(data)}, results, data


def described(study: dict[str, Any]) -> dict[str, Any]:
    """What tables and figures need to know of a study, and what its runs are made of, so that no other is shown."""
    from pmrl.study.belonging import digests

    return {**study_settings(study), "origins": digests(study)}


def prepare(datasets: list[str], folder: str, data: Path) -> None:
    """Build feature stores."""
    from pmrl.data import registry

    for name in datasets:
        print(registry.prepare(name, data, Path(folder) if folder else None))


def check(card: Path) -> None:
    """Validate and describe a user's data card."""
    from pmrl.data import own
    from pmrl.study.config import default_batch_size

    print(own.check(card, default_batch_size()))


def list_names() -> None:
    """Print every name that the other commands take."""
    names_by_kind = {
        "data sets": discovery.data_sets(),
        "methods": discovery.method_files(),
        "tables": discovery.tables(),
        "figures": discovery.figures(),
    }
    for kind, names in names_by_kind.items():
        print(f"{kind}: {', '.join(names)}")


def manual() -> None:
    """Print the manual of the config."""
    from pmrl.study import manual as page

    print(page.text(), end="")


def each_run(
    dataset: str,
    method: str,
    settings: dict[str, dict[str, Any]],
    seeds: list[int],
    device: str,
    threads: int,
    checkpoint_minutes: float,
    results: Path,
    data: Path,
) -> list[Run]:
    """One run for each variant in ``settings`` and each seed."""
    from pmrl.experiments.run import Run, set_up_torch

    torch_device = set_up_torch(device, threads)
    store = stored(dataset, data, next(iter(settings.values()))["network"])
    return [
        Run(store, method, variant, variant_settings, seed, results, torch_device, checkpoint_minutes)
        for variant, variant_settings in settings.items()
        for seed in seeds
    ]


def stored(dataset: str, data: Path, network: dict[str, Any]) -> Dataset:
    """A data set from its store, with its raw clips where encoders are trained."""
    from pmrl.data.raw_clips import with_raw
    from pmrl.data.store import load

    return with_raw(load(data / dataset), network.get("trained_encoders", {}), data)


def foundation(
    dataset: str,
    seeds: list[int],
    device: str,
    threads: int,
    checkpoint_minutes: float,
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Train the shared warm start for each seed."""
    from pmrl.experiments.foundation import run_foundation

    study, results, data = studied(None if settings else config, results, data)
    settings = settings or foundation_settings(study, dataset)
    for run in each_run(
        dataset, FOUNDATION, {MAIN: settings}, seeds, device, threads, checkpoint_minutes, results, data
    ):
        run_foundation(run)


def train(
    dataset: str,
    method: str,
    variant: list[str],
    seeds: list[int],
    device: str,
    threads: int,
    checkpoint_minutes: float,
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Train and evaluate variants of one method for each seed."""
    from pmrl.experiments.train import run_method

    study, results, data = studied(None if settings else config, results, data)
    settings = settings or {name: run_settings(study, dataset, method, name) for name in variant}
    for run in each_run(dataset, method, settings, seeds, device, threads, checkpoint_minutes, results, data):
        run_method(run)


def collect(
    runs: list[Path],
    sweeps: list[Path],
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Gather the given runs and sweeps, or all finished ones of the study if none are given, into tidy tables."""
    from pmrl.reporting.collect import collect_runs, collect_sweeps
    from pmrl.reporting.report import finished_runs, finished_sweeps
    from pmrl.study.belonging import require

    study, results, data = studied(None if settings else config, results, data)
    study = {**settings, "results": str(results), "data": str(data)} if settings else study
    everything = not (runs or sweeps)
    if sweeps or everything:
        collect_sweeps(sweeps or finished_sweeps(study), results)
    if runs or everything:
        collect_runs(require(runs, study) if runs else finished_runs(study), results)


def tune(
    dataset: str | None,
    method: str | None,
    variant: str,
    adopt: bool,
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Search one method's hyper-parameters on one data set, or adopt the best values of all searches."""
    from pmrl.experiments import tune as tuning
    from pmrl.experiments.run import set_up_torch

    study, results, data = studied(None if settings else config, results, data)
    study = settings or study
    if adopt:
        if not study["tuned"]:
            raise UserError(f"{config}: tuned: not set, so there is no file to write the best values to. Set it.")
        tuning.adopt(study, results, ROOT / study["tuned"])
        return
    if not (dataset and method):
        raise UserError("pmrl tune needs --dataset and --method, or --adopt.")
    device = set_up_torch(study["device"])
    print(tuning.tune(study, stored(dataset, data, study["network"]), method, variant, results, device))


def calibrate(
    dataset: str | None,
    setting: str | None,
    adopt: bool,
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Measure one setting on one data set, or adopt the records of all."""
    from pmrl.experiments import calibrate as calibrating
    from pmrl.experiments.run import set_up_torch

    study, results, data = studied(None if settings else config, results, data)
    study = settings or study
    if adopt:
        calibrating.adopt(study, results, ROOT / CALIBRATION_RECORDS)
        return
    if not (dataset and setting):
        raise UserError("pmrl calibrate needs --dataset and --setting, or --adopt.")
    device = set_up_torch(study["device"])
    print(calibrating.calibrate(study, stored(dataset, data, study["network"]), setting, results, device))


def sweep(dataset: str, config: Path, settings: dict[str, Any] | None, results: Path | None, data: Path | None) -> None:
    """Run the sensitivity sweep of one data set."""
    from pmrl.experiments import sweep as sweeping
    from pmrl.experiments.run import set_up_torch

    study, results, data = studied(None if settings else config, results, data)
    study = settings or study
    print(sweeping.sweep(study, stored(dataset, data, study["network"]), results, set_up_torch(study["device"])))


def cost(dataset: str, config: Path, settings: dict[str, Any] | None, results: Path | None, data: Path | None) -> None:
    """Measure all methods on one data set."""
    from pmrl.experiments.cost import measure_costs
    from pmrl.experiments.run import set_up_torch

    study, results, data = studied(None if settings else config, results, data)
    study = settings or study
    print(measure_costs(study, stored(dataset, data, study["network"]), results, set_up_torch(study["device"])))


def stability(folders: list[Path]) -> None:
    """Join the claims tables of several results folders."""
    from pmrl.reporting import stability as record

    record.adopt(folders, ROOT / STABILITY_RECORDS)


def status(config: Path, results: Path | None, data: Path | None) -> None:
    """Say what of a study has finished and what is running."""
    from pmrl.reporting import status as standing

    print(standing.status(studied(config, results, data)[0]))


def report(config: Path, results: Path | None, data: Path | None) -> None:
    """Write ``report.html`` into the results folder."""
    from pmrl.reporting import report as html

    study, results, data = studied(config, results, data)
    print(html.write(study, config, results / "report.html"))


def site(
    folders: list[Path],
    output: Path | None,
    watch: int | None,
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Write the site of some results folders, of a study as its settings and records are, or of a config's study."""
    from pmrl.reporting.site.watch import of_study, watched
    from pmrl.reporting.site.write import write_site

    if folders:
        default = folders[0] / ("site" if len(folders) == 1 else "comparison")
        print(write_site(folders, output or default, {}, data))
        return
    study, results, data = studied(None if settings else config, results, data)
    output = output or results / "site"
    if settings:
        print(write_site([results], output, settings, data))
        return
    for page in watched(study, config, output, watch) if watch else [of_study(study, config, output)]:
        print(page, flush=True)


def documents(studies: list[str] | None) -> None:
    """Write all documents."""
    from pmrl.reporting.documents.command import write_documents

    for page in write_documents(studies):
        print(page)


def table(
    name: str,
    output: Path | None,
    format: str | None,
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Write one table, or print it in one format."""
    from pmrl.reporting.write_table import write_table

    study, results, data = studied(None if settings else config, results, data)
    study = settings or described(study)
    if not format:
        write_table(name, results, output or results / "tables", study, data)
        return
    with TemporaryDirectory() as folder:
        paths = write_table(name, results, Path(folder), study, data)
        print(next(path for path in paths if path.suffix == FORMATS[format]).read_text(encoding="utf-8"), end="")


def figure(
    name: str,
    output: Path | None,
    width: str | None,
    rival: str | None,
    regime: str | None,
    config: Path,
    settings: dict[str, Any] | None,
    results: Path | None,
    data: Path | None,
) -> None:
    """Draw one figure."""
    from pmrl.reporting.write_figure import write_figure

    study, results, data = studied(None if settings else config, results, data)
    options = {key: value for key, value in (("rival", rival), ("regime", regime)) if value}
    write_figure(name, results, output or results / "figures", settings or described(study), data, width, **options)


if __name__ == "__main__":
    sys.exit(main())
