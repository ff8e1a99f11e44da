"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = [*PROJECT["dependencies"], *(pin for extra in PROJECT["optional-dependencies"].values() for pin in extra)]


def test_conda_users_get_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert sorted(line for line in pip if not line.startswith("-")) == sorted(PINS)


def test_every_dependency_is_pinned_exactly():
    for pin in PINS:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", pin), pin


def test_the_makefile_installs_the_torch_that_is_pinned():
    (pin,) = [pin for pin in PINS if pin.startswith("torch==")]
    assert pin in (ROOT / "Makefile").read_text()


def test_baselines_are_never_imported_by_the_package():
    for path in (ROOT / "pmrl").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) baselines", path.read_text(), re.MULTILINE), path


def test_tables_and_figures_never_import_torch():
    for folder in ("tables", "figures"):
        for path in (ROOT / "pmrl" / folder).rglob("*.py"):
            assert not re.search(r"^\s*(from|import) torch", path.read_text(), re.MULTILINE), path


def test_links_of_the_documentation_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "baselines" / "README.md"]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_method_stands_in_the_readme_of_the_baselines():
    from pmrl.discovery import method_files

    readme = (ROOT / "baselines" / "README.md").read_text()
    for name, path in method_files().items():
        assert path.name in readme, name
