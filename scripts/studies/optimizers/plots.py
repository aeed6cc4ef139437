"""Pictures of a comparison of optimizers. Each is a PNG, as bytes, drawn without pyplot.

The baseline is a thick black line, the best optimizers have colours, the same in all pictures of
the same rows, and all others are grey. Gains and what failed count as in `statistics`.
"""

import io
import textwrap

import numpy as np

from dreamsound_jax.outputs.panels import hide_box
from studies.optimizers.rows import courses, dreams, median
from studies.optimizers.statistics import ratios
from studies.optimizers.tables import number

_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a4fbf", "#8c6d31"]
_INK, _OTHER, _FAINT = "#000000", "#c9ced6", "#666666"
_COLUMNS = 4  # of a grid of settings


def climb_picture(rows, costs, *, baseline):
    """Draws the gain of the test dreams over steps, and over time; medians and their quartiles.

    There is a panel for each setting, where a dotted line is where a level of the pyramid begins;
    and one more, over time, where that was measured.

    Args:
      rows: of all dreams, see `rows.COLUMNS`.
      costs: {setting: {optimizer: {"lr": the one chosen, "seconds": of a step, if known, ...}}}.
      baseline: the optimizer that others are compared to.

    Returns:
      A PNG, 1400 pixels wide.
    """
    tested, styles = dreams(rows, phase="test"), _styles(rows, baseline)
    title = "Gain in the objective: medians of the test dreams, and the quartiles around them"
    # Over steps; and over time, where it was measured.
    drawn = [(setting, None) for setting in tested]
    drawn += [(setting, costs[setting]) for setting in tested if _is_timed(costs[setting])]
    figure, panels = _panels(title, len(drawn))
    for panel, (setting, timed) in zip(panels, drawn):
        seconds = timed and {name: cost["seconds"] for name, cost in timed.items()}
        _draw_climbs(panel, tested[setting], seconds, styles)
        _name(panel, setting, 132 // min(_COLUMNS, len(drawn)))
        panel.set_xlabel("time (s), each step as on the whole clip" if timed else "step")
        panel.set_ylabel("gain")
    return _png(figure, styles)


def trade_picture(rows, costs, *, baseline):
    """Draws what is gained for how far the dream moves: further up and to the left is better.

    A line joins the medians of the tuning dreams at the learning rates tried; a dot is the median
    of the test dreams at the one chosen. What gained nothing is left out. Arguments are those of
    `climb_picture`; a panel a setting.
    """

    def draw(panel, tuned, tested, style, lr):
        points = [(moved, gain) for moved, gain in tuned.values() if gain > 0]
        _draw_line(panel, *np.reshape(points, (-1, 2)).T, style)
        for moved, gain in tested.values():
            if gain > 0:
                _draw_dot(panel, moved, gain, style)

    title = (
        "Gain for the distance moved, up and to the left is better: "
        "lines over the learning rates tried, dots for the tests"
    )
    return _grid(rows, costs, baseline, title, draw, x_label="moved (dB RMS)")


def sensitivity_picture(rows, costs, *, baseline):
    """Draws the gain at each learning rate: medians of the tuning dreams; a dot is the one chosen.

    Arguments are those of `climb_picture`; a panel a setting.
    """

    def draw(panel, tuned, tested, style, lr):
        lrs, gains = np.array([(lr, gain) for lr, (_, gain) in tuned.items()]).T
        _draw_line(panel, lrs, gains, style)
        chosen = np.argmin(np.abs(lrs / lr - 1))
        _draw_dot(panel, lrs[chosen], gains[chosen], style)
        panel.set_xscale("log")

    title = "Gain at each learning rate: medians of the tuning dreams, dots for the chosen ones"
    return _grid(rows, costs, baseline, title, draw, x_label="learning rate")


def _is_timed(costs):
    return all("seconds" in cost for cost in costs.values())


def _draw_climbs(panel, of, seconds, styles):
    """The test dreams {optimizer: [dream, ...]} of a setting, over steps or with `seconds` each."""
    climbs = {name: courses(own) for name, own in of.items()}
    _limit(panel, [np.quantile(gains, 0.75, axis=0).max() for gains in climbs.values()])
    if not seconds:
        _mark_levels(panel, next(iter(of.values()))[0])
    for name, gains in climbs.items():
        _draw_climb(
            panel, np.arange(gains.shape[1]) * (seconds or {}).get(name, 1), gains, styles[name]
        )
    panel.set_xlim(left=0)
    _unclutter(panel)


def _grid(rows, costs, baseline, title, draw, *, x_label):
    """A panel a setting, in which `draw` draws each optimizer."""
    tuning, test = (dreams(rows, phase=phase) for phase in ("tuning", "test"))
    styles, (figure, panels) = _styles(rows, baseline), _panels(title, len(test))
    for panel, (setting, of) in zip(panels, test.items()):
        tuned = {name: _by_lr(tuning.get(setting, {}).get(name, own)) for name, own in of.items()}
        _limit(panel, [gain for points in tuned.values() for _, gain in points.values()])
        for name, own in of.items():
            draw(panel, tuned[name], _by_lr(own), styles[name], costs[setting][name]["lr"])
        _name(panel, setting, 132 // min(_COLUMNS, len(test)))
        panel.set_xlabel(x_label)
        panel.set_ylabel("gain")
        _unclutter(panel)
    return _png(figure, styles)


def _panels(title, count):
    """(a figure, its panels in a flat array), so many as there are needed."""
    columns = min(_COLUMNS, count)
    lines = -(-count // columns)
    figure = _figure(title, lines if columns > 2 else 1.4 * lines)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.axis("off")
    return figure, panels


def _by_lr(dreams):
    """{lr: (moved dB, gain)}: medians at the end."""
    lrs = sorted({dream[0]["lr"] for dream in dreams})
    of = {lr: [dream for dream in dreams if dream[0]["lr"] == lr] for lr in lrs}
    return {
        lr: (_at_the_end(each, "moved_db"), _at_the_end(each, "gain")) for lr, each in of.items()
    }


def _at_the_end(dreams, name):
    found = median(courses(dreams, name=name)[:, -1])
    return np.nan if found is None else found


def _styles(rows, baseline):
    """{optimizer: how it is drawn}, the best first; the baseline leads."""
    of = ratios(rows, baseline=baseline)
    best_first = sorted(of, key=lambda name: (name != baseline, -(median(of[name]) or 0), name))
    styles = {name: {"color": _OTHER, "linewidth": 0.8, "zorder": 1} for name in best_first}
    for rank, (name, colour) in enumerate(zip(best_first[1:], _COLOURS)):
        styles[name] = {"color": colour, "linewidth": 1.6, "zorder": 20 - rank}
    return styles | {baseline: {"color": _INK, "linewidth": 2.6, "zorder": 30}}


def _draw_climb(panel, x, gains, style):
    low, middle, high = np.quantile(gains, (0.25, 0.5, 0.75), axis=0)
    panel.plot(x, middle, **style)
    if style["color"] != _OTHER:  # many grey bands would hide each other
        panel.fill_between(x, low, high, color=style["color"], alpha=0.1, linewidth=0)


def _draw_line(panel, x, y, style):
    panel.plot(x, y, marker=".", markersize=4, **style)


def _draw_dot(panel, x, y, style):
    """What lies below the panel is drawn at its edge."""
    size = 30 if style["color"] == _OTHER else 70
    look = {"color": style["color"], "edgecolor": "white", "linewidth": 0.8, "clip_on": False}
    panel.scatter([x], [max(y, panel.get_ylim()[0])], s=size, zorder=2 * style["zorder"], **look)


def _mark_levels(panel, dream):
    levels = np.array([row["level"] for row in dream])
    for step in np.flatnonzero(np.diff(levels[1:])) + 1.5:
        panel.axvline(step, color=_FAINT, linewidth=0.7, linestyle=":")


def _limit(panel, gains):
    """From a little below 0: how far a dream fell that went wrong is of no interest."""
    top = np.nanmax([0, *gains]) or 1
    panel.set_ylim(-0.06 * top, 1.06 * top)


def _unclutter(panel):
    panel.axhline(0, color=_FAINT, linewidth=0.6, zorder=0)
    panel.yaxis.set_major_formatter(lambda value, _: number(value))
    hide_box(panel)


def _name(panel, setting, width):
    text = textwrap.fill(setting, width)
    panel.set_title(text, loc="left", size=10, parse_math=False)


def _figure(title, lines):
    from matplotlib.figure import Figure

    figure = Figure((14, 3.2 * lines + 1.4), 100, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    figure.suptitle(title, x=0.01, ha="left", size=14)
    return figure


def _png(figure, styles):
    """With a legend of what has a colour."""
    from matplotlib.lines import Line2D

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
