"""The grid of all ordered pairs of modalities; a cell opens its numbers, seeds, example queries and commands."""

import json
from html import escape

from pmrl.errors import UserError
from pmrl.records import MAIN, REGIMES
from pmrl.reporting.measures import recalls
from pmrl.reporting.site import html
from pmrl.reporting.site.commands import train_command
from pmrl.reporting.site.shown import Shown, each

TITLE = "Any modality"
EXPLAINED = (
    "Recall@1 in percent by cosine between every two modalities, on groups that were never seen in training: a row is "
    "the query, a column the gallery. Without a rival a cell is the method's mean over seeds; with one it is the "
    "mean difference over the seeds of both, blue and positive where the method is above. Open a cell for its seeds, "
    "an example query with the answers, and the commands that make it again."
)


def build(shown: Shown) -> str:
    """The grid, and the means over pairs as a table."""
    return "\n\n".join([EXPLAINED, *each(shown, [grid, means])])


def grid(shown: Shown) -> str:
    """The choices and the place of the grid; its numbers are scripts, one for each data set."""
    records = recalls(shown.results)
    names = contestants(shown)
    for dataset in shown.results.datasets:
        part = records[records["dataset"].eq(dataset)]
        values: dict[str, dict[str, float]] = {}
        for row in part.itertuples():
            key = "/".join((row.regime, f"{row.method}:{row.variant}", row.query, row.gallery))
            values.setdefault(key, {})[str(row.seed)] = round(row.value, 2)
        content = {
            "title": shown.results.title(dataset),
            "modalities": list(shown.results.cards[dataset]["modalities"]),
            "values": values,
            "commands": {name: train_command(shown, dataset, *name.split(":")) for name in names},
            "reasons": {
                f"{method}:{MAIN}": reason
                for (data, method), reason in shown.results.reasons.items()
                if data == dataset
            },
        }
        shown.script(f"pairs_{dataset}", content)
    regimes = [name for name in REGIMES if (records["regime"] == name).any()]
    if not regimes:
        raise UserError("No retrieval between single modalities has been recorded yet.")
    rival = shown.results.rival()
    filters = {
        "dataset": ("data set", {name: shown.results.title(name) for name in shown.results.datasets}),
        "regime": ("regime", {name: REGIMES[name] for name in regimes}),
        "method": ("method", names),
        "rival": ("rival", {"": "none", **names}),
    }
    chosen = {"rival": f"{rival}:{MAIN}" if rival else ""}
    attributes = f'data-grid="pairs" data-methods="{escape(json.dumps(names, ensure_ascii=False))}"'
    choices = html.choosers(filters, chosen, attributes)
    return f'{choices}<div class="scroll" id="pairs" role="region" tabindex="0" aria-label="Grid of pairs"></div>\n'


def contestants(shown: Shown) -> dict[str, str]:
    """{"method:variant": its name} of all main forms, then of the variants."""
    every = sorted(shown.results.contestants(), key=lambda one: one[1] != MAIN)
    return {f"{method}:{variant}": shown.label(method, variant) for method, variant in every}


def means(shown: Shown) -> str:
    """Means over all pairs, those with the anchor and those without."""
    frame = shown.table("any_modality")
    frame = frame[frame["scope"].isin(["all", "anchor", "other"])]
    top = float(frame["high"].fillna(frame["mean"]).max()) if frame["mean"].notna().any() else 1.0
    scopes = {"all": "all pairs", "anchor": "pairs with the anchor", "other": "pairs without the anchor"}
    rows, keys = [], []
    for row in frame.to_dict("records"):
        reason = shown.results.reasons.get((row["dataset"], row["method"]), "no finished run")
        rows.append(
            [
                html.text(shown.label(row["method"], row["variant"])),
                html.text(shown.results.title(row["dataset"])),
                html.text(REGIMES.get(row["regime"], row["regime"])),
                html.text(scopes[row["scope"]]),
                html.number(row["mean"], reason=reason),
                html.Cell(html.interval(row["low"], row["mean"], row["high"], (0.0, top)), row["mean"]),
                html.number(row["n"], 0),
            ]
        )
        keys.append({"dataset": row["dataset"], "regime": row["regime"], "scope": row["scope"]})
    datasets = {name: shown.results.title(name) for name in shown.results.datasets}
    regimes = {name: REGIMES.get(name, name) for name in dict.fromkeys(frame["regime"])}
    filters = {"dataset": ("data set", datasets), "regime": ("regime", regimes), "scope": ("pairs", scopes)}
    headers = ["method", "data set", "regime", "pairs", "recall@1 (%)", "95 % interval", "seeds"]
    return "## Means over pairs\n\n" + html.table("Mean recall@1 over ordered pairs", headers, rows, filters, keys, {})
