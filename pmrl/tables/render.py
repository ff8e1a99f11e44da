"""Writing a table three times: tidy numbers as CSV, the laid-out table as Markdown and as LaTeX (booktabs).

The laid-out table is a DataFrame of texts in which ``**…**`` is bold and ``<u>…</u>`` is underlined. Rows
that repeat the first column's text belong together: it is printed once, with a rule between groups in LaTeX.
"""

import re
from pathlib import Path

import pandas as pd

from pmrl.files import replacing

MISSING = "–"
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

    ``shown.attrs["notes"]``, a list of sentences, is printed under the table.
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
    r"""The table as a ``table*`` that needs ``\usepackage{booktabs,graphicx}``, scaled to the text width."""
    header = " & ".join(rf"\textbf{{{escape(column)}}}" for column in shown.columns)
    lines = []
    for i, row in enumerate(_grouped(shown)):
        if i and row[0]:
            lines.append(r"\midrule")
        lines.append(" & ".join(escape(cell) for cell in row) + r" \\")
    below = " ".join(escape(note) for note in notes)
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{\textbf{{{escape(title)}.}} {escape(caption)}}}",
            rf"\label{{tab:{name}}}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{{'l' * shown.shape[1]}}}",
            r"\toprule",
            rf"{header} \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            *([rf"\par\smallskip\footnotesize {below}"] if notes else []),
            r"\end{table*}",
            "",
        ]
    )


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
    """Rows as lists, the first column's text only where it changes."""
    rows = shown.astype(str).to_numpy().tolist()
    firsts = [row[0] for row in rows]
    return [["" if i and firsts[i - 1] == row[0] else row[0], *row[1:]] for i, row in enumerate(rows)]
