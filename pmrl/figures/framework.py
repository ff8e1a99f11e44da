"""How PMRL trains, with the sizes of the study's modules (the idea of the paper's Fig. 2)."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from pmrl.records import PROPOSED
from pmrl.reporting import style
from pmrl.reporting.results import Results

READS = ("methods", "stores")
LOSS, MODULE, VALUE = "0.82", "0.92", "0.98"  # fills
SHOWN = 4  # modalities drawn; the number of further ones is written


def draw(results: Results) -> Figure:
    """Encoder and projection of each modality, then the three losses with their inputs."""
    if not results.datasets:
        return style.empty("No data set has been recorded yet.")
    dataset = results.datasets[-1]
    network = results.study.get("network", {})
    d = network.get("dimension", "d")
    sizes = results.methods.get(PROPOSED, {}).get("parameters", {}).get(dataset, {})
    figure, axes = plt.subplots(figsize=(style.FULL_WIDTH, 3.3))
    axes.set(xlim=(-0.5, 100.5), ylim=(-1.5, 46))
    axes.axis("off")
    modalities = results.cards[dataset]["modalities"]
    names, k = list(modalities)[:SHOWN], len(modalities)
    rows = [40 - 10 * i for i in range(len(names))]
    for y, name in zip(rows, names, strict=True):
        about = modalities[name]
        _box(axes, (0, y - 3.5, 15, 7), VALUE, f"{name}\n{about['dimension']} features")
        _box(axes, (18.5, y - 3.5, 17, 7), MODULE, f"encoder, projection\n→ unit vector in $R^{{{d}}}$")
        _arrow(axes, (15, y), (18.5, y))
        _arrow(axes, (35.5, y), (42, 29 + (y - 25) * 0.25))
    if len(modalities) > SHOWN:
        axes.text(0, 0.5, f"and {len(modalities) - SHOWN} more modalities of {dataset}", fontsize=6)
    axes.plot([17, 37], [3.5, 3.5], color="0.3", lw=0.8)
    for x in (17, 37):
        axes.plot([x, x], [3.5, 5.0], color="0.3", lw=0.8)
    _arrow(axes, (37, 3.5), (72, 3.5), "tokens of all modalities")
    _box(axes, (42, 23, 14, 12), VALUE, f"$Z = [z^1 … z^{{{k}}}]$\n$= U\\,S\\,V^\\top$\n(per instance)")
    _box(axes, (72, 35, 28, 9), LOSS, "alignment\n$-\\log\\,$softmax$(\\sigma/\\tau_1)_1$: raise $\\sigma_1$")
    _box(axes, (72, 19.5, 28, 9), LOSS, "instance regularisation\n$u_1$ of different instances repel ($\\tau_2$)")
    width = network.get("width")
    tokens = f"transformer on tokens of width {width}" if width else "transformer on tokens"
    matching = f"\n{sizes['matching']:,} parameters" if sizes else ""
    _box(axes, (72, -1, 28, 11), LOSS, f"instance matching\n{tokens}:\nsame instance?{matching}")
    if sizes:
        label = f"encoders and projections of {k} modalities: {sizes['encoders']:,} parameters"
        axes.text(0, 45.3, label, fontsize=6, va="center")
    _arrow(axes, (56, 33), (72, 39.5), "singular values $\\sigma_1…\\sigma_k$")
    _arrow(axes, (56, 25), (72, 24), "leading direction $u_1$")
    axes.set_title(f"PMRL on {results.title(dataset)}: k = {k} modalities, no anchor", loc="left", fontweight="bold")
    return figure


def _box(axes: Axes, place: tuple[float, float, float, float], color: str, text: str) -> None:
    x, y, width, height = place
    axes.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0,rounding_size=1", facecolor=color, edgecolor="0.3", lw=0.7
        )
    )
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=6.5, linespacing=1.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
    axes.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    )
    if text:
        middle = ((start[0] + end[0]) / 2, max(start[1], end[1]) + 0.8)
        axes.text(*middle, text, ha="center", va="bottom", fontsize=5.5)
