"""The first page: the question, the verdicts with effect and interval, and what they rest on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pmrl.errors import UserError
from pmrl.records import DESCRIPTION, FINE_TUNED, FOUNDATION
from pmrl.reporting.cells import p_value
from pmrl.reporting.render import MISSING
from pmrl.reporting.site import html
from pmrl.reporting.site.shown import Shown, each, seconds_left

TITLE = "Overview"
OVERALL = "overall"
QUESTION = (
    "**Does PMRL align modalities better than its rivals?** It maximises the leading singular value of the matrix of "
    "an instance's unit embeddings, without an anchor; its paper claims that this is better, more robust and more "
    "stable than methods with an anchor. Here each claim is tested on our data, at our scale, by rules that were "
    "fixed in `config/claims.yaml`."
)
PROVENANCE = "provenance.html"  # Snakemake's report, as the site calls its copy


def build(shown: Shown) -> str:
    """The question, how far the study is, the verdicts, what they rest on, and where to find the rest."""
    return "\n\n".join([QUESTION, *each(shown, [progress, counts, verdicts, unstable, find, rests])])


def progress(shown: Shown) -> str:
    """How far an unfinished study is; nothing for a finished one."""
    missing, planned = len(shown.unfinished), len(shown.planned)
    if not missing:
        return ""
    left = seconds_left(shown)
    time = "" if left is None else f" The rest takes about {duration(left)} more at the present pace."
    by_kind = Counter("/".join(folder.split("/")[:-1]) for folder in shown.unfinished)
    waiting = "\n".join(f"- {kind}: {number} not yet" for kind, number in sorted(by_kind.items()))
    return html.note(
        "warning",
        f"{planned - missing} of {planned} runs have finished",
        f"Numbers below are of finished runs alone; a dash is a run that is still missing.{time}\n\n"
        f'??? info "What is missing"\n\n' + "\n".join(f"    {line}" for line in waiting.splitlines()),
    )


def duration(seconds: float) -> str:
    """``40 seconds``, ``12 minutes`` or ``3.5 hours``."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def counts(shown: Shown) -> str:
    """How many claims got which verdict over all data sets."""
    found = Counter(shown.table("claims").query("dataset == @OVERALL")["verdict"].fillna(""))
    kinds = ("reproduced", "not reproduced", "inconclusive", "unstable", "")
    boxes = "".join(f"<div><b>{found[kind]}</b>{html.verdict(kind)}</div>" for kind in kinds)
    return f'## Which claims hold\n\n<div class="counts">{boxes}</div>\n'


def verdicts(shown: Shown) -> str:
    """Every claim's effect with its interval, on all data sets together or on one."""
    claims = shown.table("claims")
    measured = claims.dropna(subset=["effect"])
    reach = float(measured[["effect", "low", "high"]].abs().max().max()) if len(measured) else 1.0
    span = (-min(reach, 30.0), min(reach, 30.0))
    rows, keys = [], []
    for row in claims.to_dict("records"):
        rows.append(
            [
                html.text(row["claim"]),
                html.Cell(html.verdict(text(row["verdict"])), text(row["verdict"])),
                html.number(row["effect"], signed=True),
                html.Cell(html.interval(row["low"], row["effect"], row["high"], span, zero=0.0), row["effect"]),
                html.Cell(f'<span class="range">{bounds(row["low"], row["high"])}</span>', row["low"]),
                html.Cell(p_value(row["p_holm"]).replace("<", "&lt;"), row["p_holm"]),
                html.text(row["source"]),
            ]
        )
        keys.append({"dataset": text(row["dataset"]), "verdict": text(row["verdict"]), "about": about(row)})
    datasets = {OVERALL: "all together", **{name: shown.results.title(name) for name in _datasets(claims)}}
    words = {"": "all", **{word: word for word in dict.fromkeys(claims["verdict"].dropna()) if word}}
    rivals = {"": "all", **{name: shown.label(name) for name in shown.methods if (claims["second"] == name).any()}}
    explained = (
        "Effect: first method minus second, in points of the claim's measure (recall@1 in percent for retrieval), "
        "with its 95 % interval; the dashed line is no difference, and what lies further out than 30 points is drawn "
        "at the edge. p is corrected for the number of claims."
    )
    return (
        explained
        + "\n\n"
        + html.table(
            "Claims, their verdicts and effects",
            ["claim", "verdict", "effect", "95 % interval", "from … to", "p (Holm)", "source"],
            rows,
            {"dataset": ("data set", datasets), "verdict": ("verdict", words), "about": ("against", rivals)},
            keys,
            {"dataset": OVERALL},
        )
    )


def text(value: object) -> str:
    """A text of a table; empty where there is none."""
    return "" if value is None or value != value else str(value)


def about(row: Mapping[str, Any]) -> str:
    """The method that a claim compares with: ``gram`` of "gram" and of "gram by own"."""
    return str(row["second"]).split(" by ")[0]


def bounds(low: float, high: float) -> str:
    """``−1.2 … +3.4``; a dash without an interval."""
    return MISSING if pd.isna(low) else f"{low:+.1f} … {high:+.1f}".replace("-", "−")


def _datasets(claims: pd.DataFrame) -> list[str]:
    return [name for name in dict.fromkeys(claims["dataset"]) if name != OVERALL]


def unstable(shown: Shown) -> str:
    """Which verdicts turn under other conditions of training."""
    claims = shown.table("claims").query("dataset == @OVERALL")
    turning = claims[claims["verdict"].eq("unstable")]
    lines = [f"- {row.claim}: turns with {str(row.turns).replace('_', ' ')}" for row in turning.itertuples()]
    try:
        conditions = sorted(set(shown.table("stability")["condition"]))
    except UserError:
        conditions = []
    tested = ", ".join(name.replace("_", " ") for name in conditions)
    if not conditions:
        said = "– Other conditions of training have not been run (`make stability`), so nothing is known of it."
    else:
        said = f"Tested under other conditions of training: {tested}. " + (
            "These verdicts turn:" if lines else "None turns."
        )
    return "\n".join(["## What is unstable", "", said, "", *lines])


def find(shown: Shown) -> str:
    """Where a newcomer finds what is asked most."""
    datasets = shown.results.datasets
    name = "emoji" if "emoji" in datasets else datasets[0]
    target = f"leaderboard.html#dataset={name}&regime={FINE_TUNED}&task=any"
    return "\n".join(
        [
            "## Where to find what",
            "",
            f"- Who is best on {name} after fine-tuning, and how sure is that? Choose the data set in the table above,"
            f" or see the {html.link(target, f'leaderboard of {name}')}.",
            "- What happens when half of the modalities are missing? [Robustness](robustness.md), at each level.",
            "- What is the score that a method uses? [Methods](methods.md).",
            "- Which command makes a number again? Open its cell in the [grid of any modality](any_modality.md), or its"
            " run in [Runs](runs.md).",
            "- Where do the data come from, and what is wrong with them? [Data](data.md).",
            "- Tables and figures for a paper: [Downloads](downloads.md).",
            "",
        ]
    )


def rests(shown: Shown) -> str:
    """On which data, when, where and with what the numbers were made."""
    about = [run.about for run in shown.runs]
    facts = [
        ("data sets", ", ".join(f"[{shown.results.title(name)}](data.md#{name})" for name in shown.results.datasets)),
        ("methods", ", ".join(shown.label(name) for name in shown.methods)),
        ("seeds", ", ".join(map(str, sorted({one["seed"] for one in about if one["method"] != FOUNDATION})))),
        ("runs", f"[{len(about)}](runs.md)"),
        ("made", dates([run.finished for run in shown.runs])),
        ("processor", distinct(about, "processor")),
        ("commit", distinct(about, "commit")),
        ("versions", "; ".join(dict.fromkeys(versions(one) for one in about))),
    ]
    if shown.time:
        seconds, cores = shown.time["seconds"], shown.time["cores"]
        facts.append(
            ("time", f"{duration(seconds)} on {cores} cores, {shown.time['outside']:.0%} of it outside training")
        )
    facts += [(f"without {name}", reason) for name, reason in shown.study.get("absent", {}).items()]
    lines = [f"| {key} | {value or '–'} |" for key, value in facts]
    report = shown.folder / "report.html"
    if report.exists():
        shown.write(PROVENANCE, report.read_bytes())
        linked = html.link(PROVENANCE, "Snakemake’s report")
        record = f"{linked} is the record of provenance: every job with its code, files and time."
    else:
        record = (
            "Snakemake's report, the record of provenance, is written by `pmrl report`; build the site again after it."
        )
    if not about:
        record += f" This folder has no `{DESCRIPTION}` of its runs, so what made them is unknown."
    return "\n".join(["## What it rests on", "", "| | |", "|---|---|", *lines, "", record, ""])


def dates(times: list[float]) -> str:
    """The first and the last day of some times; a dash without any."""
    days = sorted({datetime.fromtimestamp(time, UTC).date().isoformat() for time in times})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else ""


def distinct(about: Sequence[Mapping[str, Any]], key: str) -> str:
    """The different values of one key, joined by commas."""
    return ", ".join(dict.fromkeys(str(one[key])[:40] for one in about if one.get(key)))


def versions(about: Mapping[str, Any]) -> str:
    """``python 3.11.7, torch 2.13.0``."""
    return ", ".join(f"{name} {version}" for name, version in sorted(about.get("versions", {}).items()))
