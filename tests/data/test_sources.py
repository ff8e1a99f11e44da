"""What holds for every source, and for the way sources are found."""

import shutil
import subprocess
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmrl import discovery, provenance
from pmrl.data import registry
from pmrl.data.splits import FRACTIONS, split_by_group
from pmrl.errors import UserError


def test_an_unknown_name_lists_the_valid_ones(tmp_path):
    with pytest.raises(UserError, match=r"'emojis'.*digits, emoji"):
        registry.prepare("emojis", tmp_path)


@pytest.mark.parametrize("name", ["store", "encoders", "__init__", "../digits"])
def test_machinery_is_no_data_set(name, tmp_path):
    with pytest.raises(UserError, match="Unknown data set"):
        registry.prepare(name, tmp_path)


def test_listing_and_importing_sources_loads_nothing_heavy():
    code = (
        "import sys, importlib; from pmrl import discovery; from pmrl.data import registry\n"
        "names = discovery.built_in_data_sets()\n"
        "[importlib.import_module('pmrl.data.sources.' + name) for name in names]\n"
        "heavy = {'torch', 'transformers', 'rdkit', 'chemicals', 'emoji', 'matplotlib', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in discovery.built_in_data_sets() if name != "abide"])
def test_a_missing_package_is_named_with_the_way_out(name, tmp_path, monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(UserError, match=r"package \S+ is missing; install"):
        registry.prepare(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", discovery.built_in_data_sets())
def test_every_module_behind_a_source_is_part_of_its_recipe(name, monkeypatch):
    asked = []
    monkeypatch.setattr(provenance, "code", lambda *files: asked.extend(files) or "digest")
    assert registry.code(name) == "digest"
    assert {name, "store", "checks", "dataset"} <= {path.stem for path in provenance.sources(*asked)}


def test_a_comment_changes_no_recipe(tmp_path, monkeypatch):
    copy = Path(shutil.copytree(discovery.ROOT / "pmrl", tmp_path / "pmrl")).parent
    for module in (registry, provenance):
        monkeypatch.setattr(module, "ROOT", copy)
    before = registry.code("digits")
    changed = copy / "pmrl" / "data" / "sources" / "digits.py"
    changed.write_text("# a remark\n" + changed.read_text())
    assert registry.code("digits") == before
    changed.write_text(changed.read_text().replace("(16, 15)", "(15, 16)"))
    assert registry.code("digits") != before


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
