"""Write the site of one results folder, or of several side by side.

A page is a module of ``pmrl/reporting/site/pages`` with TITLE and ``build(shown)``, which returns Markdown; for
``shown`` see ``pmrl.reporting.site.shown``.
"""

import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pmrl import discovery
from pmrl.errors import UserError
from pmrl.records import TABLES
from pmrl.reporting.site import build, charts, documentation
from pmrl.reporting.site.shown import Shown

PAGES = (
    *("overview", "leaderboard", "any_modality", "robustness", "convergence", "examples", "methods", "data", "runs"),
    "downloads",
)
COMPARISON = "comparison"


def write_site(folders: Sequence[Path], output: Path, study: Mapping[str, Any], data: Path | None) -> Path:
    """Write the site of results folders to ``output``, whole or not at all.

    Args:
        folders: the results folders; several are shown beside each other, after a page that compares them.
        output: the folder of the site; what an earlier call wrote there is replaced.
        study: the settings of ``pmrl.study.plan.site_settings``; empty where the folders are shown without a config.
        data: the folder of the feature stores; ``data`` in each results folder by default.

    Returns:
        The first page.

    Raises:
        UserError: a folder has no records, ``output`` holds something else than a site, or a page cannot be built.
    """
    for folder in folders:
        if not (Path(folder) / TABLES["records"]).exists():
            raise UserError(
                f"{folder}: no {TABLES['records']} here. Run snakemake or `pmrl collect`, or name another folder."
            )
    _require_site(output)
    with TemporaryDirectory() as work:
        pages, files, site = Path(work, "pages"), Path(work, "files"), Path(work, "site")
        navigation = _results_pages(folders, pages, files, study, data)
        navigation.append({"Documentation": documentation.write(pages / "documentation")})
        shutil.copytree(build.ASSETS, pages / "assets")
        build.run(pages, site, navigation)
        shutil.copytree(files, site, dirs_exist_ok=True)
        (site / "assets" / "vega.js").write_text(charts.runtime(), encoding="utf-8")
        for file in site.rglob("*.map"):  # of the theme's scripts, for those who change them
            file.unlink()
        _replace(site, output)
    return output / "index.html"


def _results_pages(
    folders: Sequence[Path], pages: Path, files: Path, study: Mapping[str, Any], data: Path | None
) -> list[dict[str, Any]]:
    """Write the pages of each folder, of several each into a folder of its own; return their navigation."""
    if len(folders) == 1:
        return _write_pages(Shown(folders[0], pages, files, study, data, str(folders[0])))
    names = [f"study_{letter}" for letter in "abcdefgh"[: len(folders)]]
    every = [
        Shown(folder, pages / name, files / name, {}, data, f"{name[-1].upper()}: {folder}", inside=True)
        for folder, name in zip(folders, names, strict=True)
    ]
    pages.mkdir(parents=True)
    module = import_module(f"pmrl.reporting.site.pages.{COMPARISON}")
    (pages / "index.md").write_text(page(module.TITLE, module.compare(every)), encoding="utf-8")
    entries: list[dict[str, Any]] = [{module.TITLE: "index.md"}]
    for name, shown in zip(names, every, strict=True):
        own = [{title: f"{name}/{page}" for title, page in entry.items()} for entry in _write_pages(shown)]
        entries.append({f"Study {name[-1].upper()}": own})
    return entries


def _write_pages(shown: Shown) -> list[dict[str, Any]]:
    """Write the pages of one results folder and return their navigation."""
    shown.pages.mkdir(parents=True, exist_ok=True)
    entries = []
    for name in [*PAGES, *(name for name in discovery.pages() if name not in (*PAGES, COMPARISON))]:
        module = import_module(f"pmrl.reporting.site.pages.{name}")
        file = "index.md" if name == PAGES[0] else f"{name}.md"
        (shown.pages / file).write_text(
            page(module.TITLE, module.build(shown), alone=not shown.inside), encoding="utf-8"
        )
        entries.append({module.TITLE: file})
    return entries


def page(title: str, text: str, alone: bool = True) -> str:
    """A page of results; one that is ``alone`` in its tab has no navigation at its side, but more width."""
    hidden = "---\nhide:\n  - navigation\n---\n\n" if alone else ""
    return f"{hidden}# {title}\n\n{text}"


def _require_site(output: Path) -> None:
    """Refuse to replace a folder that is not a site."""
    if output.exists() and any(output.iterdir()) and not (output / "assets" / "site.js").exists():
        raise UserError(f"{output}: this folder holds something else than a site. Name another one by --output.")


def _replace(site: Path, output: Path) -> None:
    """Put the built site in the place of an older one."""
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_name(f".{output.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(site, fresh)
    if output.exists():
        shutil.rmtree(output)
    fresh.rename(output)
