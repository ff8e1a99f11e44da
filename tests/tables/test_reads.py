"""What a table or figure declares to read is what it reads: the workflow makes it again when it must, and only then."""

import importlib

import pytest

from pmrl import discovery
from pmrl.discovery import ROOT
from pmrl.errors import UserError
from pmrl.records import METHODS, STORES, TABLES
from pmrl.reporting import style
from pmrl.reporting.results import Results

STUDY = {"datasets": ["digits", "emoji"]}


# Read where something was trained from scratch, and where hyper-parameters were searched.
SOMETIMES = {"from_scratch": {METHODS}, "tuning": {METHODS}, "tuning_criteria": {METHODS}}


def declared(kind, name):
    return {part for part in discovery.reads(kind, name) if "/" not in part}


@pytest.mark.parametrize("name", discovery.tables())
def test_a_table_reads_what_it_declares(name, results):
    module, source = importlib.import_module(f"pmrl.tables.{name}"), Results(results, STUDY)
    module.show(module.build(source), source)
    assert declared("table", name) - SOMETIMES.get(name, set()) <= source.used <= declared("table", name)


@pytest.mark.parametrize("name", discovery.figures())
def test_a_figure_reads_what_it_declares(name, results):
    source = Results(results, STUDY)
    with style.applied():
        importlib.import_module(f"pmrl.figures.{name}").draw(source)
    assert declared("figure", name) - SOMETIMES.get(name, set()) <= source.used <= declared("figure", name)


def test_what_is_not_declared_is_refused(results):
    source = Results(results, STUDY, reads=("records",))
    assert len(source.records)
    for name in ("ranks", METHODS):
        with pytest.raises(UserError, match=f"{name!r} is read but not declared"):
            getattr(source, name)


@pytest.mark.parametrize("kind", ["table", "figure"])
def test_everything_declared_exists(kind):
    for name in {"table": discovery.tables, "figure": discovery.figures}[kind]():
        for part in discovery.reads(kind, name):
            assert part in {*TABLES, METHODS, STORES} or (ROOT / part).is_file(), (name, part)
