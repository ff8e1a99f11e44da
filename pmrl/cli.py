"""The command line; `pmrl --help` lists the commands.

Every problem that the user can mend is one message and exit status 2; see pmrl.errors.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmrl.discovery import ROOT, method_files
from pmrl.errors import UserError
from pmrl.files import replacing
from pmrl.settings import DEFAULT_CONFIG, MAIN, load_config, run_settings, study_settings

if TYPE_CHECKING:
    import torch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = parser().parse_args(arguments)
    try:
        settle(options)
        options.command(options)
    except UserError as error:
        print(f"pmrl: error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f'pmrl: error: the package {error.name} is missing. Run `pip install -e ".[study]"`.', file=sys.stderr)
        return 2
    except OSError as error:
        print(f"pmrl: error: {error.filename or 'file'}: {error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("pmrl: interrupted", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(prog="pmrl", description="A benchmark of multimodal alignment.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        sub.add_argument("--results", type=Path, help="results folder (the config's)")
        sub.add_argument("--data", type=Path, help="feature stores (the config's)")
        return sub

    sub = command("prepare", prepare, "Build the feature stores of data sets.")
    sub.add_argument("datasets", nargs="+", metavar="NAME", help="a built-in data set, or one of your own")
    sub.add_argument("--folder", default="", help="the files of a data set that no package carries")

    sub = command("check", check, "Check and describe a data card of your own, without writing anything.")
    sub.add_argument("card", type=Path, metavar="CARD")

    command("list", list_names, "List data sets, methods, tables and figures.")

    sub = command("foundation", foundation, "Train the shared foundation of a data set.")
    run_options(sub)

    sub = command("train", train, "Train and evaluate one method on one data set.")
    run_options(sub)
    sub.add_argument("--method", required=True)
    sub.add_argument("--variant", nargs="+", default=[MAIN], help="one or several (%(default)s)", metavar="NAME")

    sub = command("collect", collect, "Gather finished runs into records.parquet and its companions.")
    sub.add_argument("folders", nargs="*", type=Path, help="run folders; the study's finished runs if none is named")
    sub.add_argument("--sweeps", nargs="*", type=Path, metavar="FILE", help="sweeps (the study's finished ones)")
    sub.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="config file (%(default)s)")

    sub = command("tune", tune, "Search a method's hyper-parameters on the validation split.")
    study_options(sub)
    sub.add_argument("--dataset")
    sub.add_argument("--method")
    sub.add_argument("--variant", default=MAIN)
    sub.add_argument("--adopt", action="store_true", help="write the best values of all searches to the config's file")

    for name, function, text in (
        ("sweep", sweep, "Train PMRL over a grid of its temperatures and matching weights."),
        ("cost", cost, "Measure the time and memory that each method takes."),
    ):
        sub = command(name, function, text)
        sub.add_argument("--dataset", required=True)
        study_options(sub)

    sub = command("report", report, "Write one HTML file with every table and figure, also of an unfinished study.")
    sub.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="config file (%(default)s)")

    for name in ("table", "figure"):
        sub = command(name, artefact, f"Write one {name} from the records.")
        sub.add_argument("name", metavar="NAME")
        study_options(sub)
        if name == "figure":
            sub.add_argument("--rival", help="the method to set PMRL against, instead of GRAM")
        sub.set_defaults(kind=name)
    return top


def run_options(sub: argparse.ArgumentParser) -> None:
    """Options of the commands that train."""
    study_options(sub)
    sub.add_argument("--dataset", required=True)
    sub.add_argument("--seeds", type=natural, nargs="+", default=[0], help="indices of seeds (%(default)s)")
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (%(default)s)")
    sub.add_argument(
        "--threads", type=positive, default=1, help="threads of one run; results may depend on it (%(default)s)"
    )


def study_options(sub: argparse.ArgumentParser) -> None:
    """Where a command takes its settings from."""
    source = sub.add_mutually_exclusive_group()
    source.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="config file (%(default)s)")
    source.add_argument(
        "--settings", type=json_object, help="the settings as JSON, instead of a config; for `train`, of each variant"
    )


def settle(options: argparse.Namespace) -> None:
    """Read the config as ``study``, unless settings stand for it, and take from it the folders that are not given."""
    reads = "config" in options and not getattr(options, "settings", None)
    config = load_config(options.config) if reads else {"results": "results", "data": "results/data"}
    options.results = options.results or Path(config["results"])
    options.data = options.data or Path(config["data"])
    options.study = {**config, "results": str(options.results), "data": str(options.data)}


def natural(text: str) -> int:
    """A whole number of at least 0 given on the command line."""
    if int(text) < 0:
        raise ValueError("negative")
    return int(text)


def positive(text: str) -> int:
    """A whole number of at least 1 given on the command line."""
    if int(text) < 1:
        raise ValueError("not positive")
    return int(text)


def json_object(text: str) -> dict[str, Any]:
    """A JSON object given on the command line."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def prepare(options: argparse.Namespace) -> None:
    """Build feature stores; ``<data>/<name>.checksum`` tells Snakemake which content a store has."""
    from pmrl.data import prepare as build
    from pmrl.data.store import read_card

    for name in options.datasets:
        folder = build(name, options.data, Path(options.folder) if options.folder else None)
        with replacing(folder.with_name(f"{folder.name}.checksum")) as temporary:
            temporary.write_text(read_card(folder).checksum + "\n")
        print(folder)


def check(options: argparse.Namespace) -> None:
    """Validate and describe a user's data card."""
    from pmrl.data.own import check as report

    print(report(options.card))


def list_names(options: argparse.Namespace) -> None:
    """Print every name that the other commands take."""
    from pmrl.data import available as datasets
    from pmrl.figures import available as figures
    from pmrl.tables import available as tables

    listed = {"data sets": datasets(), "methods": method_files(), "tables": tables(), "figures": figures()}
    for kind, names in listed.items():
        print(f"{kind}: {', '.join(names)}")


def set_up_torch(device: str, threads: int) -> torch.device:
    """Fix the number of threads, ask for deterministic algorithms, and choose the device.

    Raises:
        UserError: the device is not there.
    """
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"Device {device!r} is not available here ({error}). Use --device cpu.") from error
    return chosen


def each_run(options: argparse.Namespace, method: str, settings: dict[str, dict[str, Any]]) -> list[Any]:
    """One run for each variant that ``settings`` are given for, and for each seed."""
    from pmrl.data.store import load
    from pmrl.runs import Run

    device = set_up_torch(options.device, options.threads)
    dataset = load(options.data / options.dataset)
    return [
        Run(dataset, method, variant, own, seed, options.results, device)
        for variant, own in settings.items()
        for seed in options.seeds
    ]


def foundation(options: argparse.Namespace) -> None:
    """Train the shared warm start for each seed."""
    from pmrl.runs import FOUNDATION, run_foundation
    from pmrl.settings import foundation_settings

    settings = options.settings or foundation_settings(options.study, options.dataset)
    for run in each_run(options, FOUNDATION, {MAIN: settings}):
        run_foundation(run)


def train(options: argparse.Namespace) -> None:
    """Train and evaluate variants of one method for each seed."""
    from pmrl.runs import run_method

    settings = options.settings or {
        name: run_settings(options.study, options.dataset, options.method, name) for name in options.variant
    }
    for run in each_run(options, options.method, settings):
        run_method(run)


def collect(options: argparse.Namespace) -> None:
    """Gather runs into the tidy tables."""
    from pmrl.records import collect as gather
    from pmrl.report import finished_runs, finished_sweeps

    sweeps = finished_sweeps(options.study) if options.sweeps is None else options.sweeps
    gather(options.folders or finished_runs(options.study), options.results, sweeps)


def tune(options: argparse.Namespace) -> None:
    """Search on one data set with one method, or adopt the best of all searches."""
    from pmrl import tuning

    config = options.settings or options.study
    if options.adopt:
        if not config["tuned"]:
            raise UserError(f"{options.config}: tuned: empty, so there is no file that the choice could be written to.")
        tuning.adopt(config, options.results, ROOT / config["tuned"])
        return
    if not (options.dataset and options.method):
        raise UserError("pmrl tune needs --dataset and --method, or --adopt.")
    from pmrl.data.store import load

    device = set_up_torch(config["device"], 1)
    dataset = load(options.data / options.dataset)
    print(tuning.tune(config, dataset, options.method, options.variant, options.results, device))


def sweep(options: argparse.Namespace) -> None:
    """Run the sensitivity sweep of one data set."""
    from pmrl.data.store import load
    from pmrl.sensitivity import sweep as run

    config = options.settings or options.study
    device = set_up_torch(config["device"], 1)
    print(run(config, load(options.data / options.dataset), options.results, device))


def cost(options: argparse.Namespace) -> None:
    """Measure all methods on one data set."""
    from pmrl.cost import measure_costs
    from pmrl.data.store import load

    config = options.settings or options.study
    device = set_up_torch(config["device"], 1)
    print(measure_costs(config, load(options.data / options.dataset), options.results, device))


def report(options: argparse.Namespace) -> None:
    """Write ``report.html`` into the results folder."""
    from pmrl import report as html

    print(html.write(options.study, options.config, options.results / "report.html"))


def artefact(options: argparse.Namespace) -> None:
    """Write one table or figure."""
    if options.kind == "table":
        from pmrl.tables import write
    else:
        from pmrl.figures import write
    study = options.settings or study_settings(options.study)
    asked = {"rival": options.rival} if getattr(options, "rival", None) else {}
    write(options.name, options.results, options.results / f"{options.kind}s", study, options.data, **asked)


if __name__ == "__main__":
    sys.exit(main())
