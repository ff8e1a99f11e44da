"""Interactive charts: written in Vega-Lite, compiled to Vega here, and drawn by Vega's own JavaScript in the page.

The compiled charts need only Vega, which the site brings along, and follow the colours of the page: everything that is
not a method is drawn in the colour of the text.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd
import vl_convert

from pmrl.reporting import style
from pmrl.reporting.site.shown import Shown, plain

# Shapes and dashes of Vega in the order of ``style.MARKERS`` and ``style.LINES``.
SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "stroke", "triangle-left")
DASHES = ([1, 0], [6, 3], [8, 3, 2, 3], [2, 2], [6, 2, 2, 2, 2, 2], [10, 3], [1, 3])
INK = "currentColor"
Chart = dict[str, Any]  # in Vega-Lite
CONFIG = {
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        **{"labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK},
        **{
            "gridColor": INK,
            "gridOpacity": 0.15,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
        },
    },
    "legend": {
        "symbolOpacity": 1,
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 12,
        "orient": "bottom",
        "columns": 3,
    },
    "font": "inherit",
}


def lines(
    shown: Shown, values: pd.DataFrame, x: tuple[str, str], y: str, signals: Sequence[str] = (), height: int = 240
) -> Chart:
    """A line per method with its interval, and a mark at every value.

    Args:
        shown: the study, for names and looks of methods.
        values: columns ``method`` (a label), ``mean``, ``low``, ``high``, that of ``x``, and those of ``signals``.
        x: column and title of the horizontal axis.
        y: title of the vertical axis.
        signals: columns that the page chooses a value of; the first row's value is chosen at the beginning.
        height: in pixels; the width is that of the page.
    """
    order = {shown.label(name): place for place, name in enumerate(shown.results.methods)}
    methods = sorted(dict.fromkeys(values["method"]), key=lambda label: order.get(label, len(order)))
    looks = {
        channel: {"field": "method", "type": "nominal", "title": None, "scale": {"domain": methods, "range": looks}}
        for channel, looks in _looks(shown, methods).items()
    }
    across = {"field": x[0], "type": "quantitative", "title": x[1]}
    up = {"type": "quantitative", "title": y, "scale": {"zero": False}}
    tooltip = [{"field": "method", "type": "nominal"}]
    tooltip += [{"field": name, "type": "quantitative", "format": ".5~g"} for name in (x[0], "mean", "low", "high")]
    mean = {"x": across, "y": {"field": "mean", **up}, "color": looks["color"]}
    area = {"x": across, "y": {"field": "low", **up}, "y2": {"field": "high"}, "color": looks["color"]}
    return {
        "data": {"values": plain(values.to_dict("records"))},
        "params": [{"name": name, "value": plain(values[name].iloc[0])} for name in signals],
        "transform": [{"filter": f"datum[{name!r}] === {name}"} for name in signals],
        "layer": [
            {"mark": {"type": "area", "opacity": style.BAND}, "encoding": area},
            {"mark": "line", "encoding": {**mean, "strokeDash": looks["strokeDash"]}},
            {
                "mark": {"type": "point", "filled": True, "size": 45},
                "encoding": {**mean, "shape": looks["shape"], "tooltip": tooltip},
            },
        ],
        "width": "container",
        "height": height,
    }


def _looks(shown: Shown, methods: Sequence[str]) -> dict[str, list[object]]:
    """Colours, shapes and dashes of labels; a variant has its method's colour, darker."""
    known = list(shown.results.methods)
    looks: dict[str, list[object]] = {"color": [], "shape": [], "strokeDash": []}
    for place, label in enumerate(methods):
        method = next((name for name in reversed(known) if label == shown.label(name)), None)
        owner = method or next((name for name in known if label.startswith(shown.label(name))), "")
        color = style.color(shown.results, owner)
        order = known.index(method) if method else len(known) + place
        looks["color"].append(color if method or not color.startswith("#") else style.darker(color))
        looks["shape"].append(SHAPES[order % len(SHAPES)])
        looks["strokeDash"].append(DASHES[order % len(DASHES)])
    return looks


def place(shown: Shown, name: str, chart: Chart, label: str) -> str:
    """Write a chart's data beside the pages and return the HTML that draws it.

    Args:
        shown: the study whose pages show the chart.
        name: of the chart, unique in the study.
        chart: what to draw.
        label: what it shows, for those who cannot see it; its numbers should stand in a table nearby.
    """
    compiled = vl_convert.vegalite_to_vega({**chart, "config": CONFIG})
    script = shown.script(f"chart_{name}", compiled)
    return (
        f'<div class="chart" data-script="{escape(script)}" data-name="chart_{escape(name)}" role="img" '
        f'aria-label="{escape(label)}"></div>\n'
    )


def runtime() -> str:
    """Vega's JavaScript, which defines ``vegaEmbed``."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle
