"""The guides of docs/ and the API reference, as pages of the site."""

import re
import shutil
from pathlib import Path
from typing import Any

from pmrl.discovery import ROOT, plug_ins

# Guides in the order of the navigation; further ones in docs/ follow.
GUIDES = ("README.md", "docs/writing_it_up.md", "docs/verdicts.md", "config/README.md")
LAST = ("CONTRIBUTING.md", "CHANGELOG.md")
FILES = ("CITATION.cff", "LICENSE")  # that guides link to
TITLES = {"README.md": "Read me first", "config/README.md": "Config"}
MARKS = re.compile(r"<!--.*?-->", re.DOTALL)
REFERENCE = "reference"
PACKAGE = "pmrl"


def write(folder: Path) -> list[Any]:
    """Write all guides and the reference below ``folder``, in the places that their links expect.

    Returns:
        Their navigation.
    """
    others = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
    names = [name for name in dict.fromkeys([*GUIDES, *others, *LAST]) if (ROOT / name).exists()]
    for name in names:
        page = folder / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(MARKS.sub("", (ROOT / name).read_text(encoding="utf-8")), encoding="utf-8")
    for name in FILES:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    if (ROOT / "docs" / "figures").exists():
        shutil.copytree(ROOT / "docs" / "figures", folder / "docs" / "figures")
    guides = [{_title(name): f"{folder.name}/{name}"} for name in names]
    return [{"Guides": guides}, {"API reference": _reference(folder)}]


def _title(name: str) -> str:
    """The navigation's name of a guide: ``docs/adding_a_figure.md`` is "Adding a figure"."""
    return TITLES.get(name, Path(name).stem.replace("_", " ").capitalize())


def _reference(folder: Path) -> list[dict[str, str]]:
    """One page for each room of the package, made from the docstrings."""
    top = [f"{PACKAGE}.{name}" for name in plug_ins(ROOT / PACKAGE)]
    rooms = [path.name for path in sorted((ROOT / PACKAGE).iterdir()) if (path / "__init__.py").exists()]
    pages = {PACKAGE: top, **{f"{PACKAGE}.{name}": [f"{PACKAGE}.{name}"] for name in rooms}, "baselines": ["baselines"]}
    (folder / REFERENCE).mkdir(parents=True)
    for title, modules in pages.items():
        parts = "\n\n".join(f"::: {module}" for module in modules)
        # Names of functions would fill the index of the search, which is loaded with every page.
        text = f"---\nsearch:\n  exclude: true\n---\n\n# {title}\n\n{parts}\n"
        (folder / REFERENCE / f"{title}.md").write_text(text, encoding="utf-8")
    return [{title: f"{folder.name}/{REFERENCE}/{title}.md"} for title in pages]
