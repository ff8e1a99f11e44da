"""Each page says what the records say: synthetic results with known answers, without mkdocs and without a browser."""

import json
import os
import re
import wave
from io import BytesIO
from itertools import permutations

import pandas as pd
import pytest
import synthetic
import yaml

from pmrl.data.playback import recordings
from pmrl.discovery import pages
from pmrl.errors import UserError
from pmrl.records import RUN_FILES
from pmrl.reporting.site import media, watch
from pmrl.reporting.site.pages import (
    any_modality,
    comparison,
    data,
    examples,
    leaderboard,
    methods,
    overview,
    robustness,
    runs,
)
from pmrl.reporting.site.shown import Shown, seconds_left
from pmrl.reporting.site.write import PAGES, write_site


@pytest.fixture
def shown(results, tmp_path):
    return show(results, tmp_path)


def show(folder, tmp_path, **study):
    return Shown(folder, tmp_path / "pages", tmp_path / "files", study, None, "results")


def received(shown, name):
    """The data that a page hands to its script."""
    text = (shown.files / "data" / f"{name}.js").read_text(encoding="utf-8")
    called, content = re.fullmatch(r'pmrl\.receive\("([^"]+)",(.*)\);\n', text, re.DOTALL).groups()
    assert called == name
    return json.loads(content)


def rows(text, **wanted):
    """The cells' texts of each table row whose data attributes have the wanted values."""
    found = []
    for attributes, cells in re.findall(r"<tr((?: data-[a-z]+=\"[^\"]*\")*)>(.*?)</tr>", text):
        has = dict(re.findall(r'data-([a-z]+)="([^"]*)"', attributes))
        if has and all(value in has[key].split(",") for key, value in wanted.items()):
            found.append([re.sub(r"<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells)])
    return found


def test_every_page_has_a_place_in_the_site():
    assert set(pages()) == {*PAGES, "comparison"}


def test_the_grid_has_every_recall_of_every_ordered_pair_and_seed(shown):
    any_modality.grid(shown)
    for dataset, modalities in synthetic.DATASETS.items():
        content = received(shown, f"pairs_{dataset}")
        assert content["modalities"] == modalities
        for query, gallery in permutations(modalities, 2):
            for method in ("pmrl", "gram"):
                found = content["values"][f"fine_tuned/{method}:main/{query}/{gallery}"]
                expected = {
                    str(seed): synthetic.recall(method, "main", "fine_tuned", seed, query, gallery, "recall@1")
                    for seed in synthetic.SEEDS
                }
                assert found == expected


def test_a_cell_names_the_command_that_makes_it_again(results, tmp_path):
    shown = show(results, tmp_path, config="config/my study.yaml")
    any_modality.grid(shown)
    command = received(shown, "pairs_emoji")["commands"]["pmrl:without_matching"]
    assert command.startswith("pmrl train --method pmrl --variant without_matching --dataset emoji --seeds ")
    assert command.endswith("--config 'config/my study.yaml'"), "a space in the name is quoted"


def test_the_leaderboard_has_the_mean_of_the_records(shown):
    text = leaderboard.cells(shown)
    (row,) = [row for row in rows(text, dataset="digits", regime="fine_tuned", task="any") if row[0] == "GRAM"]
    pairs = list(permutations(synthetic.DATASETS["digits"], 2))
    mean = sum(synthetic.recall("gram", "main", "fine_tuned", 1, *pair, "recall@1") for pair in pairs) / len(pairs)
    assert row[4] == f"{mean:.1f}"


def test_robustness_has_the_recall_at_each_level(shown):
    text = robustness.levels(shown)
    found = {(row[0], row[3]): row[4] for row in rows(text, dataset="emoji", corruption="missing")}
    fall = {level: float(found["PMRL", f"{level} missing (%)"]) for level in (0, 25, 50, 100)}
    assert fall[0] - fall[50] == pytest.approx(0.5 * synthetic.LOSS["pmrl"], abs=0.11)
    assert fall[0] - fall[100] == pytest.approx(synthetic.LOSS["pmrl"], abs=0.11)


def test_a_missing_run_is_a_dash_with_its_reason(own_results, tmp_path):
    synthetic.drop(own_results, "dataset == 'emoji' and method == 'gram'")
    text = leaderboard.cells(show(own_results, tmp_path))
    emoji = [row for row in rows(text, dataset="emoji") if row[0] == "GRAM"]
    assert emoji and all(row[4] == "– no finished run" for row in emoji)


def test_a_refusal_is_the_reason_of_its_dash(own_results, tmp_path):
    synthetic.drop(own_results, "dataset == 'emoji' and method == 'gram'")
    records = pd.read_parquet(own_results / "records.parquet")
    row = {
        **records.iloc[0],
        "dataset": "emoji",
        "method": "gram",
        "metric": "unsupported",
        "reason": "needs three <b>",
    }
    pd.concat([records, pd.DataFrame([row])]).to_parquet(own_results / "records.parquet")
    text = leaderboard.cells(show(own_results, tmp_path))
    assert "– <small>needs three &lt;b&gt;</small>" in text


def test_the_score_of_gram_is_defined_on_the_page_of_methods(shown):
    text = methods.section(shown, "gram")
    assert "√|det G|" in text and "−volume, (queries, gallery items)" in text


def test_examples_show_the_recorded_answers_and_their_items(shown):
    examples.queries(shown)
    content = received(shown, "examples_emoji")
    (answered,) = content["pairs"]["text → picture"]
    assert answered["item"] == "i007"
    assert answered["methods"]["PMRL"][0] == ["i007", True]
    assert answered["methods"]["GRAM"][2] == ["i007", True]
    picture = shown.files / content["items"]["i007"]["picture"]["picture"]
    assert picture.read_bytes() == synthetic.pictures()["i007"]
    assert content["items"]["i007"]["text"] == "emoji number 7, described in a few words"


def test_a_data_set_without_store_still_shows_which_items_were_answered(own_results, tmp_path):
    views = own_results / "data" / "emoji" / "views.parquet"
    views.write_bytes(b"damaged")
    shown = show(own_results, tmp_path)
    examples.queries(shown)
    content = received(shown, "examples_emoji")
    assert content["items"] == {} and len(content["pairs"]) == 2


BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "picture",
    b"RIFF\x24\x00\x00\x00WEBPVP8 ": "picture",
    b"RIFF\x24\x00\x00\x00WAVEfmt ": "sound",
    b"OggS\x00\x02": "sound",
    b"\x00\x00\x00\x20ftypisom": "clip",
    b"\x1aE\xdf\xa3\x01": "clip",
}


@pytest.mark.parametrize(("begin", "kind"), BEGINNINGS.items(), ids=repr)
def test_files_are_told_by_how_they_begin(begin, kind):
    assert media.kind_of(begin + bytes(20))[0] == kind


def test_a_file_of_no_known_kind_is_refused():
    with pytest.raises(UserError, match="no picture, clip or sound"):
        media.kind_of(b"MZ\x90\x00 a program")


def test_speech_can_be_heard_again(own_results):
    pytest.importorskip("espeakng_loader")
    folder = own_results / "data" / "emoji"
    heard = recordings(folder, "speech", ["i003", "i004"])
    assert set(heard) == {"i003", "i004"}
    with wave.open(BytesIO(heard["i003"])) as sound:
        assert 0.5 < sound.getnframes() / sound.getframerate() < 10
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    assert max(samples) > 1000, "it is not silent"
    assert recordings(folder, "text", ["i003"]) == {}


def test_a_card_is_text_and_never_html(own_results, tmp_path):
    path = own_results / "data" / "digits" / "card.yaml"
    card = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**card, "origin": "<script>alert(1)</script>", "flaws": ["a & b"]}))
    text = data.section(show(own_results, tmp_path), "digits")
    assert "<script>" not in text and "&lt;script&gt;" in text and "a &amp; b" in text


def test_a_claim_on_one_data_set_has_its_verdict_effect_and_interval(shown):
    text = overview.verdicts(shown)
    claims = shown.table("claims")
    chosen = claims[claims["claim"].eq("PMRL is above GRAM between any two modalities") & claims["dataset"].eq("emoji")]
    effect = chosen["effect"].item()
    (row,) = [row for row in rows(text, dataset="emoji") if row[0] == chosen["claim"].item()]
    assert row[2] == f"{effect:+.1f}".replace("-", "−") and chosen["verdict"].item() in row[1]


def run(folder, name, seconds, finished):
    path = folder / "runs" / name / "run.json"
    path.parent.mkdir(parents=True)
    dataset, method, *_ = name.split("/")
    about = {"dataset": dataset, "method": method, "seed": 0, "busy_seconds": seconds}
    path.write_text(json.dumps(about))
    os.utime(path, (finished, finished))


def test_the_time_that_is_left_follows_the_pace_so_far(own_results, tmp_path):
    """Two runs of 10 s took 20 s; two more like them take as long again, and one of an unknown kind 10 s."""
    run(own_results, "digits/gram/main/seed_0", 10.0, 1010)
    run(own_results, "digits/gram/main/seed_1", 10.0, 1020)
    done = ["digits/gram/main/seed_0", "digits/gram/main/seed_1"]
    later = ["digits/gram/main/seed_2", "digits/gram/main/seed_3", "emoji/vast/main/seed_0"]
    assert seconds_left(show(own_results, tmp_path, planned=[*done, *later])) == pytest.approx(30)
    assert seconds_left(show(own_results, tmp_path, planned=done)) == 0
    assert "2 of 5 runs have finished" in overview.progress(show(own_results, tmp_path, planned=[*done, *later]))
    assert overview.progress(show(own_results, tmp_path, planned=done)) == ""


def test_nothing_is_promised_before_the_first_run_has_finished(results, tmp_path):
    assert seconds_left(show(results, tmp_path, planned=["digits/gram/main/seed_0"])) is None


def test_a_run_that_has_not_finished_stands_in_the_table_of_runs(results, tmp_path):
    text = runs.table(show(results, tmp_path, planned=["emoji/vast/main/seed_0"]))
    (row,) = rows(text, dataset="emoji", method="vast")
    assert row[0] == "emoji/vast/main/seed_0" and row[2] == "– not finished"


def test_two_studies_stand_side_by_side(results, own_results, tmp_path):
    """The second lacks GRAM on emoji: a dash there, and no difference; elsewhere the difference is zero."""
    synthetic.drop(own_results, "dataset == 'emoji' and method == 'gram'")
    every = [
        Shown(folder, tmp_path / name, tmp_path / name, {}, None, name)
        for name, folder in (("A: one", results), ("B: two", own_results))
    ]
    text = comparison.means(every)
    (gone,) = [row for row in rows(text, dataset="emoji", regime="zero_shot", task="any") if row[0] == "GRAM"]
    assert gone[6] == "–" and gone[-1] == "–" and float(gone[4]) > 0
    (kept,) = [row for row in rows(text, dataset="emoji", regime="zero_shot", task="any") if row[0] == "PMRL"]
    assert kept[4] == kept[6] and kept[-1] == "+0.0"


def test_the_record_of_provenance_is_taken_along_once_it_is_written(own_results, tmp_path):
    shown = show(own_results, tmp_path)
    assert "pmrl report" in overview.rests(shown) and not (shown.files / "provenance.html").exists()
    (own_results / "report.html").write_text("every job")
    assert 'href="provenance.html"' in overview.rests(shown)
    assert (shown.files / "provenance.html").read_text() == "every job"


def test_watching_writes_the_site_as_runs_finish_and_ends_with_the_last(tmp_path, monkeypatch):
    """The site is written after the first wait, in which a run finishes, not after one in which none does."""
    names = ["digits/gram/main/seed_0", "digits/gram/main/seed_1"]
    waits = iter([[], names[:1], [], names[1:]])

    def wait(seconds):
        assert seconds == 7
        for name in next(waits):
            for file in RUN_FILES:
                path = tmp_path / "runs" / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()

    monkeypatch.setattr(watch, "run_folders", lambda config: names)
    monkeypatch.setattr(watch, "of_study", lambda config, file, output: output)
    monkeypatch.setattr(watch.time, "sleep", wait)
    written = list(watch.watched({"results": str(tmp_path)}, tmp_path / "config.yaml", tmp_path / "site", 7))
    assert len(written) == 2 and next(waits, None) is None


def made(folder, settings, code="a" * 64):
    """A run that says what made it."""
    path = folder / "runs" / "digits" / "gram" / "main" / "seed_0" / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"origin": {"settings": settings, "code": code, "data": "d"}, "processor": "P"}))


def test_a_comparison_names_each_setting_in_which_runs_differ(results, tmp_path):
    settings = {"training": {"steps": 300, "batch": 64}}
    folders = [synthetic.copy(results, tmp_path / name) for name in ("one", "two", "three")]
    made(folders[0], settings)
    made(folders[1], {"training": {"steps": 600, "batch": 64}})
    first, second, third = (Shown(folder, tmp_path, tmp_path, {}, None, folder.name) for folder in folders)
    text = comparison.settings([first, second])
    assert "settings.training.steps" in text and ">300<" in text and ">600<" in text and "batch" not in text
    assert "the same settings" in comparison.settings([first, first])
    assert "No run of these folders" in comparison.settings([first, third])


def test_a_folder_without_records_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"no records\.parquet here"):
        write_site([tmp_path], tmp_path / "site", {}, None)
    assert not (tmp_path / "site").exists()


def test_a_folder_that_is_no_site_is_never_replaced(results, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="something else than a site"):
        write_site([results], tmp_path, {}, None)
    assert (tmp_path / "thesis.tex").exists()
