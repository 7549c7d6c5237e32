# SPDX-License-Identifier: ISC
"""The look of the pictures, and how a matplotlib figure becomes SVG inside a page.

The colours are CSS variables of the page (`--ink`, `--observed`, ...), so one picture
serves light, dark and paper. The same figure and name give the same bytes.
"""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

SERIES = ("first", "second", "third", "fourth", "fifth", "sixth")
"""Runs that one picture shows together."""
_OTHERS = ("ink", "quiet", "hair", "commanded", "observed", "pass", "inconclusive", "fail")

COLOURS = {name: f"#{place:06x}" for place, name in enumerate((*_OTHERS, *SERIES), 1)}
"""CSS variable -> the stand-in to draw with; `inline` exchanges them."""

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": COLOURS["hair"],
    "axes.labelcolor": COLOURS["quiet"],
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": COLOURS["ink"],
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["hair"],
    "xtick.labelcolor": COLOURS["quiet"],
    "ytick.color": COLOURS["hair"],
    "ytick.labelcolor": COLOURS["quiet"],
}

_CLEANING = (
    (r"<metadata>.*?</metadata>", ""),
    (r"<!--.*?-->", ""),
    (r"<style.*?</style>", ""),
    (r' transform="rotate\(-0[^"]*"', ""),
    (r"xlink:href", "href"),
    (r'<g id="[^"]*"', "<g"),
    (r"'DejaVu Sans', sans-serif", "var(--sans)"),
    (r"\s*\n\s*", "\n"),
    (r"\n(?=[LMz\"])", ""),
)
"""What an SVG inside a page does not need or, as a style sheet, would force on the page."""

_TAG = re.compile(r"<[^>]*>")
_DIGITS = re.compile(r"(-?\d+\.\d\d)\d+")
"""Nobody sees less than a hundredth of a point."""


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """The style to draw with; `name` keeps the ids of one picture from those of another."""
    with mpl.rc_context(_STYLE), mpl.rc_context({"svg.hashsalt": name}):
        yield


def inline(figure: Figure, title: str) -> Markup:
    """The figure as an SVG element that scales with its box; `title` is read aloud.

    Must be called inside `drawing`.
    """
    buffer = StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for pattern, replacement in _CLEANING:
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    text = _TAG.sub(lambda tag: _DIGITS.sub(r"\1", tag[0]), text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return Markup(re.sub(r"<svg[^>]*>", lambda tag: _opening(tag[0], title), text, count=1))


def _opening(tag: str, title: str) -> str:
    """The opening tag without a size of its own, and with a name."""
    words = html.escape(title)
    view_box = " ".join(re.findall(r'viewBox="[^"]*"', tag))
    return f'<svg role="img" aria-label="{words}" {view_box}><title>{words}</title>'
