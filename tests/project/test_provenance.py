"""Which code a number rests on, as the workflow and the fingerprints ask for it."""

import json
import subprocess
import sys

import pytest

from pmrl import discovery, provenance
from pmrl.discovery import ROOT, method_file

ENTRIES = {
    "foundation": "pmrl.experiments.foundation",
    "train": "pmrl.experiments.train",
    "sweep": "pmrl.experiments.sweep",
    "cost": "pmrl.experiments.cost",
    "tune": "pmrl.experiments.tune",
    "loop": "pmrl.training.loop",
    "table": "pmrl.reporting.write_table",
    "figure": "pmrl.reporting.write_figure",
}


def names(*paths):
    return {path.relative_to(ROOT).as_posix() for path in provenance.sources(*paths)}


def really_imported(module):
    """The project's modules that Python loads for it, by asking Python."""
    code = (
        f"import sys, json; import {module}\n"
        "files = [m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in ('pmrl', 'baselines')]\n"
        "print(json.dumps([f for f in files if f]))"
    )
    files = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT).stdout)
    return {str(file).removeprefix(f"{ROOT}/") for file in files if not file.endswith("__init__.py")}


@pytest.mark.parametrize("module", ENTRIES.values())
def test_what_python_loads_is_found_without_loading_it(module):
    """But for what only a package's __init__.py loads, which hands names on and is run as the package is entered."""
    found = names(f"{module.replace('.', '/')}.py")
    entered = names("pmrl/method/__init__.py", "pmrl/losses/__init__.py")
    assert really_imported(module) <= found | entered
    assert not [name for name in entered if name.split("/")[1] in ("evaluation", "experiments", "training", "study")]


def test_the_loop_rests_on_what_trains_and_on_nothing_that_measures_or_reports():
    found = names("pmrl/training/loop.py")
    assert {
        "pmrl/data/dataset.py",
        "pmrl/method/heads.py",
        "pmrl/losses/spectral.py",
        "pmrl/training/corruption.py",
    } <= found
    assert not [name for name in found if name.split("/")[1] in ("evaluation", "experiments", "reporting", "study")]
    assert "pmrl/data/store.py" not in found, "stores enter by their checksum"


def test_a_table_rests_on_its_own_module_and_on_no_other_table():
    found = names("pmrl/tables/claims.py")
    assert {"pmrl/reporting/measures.py", "pmrl/reporting/statistics.py"} <= found
    assert [name for name in found if name.startswith("pmrl/tables/")] == ["pmrl/tables/claims.py"]


def test_a_figure_rests_on_its_style_and_its_table_and_on_no_other_figure():
    found = names("pmrl/figures/ablation.py")
    assert {"pmrl/reporting/style.py", "pmrl/tables/ablation.py", "pmrl/reporting/results.py"} <= found
    assert [name for name in found if name.startswith("pmrl/figures/")] == ["pmrl/figures/ablation.py"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with three baselines, a helper, PMRL, a package that hands names on, and a module of words."""
    files = {
        "baselines/direct.py": "from baselines import _helper",
        "baselines/through.py": "import torch\nfrom .direct import Direct\nfrom pmrl.objective import PMRL",
        "baselines/alone.py": "from pmrl.method import Network",
        "baselines/typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pmrl import objective",
        "baselines/worded.py": "from pmrl.words import PAIR",
        "baselines/_helper.py": "def help():\n    return 1\n",
        "baselines/torn.py": "def (",
        "pmrl/objective.py": "def loss():\n    from pmrl.method import networks",
        "pmrl/method/__init__.py": "from pmrl.method.networks import Network",
        "pmrl/method/networks.py": "",
        "pmrl/words.py": '"""Words."""\nONE = "one"\nTWO = "two"  # the second\nPAIR = (ONE, TWO)\nOTHER = 3\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("pmrl.provenance.ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("direct", {"baselines/_helper.py"}),
        ("through", {"baselines/_helper.py", "baselines/direct.py", "pmrl/objective.py", "pmrl/method/networks.py"}),
        ("alone", {"pmrl/method/__init__.py", "pmrl/method/networks.py"}),
        ("typed", set()),
        ("torn", set()),
    ],
)
def test_imports_are_followed_wherever_they_stand_but_not_those_for_type_checkers(project, file, expected):
    own = f"baselines/{file}.py"
    assert {path.relative_to(project).as_posix() for path in provenance.sources(own)} == {own, *expected}


@pytest.mark.parametrize(
    "text",
    [
        "def help():\n    return 1  # one\n",
        '"""A module."""\n\n\ndef help():\n    """Help."""\n    return 1\n',
        "# first\ndef help(): return 1",
    ],
)
def test_comments_docstrings_and_layout_do_not_count(project, text):
    before = provenance.code("baselines/direct.py")
    (project / "baselines/_helper.py").write_text(text)
    assert provenance.code("baselines/direct.py") == before


@pytest.mark.parametrize("text", ["def help():\n    return 2\n", "def help():\n    return 1.0\n", "X = 1\n", "def ("])
def test_a_change_of_imported_code_counts(project, text):
    before, other = provenance.code("baselines/direct.py"), provenance.code("baselines/alone.py")
    (project / "baselines/_helper.py").write_text(text)
    assert provenance.code("baselines/direct.py") != before
    assert provenance.code("baselines/alone.py") == other


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [("OTHER = 3", "OTHER = 4", False), ('TWO = "two"', 'TWO = "2"', True), ("OTHER", "NEW = 1\nOTHER", False)],
)
def test_of_a_module_of_constants_those_count_that_are_imported(project, old, new, counts):
    before = provenance.code("baselines/worded.py")
    words = project / "pmrl/words.py"
    words.write_text(words.read_text().replace(old, new))
    assert (provenance.code("baselines/worded.py") != before) == counts


def test_the_words_of_the_project_are_a_module_of_constants():
    assert provenance._read(ROOT / "pmrl" / "records.py").constants


def test_no_method_of_the_project_rests_on_another():
    methods = {path.relative_to(ROOT).as_posix() for path in discovery.method_files().values()}
    for name in discovery.method_files():
        own = method_file(name)
        assert names(own) & methods == {own.relative_to(ROOT).as_posix()}
