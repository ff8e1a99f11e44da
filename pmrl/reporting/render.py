"""Write a table: tidy numbers as CSV, the laid-out table as Markdown, LaTeX (booktabs) and HTML (for the report).

The laid-out table is a DataFrame of texts in which ``**…**`` is bold and ``<u>…</u>`` is underlined. Its first
``attrs["groups"]`` columns (one by default) name groups of rows and are printed once per group; columns named
``group: column`` share a header in LaTeX; ``attrs["notes"]`` are sentences printed below the table.
"""

import re
from html import escape as escape_html
from itertools import groupby
from pathlib import Path

import pandas as pd
from pylatexenc.latexencode import RULE_DICT, UnicodeToLatexConversionRule, UnicodeToLatexEncoder

from pmrl.files import replacing

MISSING = "–"
PAGE = 60  # rows per page of a LaTeX table
ENCODER = UnicodeToLatexEncoder(
    conversion_rules=[UnicodeToLatexConversionRule(RULE_DICT, {ord("√"): r"\ensuremath{\surd}"}), "defaults"],
    unknown_char_policy="keep",
    unknown_char_warning=False,
)
MARKED = re.compile(r"\*\*(.+?)\*\*|<u>(.+?)</u>")


def write(stem: Path, title: str, caption: str, frame: pd.DataFrame, shown: pd.DataFrame) -> list[Path]:
    """Write ``<stem>.csv`` from ``frame``; ``<stem>.md``, ``<stem>.tex`` and ``<stem>.html`` from ``shown``.

    Returns the four paths.
    """
    notes = shown.attrs.get("notes", [])
    texts = {
        ".csv": frame.to_csv(index=False, float_format="%.6g", na_rep=""),
        ".md": markdown(title, caption, shown, notes),
        ".tex": latex(stem.name, title, caption, shown, notes),
        ".html": html(title, caption, shown, notes),
    }
    paths = []
    for suffix, text in texts.items():
        path = stem.with_name(stem.name + suffix)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def markdown(title: str, caption: str, shown: pd.DataFrame, notes: list[str]) -> str:
    """The table as a Markdown pipe table with its caption above and its notes below."""
    cells = pd.DataFrame(_grouped(shown), columns=list(shown.columns)).replace(r"\|", r"\\|", regex=True)
    body = cells.to_markdown(index=False, tablefmt="pipe", disable_numparse=True, missingval="")
    ends = "".join(f"\n- {note}" for note in notes)
    return f"**{title}.** {caption}\n\n{body}\n" + (f"{ends}\n" if notes else "")


STYLE = (
    "body{font:14px sans-serif;margin:1.5em}table{border-collapse:collapse;margin:1em 0}"
    "caption{text-align:left;max-width:60em;padding-bottom:.6em}thead th{border-bottom:1px solid}"
    "table{border-top:2px solid;border-bottom:2px solid}td,th{padding:.2em .7em;text-align:left;white-space:nowrap}"
    "tr.group td{border-top:1px solid #bbb}li{max-width:60em}"
)


def html(title: str, caption: str, shown: pd.DataFrame, notes: list[str]) -> str:
    """The table as a page of its own, with its caption above and its notes below."""

    def cells(row: list[str], tag: str) -> str:
        return "".join(f"<{tag}>{marked_html(cell)}</{tag}>" for cell in row)

    rows = [f"<tr{' class=group' if row[0] else ''}>{cells(row, 'td')}</tr>" for row in _grouped(shown)]
    head = f"<tr>{cells(list(shown.columns), 'th')}</tr>"
    below = "".join(f"<li>{escape_html(note)}</li>" for note in notes)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape_html(title)}</title>'
        f"<style>{STYLE}</style><table><caption><b>{escape_html(title)}.</b> {escape_html(caption)}</caption>"
        f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody></table><ul>{below}</ul></html>\n"
    )


def marked_html(text: str) -> str:
    """HTML for a cell: special characters escaped, marks of bold and underlined text translated."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape_html(str(text)))
    return bold.replace("&lt;u&gt;", "<u>").replace("&lt;/u&gt;", "</u>")


def latex(name: str, title: str, caption: str, shown: pd.DataFrame, notes: list[str]) -> str:
    r"""The table as one ``table*``, or several if it is longer than a page; needs booktabs and graphicx."""
    pages: list[list[list[str]]] = [[]]
    for _, rows in groupby(zip(shown.iloc[:, 0], _grouped(shown), strict=True), key=lambda pair: pair[0]):
        group = [row for _, row in rows]
        if pages[-1] and len(pages[-1]) + len(group) > PAGE:
            pages.append([])
        pages[-1] += group
    head = rf"\caption{{\textbf{{{escape(title)}.}} {escape(caption)}}}\label{{tab:{name}}}"
    again = rf"\textbf{{{escape(title)}}}, continued from Table~\ref{{tab:{name}}}.\par\smallskip"
    heads = [head] + [again] * (len(pages) - 1)
    below = rf"\par\smallskip\raggedright\footnotesize {' '.join(escape(note) for note in notes)}"
    feet = [""] * (len(pages) - 1) + [below if notes else ""]
    return "\n".join(_float(*page, shown) for page in zip(heads, pages, feet, strict=True))


def _float(head: str, rows: list[list[str]], foot: str, shown: pd.DataFrame) -> str:
    """One ``table*``, scaled down if it is wider than the text."""
    lines = []
    for i, row in enumerate(rows):
        if i and row[0]:
            lines.append(r"\midrule")
        elif i and shown.attrs.get("groups", 1) > 1 and row[1]:
            lines.append(r"\addlinespace")
        lines.append(" & ".join(escape(cell) for cell in row) + r" \\")
    parts = [
        r"\begin{table*}",
        r"\centering",
        head,
        r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{'l' * shown.shape[1]}}}",
        r"\toprule",
        *_header(list(shown.columns)),
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}}",
        foot,
        r"\end{table*}",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _header(columns: list[str]) -> list[str]:
    """The header's lines: neighbouring columns named ``group: column`` share a header."""
    parts = [column.rpartition(": ") for column in columns]
    names = " & ".join(rf"\textbf{{{escape(name)}}}" for _, _, name in parts) + r" \\"
    if not any(group for group, *_ in parts):
        return [names]
    heads, rules, start = [], [], 1
    for group, members in groupby(group for group, *_ in parts):
        width = len(list(members))
        heads.append(rf"\multicolumn{{{width}}}{{c}}{{\textbf{{{escape(group)}}}}}" if group else "& " * (width - 1))
        rules += [rf"\cmidrule(lr){{{start}-{start + width - 1}}}"] if group else []
        start += width
    return [" & ".join(heads) + r" \\", "".join(rules), names]


def escape(text: str) -> str:
    """LaTeX for a text: special characters escaped, marks of bold and underlined text translated."""
    forms = ("{}", r"\textbf{{{}}}", r"\underline{{{}}}")  # MARKED splits a text into plain, bold, underlined, plain, …
    parts = [ENCODER.unicode_to_latex(part or "") for part in MARKED.split(str(text))]
    return "".join(forms[i % 3].format(part) for i, part in enumerate(parts) if part)


def _grouped(shown: pd.DataFrame) -> list[list[str]]:
    """Rows as lists; the first ``groups`` columns (by default one) are printed only where they change."""
    rows = shown.astype(str).to_numpy().tolist()
    groups = shown.attrs.get("groups", 1)
    printed, previous = [], None
    for row in rows:
        same = [previous is not None and row[: i + 1] == previous[: i + 1] for i in range(groups)]
        printed.append(["" if i < groups and same[i] else cell for i, cell in enumerate(row)])
        previous = row
    return printed
