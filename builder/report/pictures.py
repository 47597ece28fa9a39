"""The report's pictures: SVG, the same bytes for the same numbers (fixed hash salt, no date, text kept as text)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "bildung",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
_BLUE, _ORANGE, _GREY, _HOLE, _CLOSED = "#2f6690", "#c8553d", "#9aa0a6", "#f4c9bd", "#e9e9e9"
_MOST_LABELS = 400  # cells with a figure in each; beyond that the figures cannot be read


class Drawn(NamedTuple):
    """A figure being drawn: its axes, and the buffer that holds the SVG after the ``with`` block."""

    axes: Any
    svg: io.BytesIO


@contextmanager
def _figure(width: float, height: float) -> Iterator[Drawn]:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield Drawn(figure.subplots(), buffer)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})


def heat_map(rows: Sequence[str], columns: Sequence[str], counts: NDArray[np.int64], possible: NDArray[np.bool_]) -> bytes:
    """Documents in each cell: blue where there are some, red where there are none, grey where the plan allows none."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba

    with _figure(2.6 + 0.34 * len(columns), 1.9 + 0.26 * len(rows)) as (axes, buffer):
        most = max(int(counts.max(initial=0)), 1)
        cells = colormaps["Blues"](0.2 + 0.6 * counts / most)
        cells[counts == 0] = to_rgba(_CLOSED)
        cells[possible & (counts == 0)] = to_rgba(_HOLE)
        axes.pcolormesh(cells, edgecolors="white", linewidth=0.5)
        if counts.size <= _MOST_LABELS:
            for (row, column), count in np.ndenumerate(counts):
                shade = "white" if count > 0.6 * most else "black"
                axes.text(column + 0.5, row + 0.5, str(count), ha="center", va="center", fontsize=7, color=shade)
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.invert_yaxis()
        for spine in axes.spines.values():
            spine.set_visible(False)
    return buffer.getvalue()


def bars_against(labels: Sequence[str], values: Sequence[float], targets: Sequence[float], axis: str) -> bytes:
    """One bar a label, and a tick where it should end."""
    with _figure(7, 1 + 0.24 * len(labels)) as (axes, buffer):
        places = np.arange(len(labels))
        axes.barh(places, values, color=_BLUE, height=0.66, label="kept")
        axes.plot(targets, places, "|", color=_ORANGE, markersize=11, markeredgewidth=2, label="target")
        axes.set_yticks(places, labels)
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.invert_yaxis()
        axes.set_xlabel(axis)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return buffer.getvalue()


def histogram(values: Sequence[int], axis: str) -> bytes:
    """How many documents have which length."""
    with _figure(7, 2.4) as (axes, buffer):
        axes.hist(values, bins=30, color=_BLUE, edgecolor="white", linewidth=0.5)
        axes.set_xlabel(axis)
        axes.set_ylabel("documents")
    return buffer.getvalue()


class Range(NamedTuple):
    """One measure of a corpus beside the human value and the range of models, all of one unit."""

    label: str
    corpus: float | None
    human: float
    low: float
    high: float


def ranges(measures: Sequence[Range]) -> bytes:
    """Each measure on a scale of its own: grey the models' range, a tick the human value, a dot this corpus."""
    with _figure(7, 0.9 + 0.42 * len(measures)) as (axes, buffer):
        for place, measure in enumerate(measures):
            widest = max(measure.human, measure.high, measure.corpus or 0.0) or 1.0
            axes.barh(place, (measure.high - measure.low) / widest, left=measure.low / widest, height=0.4, color=_GREY, alpha=0.5)
            axes.plot([measure.human / widest], [place], "|", color=_ORANGE, markersize=16, markeredgewidth=3)
            if measure.corpus is not None:
                axes.plot([measure.corpus / widest], [place], "o", color=_BLUE, markersize=8)
        axes.barh([], [], color=_GREY, alpha=0.5, label="22 models")
        axes.plot([], [], "|", color=_ORANGE, markersize=12, markeredgewidth=3, label="human")
        axes.plot([], [], "o", color=_BLUE, label="this corpus")
        axes.set_yticks(range(len(measures)), [measure.label for measure in measures])
        axes.set_ylim(-0.6, len(measures) - 0.4)
        axes.set_xticks([])
        axes.invert_yaxis()
        axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return buffer.getvalue()
