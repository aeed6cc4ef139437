"""Pictures of a comparison of optimizers. Each is a PNG, as bytes, drawn without pyplot.

The baseline is a thick black line. The best optimizers have colours, which are the same in all
pictures of a comparison, and all others are grey. The gain of a failed dream counts as in
`steps.count_gains`.
"""

import io
import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dreamsound_jax.outputs.panels import hide_box
from studies.optimizers.statistics import rank_optimizers
from studies.optimizers.steps import pivot_courses, select_ends
from studies.report import format_number

_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4fbf", "#8c6d31"]
_INK, _OTHER, _FAINT = "#000000", "#c9ced6", "#666666"
_COLUMNS = 4  # This many panels stand in a row at most.


def draw_climb(table: pd.DataFrame, costs: pd.DataFrame, *, baseline: str) -> bytes:
    """Draws the gain of the test dreams over steps, and over time: medians and quartiles.

    There is a panel for each setting, with a dotted line where a level of the pyramid begins, and
    a panel over time for each setting in which steps were timed.

    Args:
      table: The steps of all dreams, see `steps.COLUMNS`.
      costs: Columns "setting", "optimizer", "lr" (the chosen learning rate), and "seconds" (the
        time of a step) if it is known.
      baseline: The optimizer with which the others are compared.

    Returns:
      A PNG, 1400 pixels wide.
    """
    styles, settings = _choose_styles(table, baseline), _name_settings(table)
    timed = costs.reindex(columns=["setting", "optimizer", "seconds"]).dropna()
    seconds = {name: of.set_index("optimizer")["seconds"] for name, of in timed.groupby("setting")}
    drawn = [(name, None) for name in settings]
    drawn += [(name, seconds[name]) for name in settings if name in seconds]
    title = "Gain in the objective: medians of the test dreams, and the quartiles around them"
    figure, panels = _make_panels(title, len(drawn))
    for panel, (name, times) in zip(panels, drawn):
        _draw_climbs(panel, table[table["setting"] == name], times, styles)
        x_label = "step" if times is None else "time (s), each step as on the whole clip"
        _label(panel, name, len(drawn), x_label)
    return _encode_png(figure, styles)


def draw_trade(table: pd.DataFrame, costs: pd.DataFrame, *, baseline: str) -> bytes:
    """Draws the gain over the distance moved: further up and to the left is better.

    A line joins the medians of the tuning dreams at each learning rate; a dot is the median of the
    test dreams at the chosen one. A median gain of 0 or less is left out. The arguments are those
    of `draw_climb`.
    """

    def draw(panel, tuned, tested, style, lr):
        del lr
        tuned, tested = tuned[tuned["gain"] > 0], tested[tested["gain"] > 0]
        _draw_line(panel, tuned["moved_db"], tuned["gain"], style)
        for _, point in tested.iterrows():
            _draw_dot(panel, point["moved_db"], point["gain"], style)

    title = (
        "Gain for the distance moved, up and to the left is better: "
        "lines over the learning rates tried, dots for the tests"
    )
    return _draw_grid(table, costs, baseline, title, draw, x_label="moved (dB RMS)")


def draw_sensitivity(table: pd.DataFrame, costs: pd.DataFrame, *, baseline: str) -> bytes:
    """Draws the gain at each learning rate: medians of the tuning dreams, a dot at the chosen one.

    The arguments are those of `draw_climb`.
    """

    def draw(panel, tuned, tested, style, lr):
        del tested
        _draw_line(panel, tuned.index, tuned["gain"], style)
        chosen = np.argmin(np.abs(tuned.index / lr - 1))
        _draw_dot(panel, tuned.index[chosen], tuned["gain"].iloc[chosen], style)
        panel.set_xscale("log")

    title = "Gain at each learning rate: medians of the tuning dreams, dots for the chosen ones"
    return _draw_grid(table, costs, baseline, title, draw, x_label="learning rate")


def _draw_climbs(panel, table, seconds, styles):
    """Draws the test dreams of one setting over steps, or over time if steps have `seconds`."""
    quartiles = pivot_courses(table).groupby("optimizer").quantile([0.25, 0.5, 0.75])
    _limit(panel, quartiles.xs(0.75, level=1).max())
    if seconds is None:
        _mark_levels(panel, table)
    for name, of in quartiles.groupby(level=0):
        low, middle, high = of.to_numpy()
        x, style = np.arange(middle.size) * (1 if seconds is None else seconds[name]), styles[name]
        panel.plot(x, middle, **style)
        if style["color"] != _OTHER:  # Many grey bands would hide each other.
            panel.fill_between(x, low, high, color=style["color"], alpha=0.1, linewidth=0)
    panel.set_xlim(left=0)


def _draw_grid(table, costs, baseline, title, draw, *, x_label):
    """Draws a panel for each setting, in which `draw` draws each optimizer."""
    styles, settings = _choose_styles(table, baseline), _name_settings(table)
    figure, panels = _make_panels(title, len(settings))
    tuned, tested = _take_medians(table, "tuning"), _take_medians(table, "test")
    chosen = costs.set_index(["setting", "optimizer"])["lr"]
    for panel, setting in zip(panels, settings):
        _limit(panel, tuned.loc[setting, "gain"])
        for name in tested.loc[setting].index.unique("optimizer"):
            one = (setting, name)
            draw(panel, tuned.loc[one], tested.loc[one], styles[name], chosen[one])
        _label(panel, setting, len(settings), x_label)
    return _encode_png(figure, styles)


def _take_medians(table, phase):
    """Takes the medians at the end by setting, optimizer and learning rate."""
    keys = ["setting", "optimizer", "lr"]
    return select_ends(table, phase).groupby(keys)[["moved_db", "gain"]].median()


def _name_settings(table):
    return sorted(table.loc[table["phase"] == "test", "setting"].unique())


def _make_panels(title, count):
    """Returns a figure, and `count` panels in a flat array."""
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = _make_figure(title, rows if columns > 2 else 1.4 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.axis("off")
    return figure, panels


def _make_figure(title, rows):
    figure = Figure((14, 3.2 * rows + 1.4), 100, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    figure.suptitle(title, x=0.01, ha="left", size=14)
    return figure


def _choose_styles(table, baseline):
    """Returns {optimizer: how it is drawn}, the best first; the baseline leads."""
    names = rank_optimizers(table, baseline)
    styles = {name: {"color": _OTHER, "linewidth": 0.8, "zorder": 1} for name in names}
    for rank, (name, colour) in enumerate(zip(names[1:], _COLOURS)):
        styles[name] = {"color": colour, "linewidth": 1.6, "zorder": 20 - rank}
    return styles | {baseline: {"color": _INK, "linewidth": 2.6, "zorder": 30}}


def _draw_line(panel, x, y, style):
    panel.plot(x, y, marker=".", markersize=4, **style)


def _draw_dot(panel, x, y, style):
    """Draws a dot; one that would lie below the panel is drawn at its edge."""
    size = 30 if style["color"] == _OTHER else 70
    look = {"color": style["color"], "edgecolor": "white", "linewidth": 0.8, "clip_on": False}
    panel.scatter([x], [max(y, panel.get_ylim()[0])], s=size, zorder=2 * style["zorder"], **look)


def _mark_levels(panel, table):
    """Draws a dotted line where a level of the pyramid begins."""
    levels = table[(table["phase"] == "test") & (table["step"] > 0)].groupby("step")["level"].max()
    for step in levels.index[1:][np.diff(levels) > 0]:
        panel.axvline(step - 0.5, color=_FAINT, linewidth=0.7, linestyle=":")


def _limit(panel, gains):
    """Limits the panel to gains above 0 and a little below: how deep a dream fell is irrelevant."""
    top = np.nanmax([0, *gains]) or 1
    panel.set_ylim(-0.06 * top, 1.06 * top)


def _label(panel, setting, panels, x_label):
    """Labels a panel that shares its row with others."""
    title = textwrap.fill(setting, 132 // min(_COLUMNS, panels))
    panel.set_title(title, loc="left", size=10, parse_math=False)
    panel.set_xlabel(x_label)
    panel.set_ylabel("gain")
    panel.axhline(0, color=_FAINT, linewidth=0.6, zorder=0)
    panel.yaxis.set_major_formatter(lambda value, _: format_number(value))
    hide_box(panel)


def _encode_png(figure, styles):
    """Adds a legend of the optimizers that have a colour, and encodes the figure."""
    named = {name: style for name, style in styles.items() if style["color"] != _OTHER}
    others = len(styles) - len(named)
    if others:
        named[f"{others} others"] = {"color": _OTHER, "linewidth": 2}
    lines = [Line2D([], [], **style) for style in named.values()]
    legend = figure.legend(lines, named, loc="outside lower left", ncols=5, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
