"""The report's pictures: SVG, the same bytes for the same numbers (fixed hash salt, no date, text kept as text)."""

from __future__ import annotations

import io
import warnings
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
_BLUE, _ORANGE, _GREY, _HOLE, _EMPTY, _CLOSED = "#2f6690", "#c8553d", "#9aa0a6", "#f0a894", "#f1f3f5", "#b9bec4"


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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "constrained_layout not applied")  # one trait: too small to lay out, and still drawn
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})


def heat_map(rows: Sequence[str], columns: Sequence[str], counts: NDArray[np.int64], wanted: NDArray[np.float64]) -> bytes:
    """Documents in each cell, darker the more; a hole where there is none and ``wanted`` is at least one, grey where it is not a number."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    with _figure(2.6 + 0.34 * len(columns), 2.2 + 0.26 * len(rows)) as (axes, buffer):
        most = max(int(counts.max(initial=0)), 1)
        cells = colormaps["Blues"](0.2 + 0.6 * counts / most)
        cells[counts == 0] = to_rgba(_EMPTY)
        cells[np.isnan(wanted) & (counts == 0)] = to_rgba(_CLOSED)
        cells[holes(counts, wanted)] = to_rgba(_HOLE)
        axes.pcolormesh(cells, edgecolors="white", linewidth=0.5)
        for row, column in zip(*np.nonzero(counts), strict=True):
            shade = "white" if counts[row, column] > 0.6 * most else "black"
            number = axes.text(column + 0.5, row + 0.5, str(counts[row, column]), ha="center", va="center", fontsize=7, color=shade)
            number.set_in_layout(False)  # inside its cell: to measure each of them takes longer than to draw the rest
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.spines[:].set_visible(False)
        told = {"none, one or more wanted": _HOLE, "none, less than one wanted": _EMPTY, "not in the plan": _CLOSED}
        patches = [Patch(color=colour, label=label) for label, colour in told.items()]
        axes.legend(handles=patches, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0))
    return buffer.getvalue()


def holes(counts: NDArray[np.int64], wanted: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The empty cells that should hold at least one document."""
    found: NDArray[np.bool_] = (counts == 0) & (np.nan_to_num(wanted) >= 1)
    return found


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
            width = (measure.high - measure.low) / widest
            label = "22 models" if place == 0 else None
            axes.barh(place, width, left=measure.low / widest, height=0.4, color=_GREY, alpha=0.5, label=label)
            axes.plot([measure.human / widest], [place], "|", color=_ORANGE, markersize=16, markeredgewidth=3)
            if measure.corpus is not None:
                axes.plot([measure.corpus / widest], [place], "o", color=_BLUE, markersize=8)
        axes.plot([], [], "|", color=_ORANGE, markersize=12, markeredgewidth=3, label="human")
        axes.plot([], [], "o", color=_BLUE, label="this corpus")
        axes.set_yticks(range(len(measures)), [measure.label for measure in measures])
        axes.set_ylim(-0.6, len(measures) - 0.4)
        axes.set_xticks([])
        axes.invert_yaxis()
        axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    return buffer.getvalue()
