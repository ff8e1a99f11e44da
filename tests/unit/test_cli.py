"""The command line: bad input is one message and exit status 2, never a traceback, and nothing half-written."""

import errno
import os
import re
import subprocess
import sys

import pytest

from pmrl import cli
from pmrl.cli import main
from pmrl.discovery import BASELINES
from pmrl.errors import UserError
from pmrl.files import replacing


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
    ],
)
def test_bad_input_is_one_message(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("pmrl: error: ") and "Traceback" not in error
    assert re.search(message, error)
    assert list(tmp_path.rglob("*")) == []


def test_an_unknown_device_is_refused(capsys, make_store, tmp_path):
    make_store()
    arguments = ["foundation", "--dataset", "synthetic", "--data", str(tmp_path / "data"), "--device", "cuda:99"]
    assert main(arguments) == 2
    assert "'cuda:99' is not available" in capsys.readouterr().err


def test_an_unknown_hyperparameter_lists_the_valid_ones(capsys, make_store, tmp_path):
    from pmrl.method import build_method

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
    from pmrl.method import load_method

    broken = BASELINES / "_broken_for_test.py"
    monkeypatch.setattr("pmrl.method.method_file", lambda name: broken)
    with pytest.raises(UserError, match=r"'broken': _broken_for_test\.py cannot be imported"):
        load_method("broken")


def test_parsing_the_workflow_needs_no_torch():
    code = (
        "import sys; import pmrl, pmrl.cli, pmrl.settings, pmrl.data, pmrl.tables, pmrl.figures, pmrl.sources;"
        "pmrl.settings.check_config({}, 'x'); pmrl.cli.parser();"
        "sys.exit('torch' in sys.modules)"
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
        "from pmrl.checkpoints import save_checkpoint\n"
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
    def missing(*arguments):
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    monkeypatch.setattr(cli, "list_names", missing)
    assert cli.main(["list"]) == 2
    message = capsys.readouterr().err
    assert "the package sklearn is missing" in message and "pip install" in message
