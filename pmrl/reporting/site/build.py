"""From a folder of Markdown pages to the site: mkdocs with the theme Material, nothing fetched from the network."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from mkdocs.commands.build import build as mkdocs_build
from mkdocs.config import load_config
from mkdocs.exceptions import MkDocsException

from pmrl.discovery import ROOT
from pmrl.errors import UserError

ASSETS = Path(__file__).parent / "assets"
SCHEMES = (
    {"media": "(prefers-color-scheme: light)", "scheme": "default", "name": "dark"},
    {"media": "(prefers-color-scheme: dark)", "scheme": "slate", "name": "light"},
)
PALETTE = [
    {
        **{key: scheme[key] for key in ("media", "scheme")},
        **{"primary": "custom", "accent": "custom"},
        "toggle": {"icon": "material/brightness-6", "name": f"Change to {scheme['name']}"},
    }
    for scheme in SCHEMES
]
DOCSTRINGS = {
    **{"docstring_style": "google", "show_source": False, "show_root_heading": False, "show_root_toc_entry": False},
    **{"show_submodules": True, "show_if_no_docstring": False, "heading_level": 2, "members_order": "source"},
    **{"show_signature_annotations": True, "annotations_path": "brief", "filters": ["!^_"]},
    **{"show_symbol_type_heading": True, "docstring_section_style": "list", "extensions": []},
    "docstring_options": {"returns_multiple_items": False, "returns_named_value": False},
}


def settings(pages: Path, output: Path, navigation: Sequence[Any]) -> dict[str, Any]:
    """The settings of mkdocs."""
    return {
        "site_name": "PMRL benchmark",
        "docs_dir": str(pages),
        "site_dir": str(output),
        "use_directory_urls": False,
        "nav": list(navigation),
        "strict": True,
        "theme": {
            **{"name": "material", "font": False, "palette": PALETTE, "icon": {"logo": "material/vector-triangle"}},
            "features": ["navigation.tabs", "navigation.top", "navigation.indexes", "toc.follow", "content.code.copy"],
        },
        "plugins": [
            "search",
            "offline",
            {"mkdocstrings": {"handlers": {"python": {"paths": [str(ROOT)], "options": DOCSTRINGS}}}},
        ],
        "markdown_extensions": [
            *("tables", "admonition", "attr_list", "md_in_html", "pymdownx.superfences", "pymdownx.details"),
            {"toc": {"permalink": True, "toc_depth": 3}},
        ],
        "extra_css": ["assets/site.css"],
        "extra_javascript": ["assets/site.js"],
        "extra": {"generator": False, "polyfills": ["assets/iframe-worker.js"]},
    }


def run(pages: Path, output: Path, navigation: Sequence[Any]) -> None:
    """Build ``output`` from the Markdown ``pages``.

    Raises:
        UserError: a page is wrong or a link leads nowhere.
    """
    file = pages.parent / "mkdocs.yml"
    with _errors_only() as problems:
        try:
            file.write_text(yaml.safe_dump(settings(pages, output, navigation)), encoding="utf-8")
            mkdocs_build(load_config(str(file)))
        except MkDocsException as error:
            raise UserError(f"{output}: the site could not be built: {'; '.join(problems) or error}") from error


@contextmanager
def _errors_only() -> Iterator[list[str]]:
    """Keep mkdocs quiet; yields the list of its warnings, which end the build."""
    problems: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            problems.append(record.getMessage())

    logger, keeper = logging.getLogger("mkdocs"), Keeper(logging.WARNING)
    logger.addHandler(keeper)
    logger.propagate = False
    try:
        yield problems
    finally:
        logger.removeHandler(keeper)
        logger.propagate = True
