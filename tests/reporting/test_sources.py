"""What an artefact's code rests on, as the workflow asks for it."""

import pytest

from pmrl.discovery import ROOT, method_file, method_files
from pmrl.sources import method_sources, sources


def names(path):
    return {str(file.relative_to(ROOT)) for file in sources(path)}


def test_a_table_rests_on_the_tables_that_it_builds_on():
    found = names("pmrl/tables/retrieval_fine_tuned.py")
    assert {"pmrl/tables/retrieval_zero_shot.py", "pmrl/tables/directions.py", "pmrl/statistics.py"} <= found
    assert "pmrl/tables/claims.py" not in found


def test_a_figure_rests_on_its_style_and_its_table_and_on_no_other_figure():
    found = names("pmrl/figures/ablation.py")
    assert {"pmrl/figures/style.py", "pmrl/tables/ablation.py", "pmrl/results.py"} <= found
    assert not {"pmrl/figures/any_modality.py", "pmrl/figures/singular_values.py"} & found


def test_no_table_or_figure_rests_on_torch():
    for folder in ("tables", "figures"):
        for module in (ROOT / "pmrl" / folder).glob("*.py"):
            for file in sources(module.relative_to(ROOT)):
                top = [line for line in file.read_text().splitlines() if line.startswith(("import ", "from "))]
                assert not any("torch" in line for line in top), file


@pytest.fixture
def baselines(tmp_path, monkeypatch):
    """A project with three baselines, a helper, PMRL, and a shared module."""
    files = {
        "baselines/direct.py": "from baselines import _helper",
        "baselines/through.py": "import torch\nfrom .direct import Direct\nfrom pmrl.objective import PMRL",
        "baselines/alone.py": "from pmrl.networks import Network",
        "baselines/_helper.py": "",
        "baselines/torn.py": "def (",
        "pmrl/objective.py": "from pmrl.networks import Network",
        "pmrl/networks.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for module in ("discovery", "sources"):
        monkeypatch.setattr(f"pmrl.{module}.ROOT", tmp_path)
        monkeypatch.setattr(f"pmrl.{module}.BASELINES", tmp_path / "baselines")
    return tmp_path


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("direct", ["baselines/_helper.py", "baselines/direct.py"]),
        ("through", ["baselines/_helper.py", "baselines/direct.py", "baselines/through.py", "pmrl/objective.py"]),
        ("alone", ["baselines/alone.py"]),
        ("pmrl", ["pmrl/objective.py"]),
        ("torn", ["baselines/torn.py"]),
    ],
)
def test_a_method_rests_on_what_it_imports_of_other_methods(baselines, method, expected):
    assert [str(path.relative_to(baselines)) for path in method_sources(method)] == expected


def test_no_method_of_the_project_rests_on_another():
    for name in method_files():
        assert method_sources(name) == [method_file(name)]
