"""Drawing with matplotlib. Only the process of `worker` imports this: it takes half a second and 70 MB.

Text becomes shapes in both formats, from NanumGothic, which comes as a package: what it looks like does not depend on
fonts of this machine, nor on those of whoever looks at an SVG.
"""

import importlib.util
import warnings
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from firewalker.kernel.texts import without_emoji

DPI = 96
"""Pixels of an inch, as browsers have it: matplotlib thinks in inches and points of a 72nd, and tells an SVG's size in them."""

FONT = "NanumGothic"

BOLD = 600
"""The weight that NanumGothicBold says it has."""

LIGHT = {
    "ground": "#ffffff", "text": "#1f2937", "muted": "#6b7280", "grid": "#e5e7eb", "goal": "#d97706",
    "bar": "#9dc3f5", "reached": "#1d6fdc", "climb": "#0f766e",
}  # fmt: skip
DARK = {
    "ground": "#111827", "text": "#f3f4f6", "muted": "#9ca3af", "grid": "#374151", "goal": "#fbbf24",
    "bar": "#3f6aa5", "reached": "#7db7ff", "climb": "#5eead4",
}  # fmt: skip
PARTS = ("#1d6fdc", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#9ca3af")
"""Of stacked bars: told apart also by who does not see red or green, by their brightness."""


MARGIN = 0.03
"""Left and right of what is written, of the picture's width."""


def _find_fonts() -> None:
    spec = importlib.util.find_spec("koreanize_matplotlib")  # finds without importing: that would change all settings
    if spec is None or spec.origin is None:
        raise RuntimeError("the package with the fonts is missing")
    for name in (f"{FONT}.ttf", f"{FONT}Bold.ttf"):
        font_manager.fontManager.addfont(str(Path(spec.origin).parent / "fonts" / name))


_find_fonts()
mpl.rcParams.update({
    "font.family": [FONT, "DejaVu Sans"], "svg.fonttype": "path", "svg.hashsalt": "firewalker",
    "axes.unicode_minus": False, "path.simplify": False,
})  # fmt: skip
# Of scripts that neither font has: an empty box is drawn.
warnings.filterwarnings("ignore", message="Glyph .* missing")


def draw(chart: dict[str, Any]) -> bytes:
    """The picture of `domain.chart.Chart.as_json`, as a file; the same chart gives the same bytes."""
    style = chart["style"]
    colours = DARK if style["dark"] else LIGHT
    scale = min(max(style["width"] / 360, 0.85), 1.6)
    figure = Figure(figsize=(style["width"] / DPI, style["height"] / DPI), dpi=DPI, facecolor=colours["ground"])
    FigureCanvasAgg(figure)  # measures what is written
    below = 0.13 + (0.11 if chart["legend"] else 0.0)
    axes = figure.add_axes((0.135 / scale, below, 0.985 - 0.135 / scale, 0.80 - below))
    _words(figure, chart, colours, scale)
    if any(bar["parts"] for bar in chart["bars"]):
        _bars(axes, chart, colours)
        _goal(axes, chart, colours, scale)
    else:
        axes.text(
            0.5, 0.5, chart["no_data"], transform=axes.transAxes, ha="center", va="center", color=colours["muted"],
            fontsize=10 * scale,
        )  # fmt: skip
        axes.set_ylim(0, 1_000)
    _frame(axes, chart, colours, scale)
    _make_room(axes)
    if chart["legend"]:
        _legend(figure, axes, chart, colours, 7.5 * scale)
    file = BytesIO()
    metadata = {"Date": None} if style["format"] == "svg" else {"Software": None}
    figure.savefig(file, format=style["format"], facecolor=colours["ground"], metadata=metadata)
    return file.getvalue()


def _words(figure: Figure, chart: dict[str, Any], colours: dict[str, str], scale: float) -> None:
    right = figure.text(
        1 - MARGIN, 0.945, chart["subtitle"], color=colours["muted"], fontsize=8 * scale, ha="right", va="top"
    )
    left = figure.text(
        MARGIN, 0.955, chart["title"], color=colours["text"], fontsize=10.5 * scale, weight=BOLD, va="top",
        parse_math=False,  # a name is no formula, with however many dollars
    )  # fmt: skip
    room = right.get_window_extent().x0 - 8 * scale
    # The fonts have no emoji, or half of one.
    whole = without_emoji(chart["name"]).strip()
    for kept in range(len(whole), 0, -1):
        left.set_text(f"{whole if kept == len(whole) else whole[:kept].rstrip() + '…'} · {chart['title']}")
        if left.get_window_extent().x1 <= room:
            return
    left.set_text(chart["title"])


def _bars(axes: Axes, chart: dict[str, Any], colours: dict[str, str]) -> None:
    bars = chart["bars"]
    for place, bar in enumerate(bars):
        under = 0
        for part, steps in enumerate(bar["parts"]):
            colour = PARTS[part % len(PARTS)] if chart["legend"] else colours["reached" if bar["reached"] else "bar"]
            axes.bar(place, steps, bottom=under, width=0.78, color=colour, linewidth=0)
            under += steps
        if not bar["parts"]:  # a gap, told apart from a day without a step
            axes.plot(place, 0, marker="_", markersize=3, color=colours["muted"], clip_on=False)
    if chart["cumulative"]:
        counted = max(place for place, bar in enumerate(bars) if bar["parts"]) + 1
        climb = list(accumulate(sum(bar["parts"]) for bar in bars[:counted]))
        walked = climb[-1]
        twin = axes.twinx()
        twin.plot(range(counted), climb, color=colours["climb"], linewidth=1.6)
        twin.set_ylim(0, max(walked, *(bar["goal"] for bar in bars)) * 1.12 or 1_000)
        twin.axis("off")


def _goal(axes: Axes, chart: dict[str, Any], colours: dict[str, str], scale: float) -> None:
    """The goal, as a line that steps where it changed."""
    bars = chart["bars"]
    wanted = [bar["goal"] for bar in bars]
    if not any(wanted):
        return
    lined = axes.figure.axes[-1] if chart["cumulative"] else axes
    xs, ys = [], []
    for place, goal in enumerate(wanted):
        xs += [place - 0.5, place + 0.5]
        ys += [goal or float("nan")] * 2
    lined.plot(xs, ys, color=colours["goal"], linewidth=1.3, linestyle=(0, (4, 2)))
    last = max(place for place, goal in enumerate(wanted) if goal)
    lined.annotate(
        f"{chart['goal_word']} {wanted[last]:,}", (last + 0.5, wanted[last]), xytext=(0, 2), textcoords="offset points",
        ha="right", va="bottom", color=colours["goal"], fontsize=7.5 * scale,
        path_effects=[withStroke(linewidth=2.5, foreground=colours["ground"])],
    )  # fmt: skip


def _legend(figure: Figure, axes: Axes, chart: dict[str, Any], colours: dict[str, str], size: float) -> None:
    """What each part is: in letters of that *size*, or smaller ones where the names are wider than the picture."""
    legend = figure.legend(
        handles=[axes.bar([0], [0], color=PARTS[place % len(PARTS)]) for place in range(len(chart["legend"]))],
        labels=chart["legend"], loc="lower center", ncols=3, frameon=False, fontsize=size,
        labelcolor=colours["text"], handlelength=0.9, handleheight=0.8, columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip
    too_wide = legend.get_window_extent().width / figure.bbox.width
    if too_wide > 1:
        legend.remove()
        _legend(figure, axes, chart, colours, size / too_wide * 0.98)


def _make_room(axes: Axes) -> None:
    """Move the left side to where its labels do not leave the picture, however many digits they have."""
    labels = axes.yaxis.get_tightbbox()
    missing = MARGIN / 3 - (labels.x0 / axes.figure.bbox.width if labels is not None else 1.0)
    if missing > 0:
        box = axes.get_position()
        axes.set_position((box.x0 + missing, box.y0, box.width - missing, box.height))


def _frame(axes: Axes, chart: dict[str, Any], colours: dict[str, str], scale: float) -> None:
    bars = chart["bars"]
    axes.set_facecolor(colours["ground"])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(colours["grid"])
    axes.grid(visible=True, axis="y", color=colours["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlim(-0.7, len(bars) - 0.3)
    tops = [sum(bar["parts"]) for bar in bars] + ([] if chart["cumulative"] else [bar["goal"] for bar in bars])
    if max(tops, default=0):
        axes.set_ylim(0, max(tops) * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda steps, _: f"{steps:,.0f}"))
    labelled = [place for place, bar in enumerate(bars) if bar["label"]]
    axes.set_xticks(labelled, [bars[place]["label"] for place in labelled])
    axes.tick_params(colors=colours["muted"], labelsize=8 * scale, length=0, pad=3)
