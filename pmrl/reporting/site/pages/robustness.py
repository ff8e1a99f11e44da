"""How recall falls as modalities get noisy, are missing, or are mismatched in training."""

import pandas as pd

from pmrl.records import CORRUPTIONS, FOUNDATION, MAIN, MISSING
from pmrl.reporting.measures import CORRUPTION_TITLES, UNITS, corruption_curves, level_in_unit
from pmrl.reporting.site import charts, html
from pmrl.reporting.site.shown import Shown, each
from pmrl.reporting.statistics import summarize

TITLE = "Robustness"
EXPLAINED = (
    "Zero-shot recall@1 of each method as its input gets worse, mean over seeds with its 95 % interval. All methods "
    "get the same draws. A method whose curve is higher is not more robust if it falls as steeply: what it keeps of "
    "its own clean recall stands in the second table."
)


def build(shown: Shown) -> str:
    """A chart per corruption, the recall at each level, and what is kept."""
    return "\n\n".join([EXPLAINED, *each(shown, [curves, levels, kept]), shown.module("noise_robustness").NOTE])


def by_level(shown: Shown) -> pd.DataFrame:
    """Mean, interval and number of seeds per data set, corruption, level in its unit and method (its label)."""
    values = corruption_curves(shown.results)
    keys = ["dataset", "corruption", "method", "level"]
    frame = summarize(values[values["variant"].eq(MAIN) & values["method"].ne(FOUNDATION)], keys)
    parts = [
        frame[frame["corruption"].eq(kind)].assign(level=lambda part, kind=kind: level_in_unit(kind, part["level"]))
        for kind in CORRUPTIONS
    ]
    ordered = pd.concat(parts)
    place = {name: number for number, name in enumerate(shown.results.datasets)}
    ordered = ordered.assign(
        method=[shown.label(name) for name in ordered["method"]], place=ordered["dataset"].map(place)
    )
    return ordered.sort_values(["place", "level"], kind="stable").drop(columns="place")


def curves(shown: Shown) -> str:
    """One chart per corruption, of the data set that is chosen."""
    frame = by_level(shown)
    sections = []
    for kind in _tested(frame):
        part = frame[frame["corruption"].eq(kind)].drop(columns=["corruption", "n"])
        chart = charts.lines(shown, part, ("level", UNITS[kind]), "recall@1 (%)", ["dataset"])
        title = CORRUPTION_TITLES[kind]
        label = f"Recall@1 of each method under: {title}. The numbers stand in the table below."
        where = ",".join(dict.fromkeys(part["dataset"]))
        sections.append(
            f'<section data-shown-for="dataset={where}"><h3 id="{kind}">{title[0].upper()}{title[1:]}</h3>'
            f"{charts.place(shown, f'robustness_{kind}', chart, label)}</section>"
        )
    if not sections:
        return "– No corruption has been tested yet."
    choices = html.choosers({"dataset": _datasets(shown, frame)}, {}, "data-charts")
    return choices + f'<div class="charts">{"".join(sections)}</div>\n'


def levels(shown: Shown) -> str:
    """Recall at each level."""
    frame = by_level(shown)
    top = float(frame["high"].fillna(frame["mean"]).max()) if len(frame) else 1.0
    rows = [
        [
            html.text(row["method"]),
            html.text(shown.results.title(row["dataset"])),
            html.text(CORRUPTION_TITLES[row["corruption"]]),
            html.Cell(f"{row['level']:g} {UNITS[row['corruption']]}", row["level"]),
            html.number(row["mean"]),
            html.Cell(html.interval(row["low"], row["mean"], row["high"], (0.0, top)), row["mean"]),
            html.number(row["n"], 0),
        ]
        for row in frame.to_dict("records")
    ]
    keys = [{key: row[key] for key in ("dataset", "corruption")} for row in frame.to_dict("records")]
    headers = ["method", "data set", "corruption", "level", "recall@1 (%)", "95 % interval", "seeds"]
    filters = {"dataset": _datasets(shown, frame), "corruption": _corruptions(frame)}
    chosen = {"corruption": MISSING}
    return "## Recall at each level\n\n" + html.table("Recall@1 in percent", headers, rows, filters, keys, chosen)


def kept(shown: Shown) -> str:
    """Mean over the levels, share kept, excess over pairwise, and the severest level."""
    module = shown.module("noise_robustness")
    frame = shown.table("noise_robustness")
    rows, keys = [], []
    for (dataset, corruption, method), part in frame.groupby(["dataset", "corruption", "method"], sort=False):
        estimates = part.set_index("quantity").to_dict("index")
        names = [shown.label(method), shown.results.title(dataset), CORRUPTION_TITLES[corruption]]
        rows.append([*map(html.text, names), *(_estimate(estimates[quantity]) for quantity in module.QUANTITIES)])
        keys.append({"dataset": dataset, "corruption": corruption})
    filters = {"dataset": _datasets(shown, frame), "corruption": _corruptions(frame)}
    headers = ["method", "data set", "corruption", *module.QUANTITIES.values()]
    shown_table = html.table("Mean ± half of the 95 % interval over seeds", headers, rows, filters, keys)
    return f"## What is kept\n\n{module.CAPTION}\n\n{shown_table}"


def _estimate(row: dict) -> html.Cell:
    """``35.2 ± 1.3``; a dash where nothing was measured."""
    mean = html.number(row["mean"])
    half = (row["high"] - row["low"]) / 2
    return mean if pd.isna(half) else html.Cell(f"{mean.html} ± {half:.1f}", mean.value)


def _tested(frame: pd.DataFrame) -> list[str]:
    """The corruptions of a table, in their order."""
    return [kind for kind in CORRUPTIONS if (frame["corruption"] == kind).any()]


def _corruptions(frame: pd.DataFrame) -> tuple[str, dict[str, str]]:
    return "corruption", {"": "each", **{kind: CORRUPTION_TITLES[kind] for kind in _tested(frame)}}


def _datasets(shown: Shown, frame: pd.DataFrame) -> tuple[str, dict[str, str]]:
    found = set(frame["dataset"])
    return "data set", {name: shown.results.title(name) for name in shown.results.datasets if name in found}
