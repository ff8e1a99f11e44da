"""Every table and figure of the study, to look at and to take along."""

from html import escape

from pmrl.discovery import ROOT
from pmrl.reporting.site import html
from pmrl.reporting.site.shown import Shown

TITLE = "Downloads"
EXPLAINED = (
    "Tables as CSV (the numbers), LaTeX (booktabs), Markdown and HTML (the layout), and figures as PDF and PNG, as "
    "the study wrote them. `pmrl table NAME --format latex` and `pmrl figure NAME --width column` make one for a "
    "paper; [Writing it up](documentation/docs/writing_it_up.md) says which table answers which question."
)
TABLE_FORMATS = {"csv": "CSV", "tex": "LaTeX", "md": "Markdown", "html": "HTML"}
FIGURE_FORMATS = {"pdf": "PDF", "png": "PNG"}


def build(shown: Shown) -> str:
    """A list of tables, then the figures with their captions."""
    return "\n\n".join(
        [EXPLAINED.replace("(documentation/", f"({up(shown)}documentation/"), tables(shown), figures(shown)]
    )


def up(shown: Shown) -> str:
    """The way from the study's pages to the site's first folder."""
    return "../" if shown.inside else ""


def tables(shown: Shown) -> str:
    """One row per table: its title, what it shows, and its files."""
    rows = []
    for path in sorted((shown.folder / "tables").glob("*.csv")):
        files = links(shown, "tables", path.stem, TABLE_FORMATS)
        module = ROOT / "pmrl" / "tables" / path.name.replace(".csv", ".py")
        title, caption = path.stem, ""
        if module.exists():
            table = shown.module(path.stem)
            title, caption = table.TITLE, table.CAPTION
        rows.append([html.Cell(f"<b>{escape(title)}</b><br>{escape(caption)}", title), html.Cell(files, path.stem)])
    return "## Tables\n\n" + (
        html.table("Tables", ["table", "files"], rows) if rows else "– No table has been written yet."
    )


def figures(shown: Shown) -> str:
    """Each figure with its files."""
    parts = []
    for path in sorted((shown.folder / "figures").glob("*.png")):
        title = path.stem.replace("_", " ").capitalize()
        files = links(shown, "figures", path.stem, FIGURE_FORMATS)
        alternative = escape(caption(path.stem)) or title
        parts.append(
            f'<figure class="still"><img loading="lazy" src="downloads/{path.name}" alt="{alternative}">'
            f"<figcaption><b>{title}</b> {files}<br>{alternative}</figcaption></figure>\n"
        )
    return "## Figures\n\n" + ("\n".join(parts) or "– No figure has been drawn yet.")


def links(shown: Shown, folder: str, name: str, formats: dict[str, str]) -> str:
    """Copies the files of a table or figure beside the page; links to them."""
    found = []
    for ending, title in formats.items():
        path = shown.folder / folder / f"{name}.{ending}"
        if path.exists():
            found.append(html.link(shown.write(f"downloads/{path.name}", path.read_bytes()), title))
    return " ".join(found)


def caption(name: str) -> str:
    """The first paragraph of a figure's caption in the report, as plain text."""
    path = ROOT / "workflow" / "report" / f"{name}.rst"
    if not path.exists():
        return ""
    first = path.read_text(encoding="utf-8").strip().split("\n\n")[0]
    return " ".join(first.replace("``", "").replace("**", "").split())
