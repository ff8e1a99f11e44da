"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from pmrl.records import CORRUPTIONS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"].values()
RANGES = [Requirement(line) for part in (PROJECT["dependencies"], *EXTRAS) for line in part]
LOCKED = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines() if line[0] != "#"]


def test_the_lock_is_exact():
    for pin in LOCKED:
        assert re.fullmatch(r"==[0-9][A-Za-z0-9.]*", str(pin.specifier)), pin


def test_the_lock_has_a_version_of_every_dependency_within_its_range():
    locked = {pin.name.lower(): str(pin.specifier).removeprefix("==") for pin in LOCKED}
    for wanted in RANGES:
        assert wanted.name.lower() in locked, f"{wanted.name}: run `make lock`"
        assert wanted.specifier.contains(locked[wanted.name.lower()]), f"{wanted}: run `make lock`"


def test_what_the_kernels_need_is_no_exact_version():
    for line in PROJECT["dependencies"]:
        assert "==" not in line, line


def test_conda_users_get_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-r requirements.lock", "--editable ."]


def test_links_of_the_documentation_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "baselines" / "README.md"]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_corruption_is_discussed_on_the_page_of_who_gains_and_says_how_it_is_drawn():
    page = (ROOT / "docs" / "who_gains.md").read_text(encoding="utf-8")
    discussed, drawn = page.split("## How the corruptions are drawn")
    for kind in CORRUPTIONS:
        assert re.search(rf"^\|[^|]*`{kind}`", discussed, re.MULTILINE), kind
        assert re.search(rf"^\| `{kind}` \|", drawn, re.MULTILINE), kind


def test_every_method_stands_in_the_readme_of_the_baselines():
    from pmrl.discovery import method_files

    readme = (ROOT / "baselines" / "README.md").read_text()
    for name, path in method_files().items():
        assert path.name in readme, name
