"""What holds for every source, and for the way sources are found."""

import subprocess
import sys
from collections import Counter
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrl import data
from pmrl.data.splits import FRACTIONS, split_by_group
from pmrl.errors import UserError


def test_an_unknown_name_lists_the_valid_ones(tmp_path):
    with pytest.raises(UserError, match=r"'emojis'.*digits, emoji"):
        data.prepare("emojis", tmp_path)


@pytest.mark.parametrize("name", ["store", "encoders", "__init__", "../digits"])
def test_machinery_is_no_data_set(name, tmp_path):
    with pytest.raises(UserError, match="Unknown data set"):
        data.prepare(name, tmp_path)


def test_listing_and_importing_sources_loads_nothing_heavy():
    code = (
        "import sys, importlib; from pmrl import data; names = data.built_in()\n"
        "[importlib.import_module('pmrl.data.' + name) for name in names]\n"
        "heavy = {'torch', 'transformers', 'rdkit', 'chemicals', 'emoji', 'matplotlib', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in data.built_in() if name != "abide"])
def test_a_missing_package_is_named_with_the_way_out(name, tmp_path, monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(UserError, match=r"package \S+ is missing; install"):
        data.prepare(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", data.built_in())
def test_every_module_behind_a_source_is_part_of_its_recipe(name):
    found = {path.stem for path in data.code_files(name)}
    assert {name, "store", "checks"} <= found


def test_a_comment_changes_no_recipe(tmp_path, monkeypatch):
    for path in data.code_files("digits"):
        (tmp_path / path.name).write_text("# a remark\n" + path.read_text())
    source = data._find("digits", None)
    before = data._recipe(source)
    monkeypatch.setattr(data, "_FOLDER", tmp_path)
    assert data._recipe(source) == before
    changed = tmp_path / "digits.py"
    changed.write_text(changed.read_text().replace("(16, 15)", "(15, 16)"))
    assert data._recipe(source) != before


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=1, max_size=300))
def test_no_group_is_in_two_splits_and_order_does_not_matter(groups):
    splits = split_by_group(groups)
    pairs = set(zip(groups, splits, strict=True))
    assert len(pairs) == len(set(groups))
    backwards = split_by_group(groups[::-1])
    assert set(zip(groups[::-1], backwards, strict=True)) == pairs


def test_splits_have_the_asked_sizes_even_with_a_large_group():
    groups = ["large"] * 200 + [f"group-{number}" for number in range(800)]
    splits = split_by_group(groups, pinned={"large": "pretrain"})
    assert set(splits[:200]) == {"pretrain"}
    sizes = Counter(splits)
    for split, fraction in FRACTIONS.items():
        assert sizes[split] == pytest.approx(1000 * fraction, abs=5)
