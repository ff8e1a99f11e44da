"""The command line: bad input is one message and exit status 2, never a traceback, and nothing half-written."""

import errno
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.common.configfile import load_configfile

from pmrl import cli
from pmrl.cli import main
from pmrl.discovery import BASELINES, ROOT
from pmrl.errors import UserError
from pmrl.files import replacing
from pmrl.method.base import Method, blaming, build_method, load_method


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "digit"], r"Unknown data set 'digit'.*digits"),
        (["train", "--dataset", "digits", "--method", "grams"], "Unknown method 'grams'. Valid methods: pmrl"),
        (
            ["train", "--dataset", "digits", "--method", "gram", "--variant", "x"],
            "no variant 'x'. Valid variants: main",
        ),
        (["train", "--dataset", "nothing", "--method", "gram"], "no feature store here"),
        (
            ["train", "--config", "nowhere.yaml", "--dataset", "digits", "--method", "gram"],
            "nowhere.yaml: cannot be read",
        ),
        (["collect"], "no runs to collect"),
        (["table", "tabel"], "Unknown table 'tabel'. Valid tables: "),
        (["figure", "figur"], "Unknown figure 'figur'. Valid figures: "),
        (["tune"], "needs --dataset and --method"),
        (["site", "nowhere"], r"nowhere: no records\.parquet here"),
    ],
)
def test_bad_input_is_one_message(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("pmrl: error: ") and "Traceback" not in error
    assert re.search(message, error)
    assert list(tmp_path.rglob("*")) == []


RUN = ["--dataset", "digits", "--method", "gram"]
OF_A_STUDY = {
    "foundation": RUN[:2],
    "train": RUN,
    "collect": [],
    "tune": RUN,
    "sweep": RUN[:2],
    "cost": RUN[:2],
    "report": [],
    "table": ["cost"],
    "figure": ["ablation"],
}


@pytest.mark.parametrize("name", OF_A_STUDY)
def test_every_option_of_a_command_is_a_parameter_of_its_function(name):
    options = vars(cli.parser().parse_args([name, *OF_A_STUDY[name]]))
    assert set(inspect.signature(options.pop("command")).parameters) == set(options)


def test_a_command_works_in_the_folders_of_its_config_unless_others_are_given(tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("{results: own, data: stores}")

    def folders(config, *given):
        study, *places = cli.studied(config, *given)
        assert [study["results"], study["data"]] == [str(place) for place in places]
        return [str(place) for place in places]

    assert folders(config, None, None) == ["own", "stores"]
    assert folders(config, Path("mine"), None) == ["mine", "stores"]
    assert folders(config, Path("mine"), Path("elsewhere")) == ["mine", "elsewhere"]
    assert folders(cli.DEFAULT_CONFIG, None, None) == ["results", "results/data"]
    assert folders(None, None, None) == ["results", "results/data"]  # settings stand for the config


def test_collecting_looks_for_runs_in_the_folder_of_its_config(capsys, tmp_path, monkeypatch):
    from pmrl.reporting.report import finished_runs

    (tmp_path / "own.yaml").write_text("{results: own}")
    searched = []
    monkeypatch.setattr(
        "pmrl.reporting.report.finished_runs", lambda config: searched.append(config) or finished_runs(config)
    )
    assert main(["collect", "--config", str(tmp_path / "own.yaml")]) == 2
    assert [config["results"] for config in searched] == ["own"]
    assert "no runs to collect" in capsys.readouterr().err


def test_collecting_takes_the_sweeps_of_the_config_unless_others_are_given(tmp_path, monkeypatch):
    swept = {"datasets": ["digits", "emoji"], "sensitivity": {"datasets": ["digits", "molecules"]}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**swept, "results": str(tmp_path)}))
    files = {name: tmp_path / "sweep" / f"{name}.parquet" for name in ("digits", "emoji", "molecules")}
    (tmp_path / "sweep").mkdir()
    for path in files.values():
        path.touch()
    gathered = []
    monkeypatch.setattr("pmrl.reporting.collect.collect_sweeps", lambda files, results: gathered.append(files))
    monkeypatch.setattr("pmrl.reporting.collect.collect_runs", lambda folders, results: None)
    own = ["collect", "--config", str(tmp_path / "own.yaml")]
    for given in ([], ["--sweeps", str(files["emoji"])]):
        assert main([*own, *given]) == 0
    assert gathered == [[files["digits"]], [files["emoji"]]]


@pytest.mark.parametrize("folder", ["mine", "2026", "2026_11", "runs #2", "1e3", "a: b", "no"])
def test_a_report_hands_its_folders_to_snakemake_as_texts(folder, monkeypatch):
    def run(command, check):
        first = command.index("--configfile") + 1
        configs.extend(load_configfile(path) for path in command[first : command.index("--report")])
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    commands, configs = [], []
    monkeypatch.setattr("pmrl.reporting.report.write_outdated", lambda config: None)
    monkeypatch.setattr("pmrl.reporting.report.subprocess.run", run)
    assert main(["report", "--results", folder, "--data", "stores"]) == 0
    assert configs[-1] == {"results": folder, "data": "stores"}
    assert {f"{folder}/tables/cost.html", f"{folder}/report.html"} <= set(commands[0])


def test_an_unknown_device_is_refused(capsys, make_store, tmp_path):
    make_store()
    arguments = ["foundation", "--dataset", "synthetic", "--data", str(tmp_path / "data"), "--device", "cuda:99"]
    assert main(arguments) == 2
    assert "'cuda:99' is not available" in capsys.readouterr().err


def test_an_unknown_hyperparameter_lists_the_valid_ones(capsys, make_store, tmp_path):
    from pmrl.method.base import build_method

    with pytest.raises(UserError, match=r"'gram' has no hyper-parameter 'tau'.*learning_rate, temperature"):
        build_method("gram", {"tau": 1})
    with pytest.raises(UserError, match=r"'temperature' is 'hot'; expected a float"):
        build_method("gram", {"temperature": "hot"})


def test_a_full_disk_leaves_no_file(tmp_path):
    expected = r"result\.txt: could not be written \(No space left on device\).*Free"
    with pytest.raises(UserError, match=expected), replacing(tmp_path / "result.txt") as path:
        path.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(target) as path:
        path.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_a_broken_baseline_is_named(tmp_path, monkeypatch):
    from pmrl.method.base import load_method

    broken = BASELINES / "_broken_for_test.py"
    monkeypatch.setattr("pmrl.method.base.method_file", lambda name: broken)
    with pytest.raises(UserError, match=r"'broken': _broken_for_test\.py cannot be imported"):
        load_method("broken")


def test_parsing_the_workflow_needs_no_torch():
    code = (
        "import sys; import pmrl, pmrl.cli, pmrl.study.config, pmrl.data.registry, pmrl.provenance;"
        "pmrl.study.config.check_config({}, 'x'); pmrl.cli.parser();"
        "sys.exit(bool({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_list_names_everything(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("digits", "emoji", "pmrl", "gram", "retrieval_zero_shot", "any_modality"):
        assert name in shown


def test_a_full_disk_is_an_error_also_while_tensors_are_written(tmp_path):
    """The limit on file sizes makes the operating system refuse the write, as a full disk does."""
    code = (
        "import resource, signal, torch\n"
        "from pathlib import Path\n"
        "from pmrl.training.checkpoints import save_checkpoint\n"
        "from pmrl.errors import UserError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "network, method = torch.nn.Linear(100, 100), torch.nn.Linear(2, 2)\n"
        "try:\n"
        f"    save_checkpoint(Path({str(tmp_path / 'x.safetensors')!r}), network, method, 'mark')\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "x.safetensors: could not be written" in done.stdout and "Free some disk space" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing_is_named(monkeypatch, capsys):
    def missing():
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr(cli, "list_names", missing)
    assert cli.main(["list"]) == 2
    message = capsys.readouterr().err
    assert "the package sklearn is missing" in message and "pip install" in message


@pytest.mark.parametrize(("option", "value"), [("--threads", "0"), ("--threads", "x"), ("--seeds", "-1")])
def test_numbers_that_make_no_sense_are_refused(option, value, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--dataset", "digits", "--method", "gram", f"{option}={value}"])
    assert stopped.value.code == 2
    smallest = 0 if option == "--seeds" else 1
    expected = f"argument {option}: found {value!r}, expected a whole number of at least {smallest}"
    assert expected in capsys.readouterr().err


def test_the_traceback_of_a_plug_in_is_shown_on_request(capsys, monkeypatch):
    def broken():
        with blaming(load_method("gram"), "loss"):
            raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(cli, "list_names", broken)
    monkeypatch.delenv("PMRL_TRACEBACK", raising=False)
    assert main(["list"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown and "PMRL_TRACEBACK=1" in shown
    monkeypatch.setenv("PMRL_TRACEBACK", "1")
    assert main(["list"]) == 2
    shown = capsys.readouterr().err
    assert (
        "Traceback" in shown and "deep inside" in shown and shown.rstrip().splitlines()[-1].startswith("pmrl: error:")
    )


@pytest.fixture
def old_baseline(tmp_path, monkeypatch):
    """Write a baseline called ``old`` into a folder of its own."""

    def write(text):
        path = tmp_path / "baselines" / "old.py"
        path.parent.mkdir()
        (path.parent / "__init__.py").touch()
        path.write_text(text)
        monkeypatch.setattr("pmrl.method.base.ROOT", tmp_path)
        monkeypatch.setattr("pmrl.method.base.method_file", lambda name: path)
        monkeypatch.syspath_prepend(tmp_path)
        for name in [name for name in sys.modules if name.split(".")[0] == "baselines"]:
            monkeypatch.delitem(sys.modules, name)

    return write


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("from pmrl.contrastive import info_nce", "write `from pmrl.method import"),
        ("from pmrl.networks import Embeddings", "write `from pmrl.method import"),
        ("from pmrl.matching import matchable", "write `from pmrl.method import"),
        (
            "from pmrl.method import Method\nclass Old(Method):\n    search_space = {}",
            r"declared with each hyper-parameter",
        ),
    ],
)
def test_a_baseline_of_the_earlier_interface_is_told_what_to_change(line, message, old_baseline):
    old_baseline(line)
    with pytest.raises(UserError, match=message):
        load_method("old")


def test_a_baseline_with_its_dataclass_outside_still_runs(old_baseline):
    """The earlier way to declare hyper-parameters."""
    old_baseline(
        "from dataclasses import dataclass\n"
        "from pmrl.method import Hyperparameters, Method\n"
        "@dataclass(frozen=True)\nclass OldHyperparameters(Hyperparameters):\n    temperature: float = 0.07\n"
        "class Old(Method):\n    title, reference, color = 'Old', 'none', '#123456'\n"
        "    Hyperparameters = OldHyperparameters\n"
    )
    method = build_method("old", {"temperature": 0.2})
    assert method.hyperparameters.temperature == 0.2
    assert method.hyperparameters.learning_rate == Method.Hyperparameters().learning_rate


@pytest.mark.parametrize("settings", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "iso-8859-1"}])
def test_commands_work_in_any_locale(settings, tmp_path):
    """Files are read as UTF-8 whatever the locale, and a sign that a terminal lacks is no traceback."""
    random = np.random.default_rng(0)
    ids = [f"café{i}" for i in range(60)]
    pd.DataFrame({"id": ids}).to_csv(tmp_path / "items.csv", index=False)
    for name in ("sound", "word"):
        np.save(tmp_path / f"{name}.npy", random.normal(size=(60, 4)))
    files = {name: {"file": f"{name}.npy", "description": "größer →"} for name in ("sound", "word")}
    card = {"name": "birds", "anchor": "word", "items": "items.csv", "modalities": files}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card, allow_unicode=True), encoding="utf-8")
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-m", "pmrl.cli", "check", str(tmp_path / "card.yaml")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr[-2000:]
    assert b"birds" in done.stdout
