"""The smoke study as it stands when it has run, and baselines that are added to it: sound ones and broken ones."""

import pandas as pd
import yaml
from running import METHODS, RESULTS, SMOKE, TEMPLATE, pmrl, snakemake

from pmrl.figures import ablation
from pmrl.reporting.results import Results


def test_the_smoke_study_leaves_every_artefact_it_names(project):
    expected = [f"tables/{name}.{kind}" for name in SMOKE["tables"] for kind in ("csv", "md", "tex", "html")]
    expected += [f"figures/{name}.{kind}" for name in SMOKE["figures"] for kind in ("pdf", "png")]
    for name in [*expected, "records.parquet", "ranks.parquet", "curves.parquet", "methods.json"]:
        assert (project / RESULTS / name).stat().st_size > 0, name


def test_the_records_hold_every_method_variant_regime_and_seed(project):
    records = pd.read_parquet(project / RESULTS / "records.parquet")
    found = set(records[["method", "variant", "regime", "seed"]].astype(str).itertuples(index=False, name=None))
    runs = [(method, "main") for method in METHODS]
    runs += [("pmrl", "without_regularization"), ("pmrl", "without_matching")]
    for method, variant in runs:
        for regime in ("zero_shot", "fine_tuned"):
            for seed in range(SMOKE["seeds"]):
                assert (method, variant, regime, str(seed)) in found
    values = records.loc[records["metric"] == "recall@1", "value"]
    assert values.between(0, 100).all()


def test_a_new_file_is_a_new_row_and_reruns_nobody_else(project, edited):
    """Copy the template, name it in a config, run: nothing else is touched, nothing else is trained."""
    edited("baselines/newcomer.py", TEMPLATE)
    shown = {"tables": ["any_modality", "retrieval_zero_shot", "ablation"], "figures": ["ablation"]}
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, **shown, "methods": [*METHODS, "newcomer"]}))
    others = (project / RESULTS / "runs" / "digits").glob("[!n]*/**/*.safetensors")
    before = {path: path.stat().st_mtime_ns for path in others}
    run = snakemake(project, "--omit-from", "site", configfile="config/more.yaml")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for table in shown["tables"]:
        assert "newcomer" in set(pd.read_csv(project / RESULTS / "tables" / f"{table}.csv")["method"])
    assert "Template" in (project / RESULTS / "tables" / "any_modality.md").read_text()
    drawn = ablation.draw(Results(project / RESULTS, data=project / "results" / "data"))
    assert "Template" in {text.get_text() for axes in drawn.axes for text in axes.get_yticklabels()}


BROKEN = {
    "broken_loss": ("return {", "return {'broken': logits.sum() * float('nan'), ", "loss term 'broken' is nan"),
    "broken_score": ("query.centroid() @ gallery.centroid().T", "query.centroid()", "score gave the shape"),
    "broken_code": ("order = torch", "raise ValueError('out of order')  # ", "loss failed in broken_code.py"),
    "broken_import": ("import torch\n", "import torch, a_missing_one\n", "broken_import.py cannot be imported"),
}


def test_broken_baselines_fail_alone_and_are_named(project, edited):
    for name, (sound, broken, _) in BROKEN.items():
        assert sound in TEMPLATE
        edited(f"baselines/{name}.py", TEMPLATE.replace(sound, broken))
    edited("config/more.yaml", yaml.safe_dump({**SMOKE, "methods": [*METHODS, *BROKEN]}))
    targets = {name: f"{RESULTS}/runs/digits/{name}/main/seed_0/run.json" for name in BROKEN}
    run = snakemake(project, *targets.values(), "--keep-going", configfile="config/more.yaml")
    assert run.returncode != 0 and "Traceback" not in run.stdout + run.stderr
    for name, (*_, message) in BROKEN.items():
        assert message in run.stdout + run.stderr
        assert not (project / targets[name]).exists()


def test_the_rest_of_a_study_and_its_report_finish_beside_a_broken_baseline(project, edited):
    edited("baselines/broken.py", TEMPLATE.replace("return {", "return {'broken': logits.sum() * float('nan'), "))
    edited("baselines/sound.py", TEMPLATE)
    methods = ["broken", "sound"]
    study = {**SMOKE, "methods": methods, "results": "results/beside", "tables": ["ablation"], "figures": ["ablation"]}
    edited("config/more.yaml", yaml.safe_dump(study))
    run = snakemake(project, "--keep-going", configfile="config/more.yaml")
    assert run.returncode != 0 and "loss term 'broken' is nan" in run.stdout + run.stderr
    report = pmrl(project, "report", "--config", "config/more.yaml")
    assert report.returncode == 0, report.stderr
    assert (project / "results/beside/report.html").stat().st_size > 10_000
    table = pd.read_csv(project / "results/beside/tables/ablation.csv")
    assert set(table.dropna(subset="mean")["method"]) == {"foundation", "sound"}
