"""How recall falls as modalities get noisy, are missing, or are mismatched in training."""

from pmrl.records import CORRUPTIONS, MAIN
from pmrl.reporting.measures import CORRUPTION_TITLES, UNITS, corruption_curves, level_in_unit
from pmrl.reporting.site import charts, html
from pmrl.reporting.site.shown import Shown, each
from pmrl.reporting.statistics import summarize
from pmrl.tables.noise_robustness import CAPTION, NOTE, QUANTITIES

TITLE = "Robustness"


def build(shown: Shown) -> str:
    """A chart per corruption, and the areas under the curves as a table."""
    return "\n\n".join([CAPTION, *each(shown, [curves, table]), NOTE])


def curves(shown: Shown) -> str:
    """One chart per corruption, of the data set that is chosen."""
    values = corruption_curves(shown.results)
    values = values[values["variant"].eq(MAIN)]
    frame = summarize(values, ["dataset", "corruption", "method", "level"]).sort_values("level")
    frame = frame.assign(method=[shown.label(name) for name in frame["method"]])
    parts, datasets = [], [name for name in shown.results.datasets if name in set(frame["dataset"])]
    for kind in (kind for kind in CORRUPTIONS if (frame["corruption"] == kind).any()):
        part = frame[frame["corruption"].eq(kind)].assign(level=lambda x, kind=kind: level_in_unit(kind, x["level"]))
        part = part.assign(order=part["dataset"].map(datasets.index)).sort_values(["order", "level"]).drop(columns="order")
        chart = charts.lines(shown, part.drop(columns=["corruption", "n"]), ("level", UNITS[kind]), "recall@1 (%)", ["dataset"])
        title = CORRUPTION_TITLES[kind]
        label = f"Recall@1 of each method under: {title}. The numbers stand in the table below."
        where = ",".join(dict.fromkeys(part["dataset"]))
        parts.append(
            f'<section data-shown-for="dataset={where}"><h3 id="{kind}">{title}</h3>'
            f"{charts.place(shown, f'robustness_{kind}', chart, label)}</section>"
        )
    if not parts:
        return "– No corruption has been tested yet."
    filters = {"dataset": ("data set", {name: shown.results.title(name) for name in datasets})}
    return html.choosers(filters, {}, "data-charts") + f'<div class="charts">{"".join(parts)}</div>\n'


def table(shown: Shown) -> str:
    """Mean over the levels, share kept, excess over pairwise, and the severest level."""
    frame = shown.table("noise_robustness")
    rows, keys = [], []
    for (dataset, corruption, method), part in frame.groupby(["dataset", "corruption", "method"], sort=False):
        cells = part.set_index("quantity")
        numbers = []
        for quantity in QUANTITIES:
            row = cells.loc[quantity]
            shown_number = html.number(row["mean"], reason="not measured" if quantity == "area" else "")
            half = (row["high"] - row["low"]) / 2
            numbers.append(html.Cell(f"{shown_number.html} ± {half:.1f}" if half == half else shown_number.html, shown_number.value))
        names = [shown.label(method), shown.results.title(dataset), CORRUPTION_TITLES[corruption]]
        rows.append([*map(html.text, names), *numbers])
        keys.append({"dataset": dataset, "corruption": corruption})
    filters = {
        "dataset": ("data set", {name: shown.results.title(name) for name in shown.results.datasets}),
        "corruption": (
            "corruption",
            {"": "each", **{kind: CORRUPTION_TITLES[kind] for kind in CORRUPTIONS if (frame["corruption"] == kind).any()}},
        ),
    }
    caption = "Recall@1 in percent under corruptions, mean ± half of the 95 % interval over seeds"
    headers = ["method", "data set", "corruption", *QUANTITIES.values()]
    return "## Numbers\n\n" + html.table(caption, headers, rows, filters, keys)
