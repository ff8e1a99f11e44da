"""Writing a table three times: tidy numbers as CSV, the laid-out table as Markdown and as LaTeX (booktabs).

The laid-out table is a DataFrame of texts in which ``**…**`` is bold and ``<u>…</u>`` is underlined. Its first
``attrs["groups"]`` columns (by default one) name groups of rows and are printed once per group; columns named
``group: column`` stand under a common head; ``attrs["notes"]`` are sentences printed under the table.
"""

import re
from itertools import groupby
from pathlib import Path

import pandas as pd

from pmrl.files import replacing

MISSING = "–"
PAGE = 60  # rows of a LaTeX table, from which it continues on another page
ESCAPES = {
    "\\": r"\textbackslash{}",
    **{sign: rf"\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "–": "--",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "†": r"$\dagger$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "√": r"$\surd$",
    "−": "$-$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
    "₁": "$_1$",
    "₂": "$_2$",
    "…": r"\ldots{}",
    "α": r"$\alpha$",
    "Δ": r"$\Delta$",
}
MARKED = re.compile(r"\*\*(.+?)\*\*|<u>(.+?)</u>")


def write(stem: Path, title: str, caption: str, frame: pd.DataFrame, shown: pd.DataFrame) -> list[Path]:
    """Write ``<stem>.csv`` from ``frame``, ``<stem>.md`` and ``<stem>.tex`` from ``shown``.

    Returns the three paths.
    """
    notes = shown.attrs.get("notes", [])
    texts = {
        ".csv": frame.to_csv(index=False, float_format="%.6g", na_rep=""),
        ".md": markdown(title, caption, shown, notes),
        ".tex": latex(stem.name, title, caption, shown, notes),
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
    rows = [list(shown.columns), *_grouped(shown)]
    rows = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(shown.shape[1])]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    body = "\n".join([lines[0], rule, *lines[1:]])
    ends = "".join(f"\n- {note}" for note in notes)
    return f"**{title}.** {caption}\n\n{body}\n" + (f"{ends}\n" if notes else "")


def latex(name: str, title: str, caption: str, shown: pd.DataFrame, notes: list[str]) -> str:
    r"""The table as one ``table*`` or several, if it is longer than a page; needs booktabs and graphicx."""
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
    """One ``table*``, made smaller where it is wider than the text."""
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
    """The header's lines: neighbouring columns named ``group: column`` stand under a common head."""
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
    """LaTeX for a text: special signs escaped, bold and underlined marks translated."""

    def plain(part: str) -> str:
        return "".join(ESCAPES.get(sign, sign) for sign in part)

    pieces, end = [], 0
    text = str(text)
    for match in MARKED.finditer(text):
        pieces.append(plain(text[end : match.start()]))
        bold, underlined = match.groups()
        pieces.append(rf"\textbf{{{plain(bold)}}}" if bold else rf"\underline{{{plain(underlined)}}}")
        end = match.end()
    return "".join([*pieces, plain(text[end:])])


def _grouped(shown: pd.DataFrame) -> list[list[str]]:
    """Rows as lists; the first ``groups`` columns (by default one) are printed only where they change."""
    rows = shown.astype(str).to_numpy().tolist()
    groups = shown.attrs.get("groups", 1)
    kept, previous = [], None
    for row in rows:
        same = [previous is not None and row[: i + 1] == previous[: i + 1] for i in range(groups)]
        kept.append(["" if i < groups and same[i] else cell for i, cell in enumerate(row)])
        previous = row
    return kept
