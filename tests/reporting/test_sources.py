"""What an artefact's code rests on, as the workflow asks for it."""

from pmrl.discovery import ROOT
from pmrl.sources import sources


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
