"""The methods: what each one's loss and score are, where they come from, what they cost, and where they win."""

import ast
import re
from collections.abc import Iterator
from html import escape

import pandas as pd

from pmrl.discovery import ROOT, method_files
from pmrl.errors import UserError
from pmrl.records import MAIN, REGIMES
from pmrl.reporting.site import html
from pmrl.reporting.site.shown import Shown, each

TITLE = "Methods"
CODE = re.compile(r"(?::\w+:)?``?([^`]+)``?")
FORMULAS = {"loss": "Loss", "score": "Score"}


def build(shown: Shown) -> str:
    """One section per method, then what all of them cost."""
    return "\n\n".join([*(section(shown, name) for name in shown.methods), *each(shown, [costs])])


def section(shown: Shown, name: str) -> str:
    """A method's text, loss and score, hyper-parameters and places."""
    about = shown.results.methods[name]
    title = f"## {shown.label(name)} {{ #{name} }}\n\n*{escape(about['reference'])}*"
    files = method_files()
    if name not in files:
        return f"{title}\n\n– The file of this method is not in this checkout, so its formulas are unknown here."
    tree = ast.parse(files[name].read_text(encoding="utf-8"))
    text = prose(ast.get_docstring(tree))
    parts = [title, text, formulas(tree), hyperparameters(shown, name)]
    parts += each(shown, [lambda shown: wins(shown, name)])
    source = files[name].relative_to(ROOT).as_posix()
    return "\n\n".join([*parts, f"Source: `{source}`. Variants: {variants(shown, name)}."])


def formulas(tree: ast.Module) -> str:
    """What the method's class says of itself, of its loss and of its score."""
    classes = {node.name: ast.get_docstring(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    said = {node.name: ast.get_docstring(node) for node in _methods(tree)}
    lines = [f"<dt>{title}</dt><dd>{prose(said[name])}</dd>" for name, title in FORMULAS.items() if said.get(name)]
    lines.insert(0, f"<dt>Idea</dt><dd>{prose([*classes.values()][-1])}</dd>")
    return (
        f"<dl>{''.join(lines)}</dl>\n" if lines else "– Its loss and score are those of the method that it builds on."
    )


def prose(docstring: str | None) -> str:
    """A docstring as HTML: its paragraphs, and names of code as code."""
    marked = CODE.sub(r"<code>\1</code>", escape(docstring or ""))
    return "".join(f"<p>{' '.join(part.split())}</p>" for part in marked.split("\n\n")) + "\n"


def _methods(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions of the file's classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (part for part in node.body if isinstance(part, ast.FunctionDef))


def hyperparameters(shown: Shown, name: str) -> str:
    """The hyper-parameters that the study's runs set, by data set, and the size of the networks."""
    own = [run.about for run in shown.runs if run.folder.split("/")[1:3] == [name, MAIN]]
    rows: dict[str, list[tuple[str, int, float]]] = {}
    for about in own:
        settings = about["origin"]["settings"]["hyperparameters"]
        values = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in settings.items()) or "the defaults"
        sizes = sum(about.get("parameters", {}).values())
        seconds = sum(about.get("training_seconds", {}).values())
        rows.setdefault(about["dataset"], []).append((values, sizes, seconds))
    lines = [
        [
            html.text(shown.results.title(dataset)),
            html.text(found[0][0]),
            html.number(found[0][1], 0),
            html.number(sum(seconds for *_, seconds in found) / len(found)),
        ]
        for dataset, found in rows.items()
    ]
    headers = ["data set", "set by tuning; the rest are defaults", "parameters", "training (s a run)"]
    return (
        html.table(f"Settings and cost of {shown.label(name)}", headers, lines) if lines else "– No run has finished."
    )


def wins(shown: Shown, name: str) -> str:
    """The cells of the leaderboard in which no method is significantly above this one, and those that it leads."""
    frame = shown.table("leaderboard")
    cells = frame[frame["dataset"].ne("all") & frame["mean"].notna()]
    own = cells[cells["method"].eq(name)]
    tasks = shown.module("leaderboard").TASKS
    first, tied = own[own["rank"].eq(1)], own[own["group"].eq(1)]
    where = "; ".join(
        f"{row.dataset}, {REGIMES.get(row.regime, row.regime)}, {tasks[row.task]}" for row in first.itertuples()
    )
    return (
        f"Where it wins: it leads {len(first)} of {len(own)} cells of the [leaderboard](leaderboard.md)"
        f"{f' ({where})' if where else ''} and is in the first group of ties in {len(tied)}."
    )


def variants(shown: Shown, name: str) -> str:
    """Names of a method's variants."""
    others = [variant.replace("_", " ") for method, variant in shown.results.contestants() if method == name][1:]
    return ", ".join(others) or "none"


def costs(shown: Shown) -> str:
    """Parameters, time and memory of all methods."""
    frame, module = shown.table("cost"), shown.module("cost")
    if frame.empty:
        raise UserError("This study measures no costs.")
    rows = [
        [
            html.text(shown.label(row["method"])),
            html.number(row["modalities"], 0),
            *(
                html.Cell("–" if pd.isna(row[key]) else f"{row[key]:{form}}", row[key])
                for key, (_, form) in module.HEADERS.items()
            ),
        ]
        for row in frame.to_dict("records")
    ]
    counts = {str(number): str(number) for number in sorted(frame["modalities"].unique())}
    return f"## Cost\n\n{module.CAPTION}\n\n" + html.table(
        "Cost by number of modalities",
        ["method", "modalities", *(title for title, _ in module.HEADERS.values())],
        rows,
        {"modalities": ("modalities", {"": "each", **counts})},
        [{"modalities": str(value)} for value in frame["modalities"]],
    )
