"""Annotation files of published collections, in the layout that they come in, written by the test."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pmrl.data.media import layouts
from pmrl.errors import UserError


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def msrvtt(folder):
    videos = [{"video_id": f"video{number}", "split": split, "url": "…"} for number, split in enumerate(
        ["train"] * 6 + ["validate"] * 2 + ["test"] * 3)]  # fmt: skip
    sentences = [
        {"video_id": video["video_id"], "caption": f"caption {place} of  {video['video_id']}", "sen_id": place}
        for place in range(20) for video in videos
    ]  # fmt: skip
    return written(folder / "MSRVTT_data.json", {"videos": videos, "sentences": sentences})


def test_msrvtt_has_twenty_captions_and_its_own_splits(tmp_path):
    annotation = layouts.read("msrvtt", {"": msrvtt(tmp_path)})
    clips, captions = annotation.tables()
    assert len(clips) == 11 and len(captions) == 220
    assert list(captions.loc[captions["id"].eq("video3"), "caption"])[:2] == [f"caption {n} of video3" for n in (0, 1)]
    assert set(clips.loc[clips["id"].isin([f"video{n}" for n in range(6)]), "split"]) <= {"pretrain", "train"}
    assert list(clips["split"])[6:] == ["validation"] * 2 + ["test"] * 3
    assert list(annotation.tables()[0]["split"]) == list(clips["split"])


def test_msrvtt_1k_a_fixes_the_test_clips_and_their_caption(tmp_path):
    listed = written(tmp_path / "test.csv", "key,vid_key,video_id,sentence\nret0,msr9,video9,a man, who sings\n")
    with pytest.raises(UserError, match=r"test\.csv"):
        layouts.read("msrvtt", {"": msrvtt(tmp_path)}, listed)  # a comma that is not in quotation marks
    listed = written(tmp_path / "test.csv", 'key,vid_key,video_id,sentence\nret0,msr9,video9,"a man, who sings"\n')
    clips, captions = layouts.read("msrvtt", {"": msrvtt(tmp_path)}, listed).tables()
    assert list(clips.loc[clips["split"].eq("test"), "id"]) == ["video9"] and len(clips) == 9
    assert list(captions.loc[captions["id"].eq("video9"), "caption"]) == ["a man, who sings"]


def test_vatex_has_ten_english_captions(tmp_path):
    entry = {"videoID": "Ptf_2VRj-V0_000122_000132", "enCap": [f"caption {n}" for n in range(10)], "chCap": ["一"]}
    clips, captions = layouts.read("vatex", {"": written(tmp_path / "vatex.json", [entry])}).tables()
    assert list(clips["id"]) == ["Ptf_2VRj-V0_000122_000132"] and len(captions) == 10 and "split" not in clips


def test_sentences_of_didemo_and_activitynet_become_paragraphs(tmp_path):
    didemo = [{"video": "12@N0_1_a.mov", "description": words, "times": [[0, 0]]} for words in ("A cat.", "It  jumps.")]
    _, captions = layouts.read("didemo", {"": written(tmp_path / "test_data.json", didemo)}).tables()
    assert captions.to_numpy().tolist() == [["12@N0_1_a", "A cat. It jumps."]]
    activitynet = {"v_a": {"duration": 9.5, "timestamps": [[0, 4], [4, 9]], "sentences": [" One man.", " He runs."]}}
    _, captions = layouts.read("activitynet", {"": written(tmp_path / "val_1.json", activitynet)}).tables()
    assert captions.to_numpy().tolist() == [["v_a", "One man. He runs."]]


def test_sounds_have_one_caption_or_five(tmp_path):
    head = "audiocap_id,youtube_id,start_time,caption\n"
    train = written(tmp_path / "train.csv", f"{head}91139,r1nicOVtvkQ,130,A woman talks nearby\n")
    test = written(tmp_path / "test.csv", head + "".join(f"{n},ab_-c,30,Rain {n}\n" for n in range(5)))
    clips, captions = layouts.read("audiocaps", {"train": train, "test": test}).tables()
    assert list(clips["split"])[1:] == ["test"] and list(captions["id"]) == ["r1nicOVtvkQ", *["ab_-c"] * 5]
    names = ",".join(f"caption_{n}" for n in range(1, 6))
    clotho = written(tmp_path / "clotho.csv", f'file_name,{names}\n"Wind, trees \'n leaves.wav",a,b,c,d,e\n')
    clips, captions = layouts.read("clotho", {"": clotho}).tables()
    assert list(clips["id"]) == ["Wind, trees 'n leaves"] and list(captions["caption"]) == list("abcde")


def test_vast_annotations_have_subtitles(tmp_path):
    entries = [
        {"video_id": "a", "desc": "one", "subtitle": " Now we go. "},
        {"video_id": "b", "desc": ["two", "three"]},
    ]
    clips, captions = layouts.read("vast", {"": written(tmp_path / "descs.json", entries)}).tables()
    assert list(clips["subtitle"]) == ["Now we go.", ""] and list(captions["id"]) == ["a", "b", "b"]


def test_a_byte_order_mark_does_not_count(tmp_path):
    path = written(tmp_path / "descs.json", "﻿" + json.dumps([{"video_id": "a", "desc": "one"}]))
    assert layouts.read("vast", {"": path}).captions == {"a": ["one"]}


@pytest.mark.parametrize(("layout", "content", "message"), [
    ("vast", "{not json", "not JSON"),
    ("vast", {"a": 1}, "found an object of JSON, expected a list"),
    ("msrvtt", [], "found a list of JSON, expected an object"),
    ("msrvtt", {"sentences": []}, "videos: expected a list of objects"),
    ("vast", [{"id": "a", "desc": "one"}], "an entry has no text 'video_id'; found id, desc"),
    ("vatex", [{"videoID": "a", "enCap": []}], "no list of texts 'enCap'"),
    ("activitynet", {"a": {"sentences": "one"}}, "no list of texts 'sentences'"),
])  # fmt: skip
def test_another_layout_is_recognised(tmp_path, layout, content, message):
    with pytest.raises(UserError, match=rf"some\.json: .*{message}"):
        layouts.read(layout, {"": written(tmp_path / "some.json", content)})


def test_columns_and_clips_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(UserError, match="no column 'youtube_id'; found id, caption"):
        layouts.read("audiocaps", {"": written(tmp_path / "some.csv", "id,caption\na,b\n")})
    one = written(tmp_path / "one.json", [{"video_id": "a", "desc": "one"}])
    with pytest.raises(UserError, match=r"the clip 'a' is in another file, too"):
        layouts.read("vast", {"train": one, "test": one})
    listed = written(tmp_path / "list.csv", "video_id,sentence\nvideo99,none\n")
    with pytest.raises(UserError, match=r"list\.csv: the clip 'video99' is not in the annotation"):
        layouts.read("msrvtt", {"": msrvtt(tmp_path)}, listed)
    with pytest.raises(UserError, match="cannot be read"):
        layouts.read("vast", {"": tmp_path / "missing.json"})


def test_the_test_part_of_msrvtt_as_vast_gives_it():
    path = Path(__file__).parents[4] / "shared" / "data" / "video" / "msrvtt_1ka_test.json"
    if not path.is_file():
        pytest.skip("the shared test data are not beside the project")
    clips, captions = layouts.read("vast", {"": path}).tables()
    assert len(clips) == len(captions) == 1000 and (clips["subtitle"] != "").any()
    assert pd.Series(captions["id"]).is_unique
