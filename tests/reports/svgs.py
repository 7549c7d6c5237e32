"""What tests read out of the pictures."""

import re
from collections.abc import Callable

from reports.lanes import Picture

Scale = Callable[[float], float]
"""A place in the picture -> what the axis says there."""


def texts(picture: Picture) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture.svg)


ALL = (0.0, 1e9)
"""Of a picture with one panel; else from where to where the panel is, in points."""


def ticks(picture: Picture, panel: tuple[float, float] = ALL) -> list[tuple[float, float]]:
    """Places and numbers below the axis of a panel: the lowest row of numbers."""
    found = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', picture.svg)
    numbers = [
        (float(y), float(x), float(text.replace(",", "").replace("\N{MINUS SIGN}", "-")))
        for x, y, text in found
        if re.fullmatch(r"[\N{MINUS SIGN}\d,.]+", text) and panel[0] < float(x) < panel[1]
    ]
    lowest = max(y for y, _, _ in numbers)
    return [(x, number) for y, x, number in numbers if y > lowest - 1]


def scale(picture: Picture, panel: tuple[float, float] = ALL) -> Scale:
    """That of the axis below the panel."""
    (x0, first), *_, (x1, last) = ticks(picture, panel)
    return lambda x: first + (x - x0) / (x1 - x0) * (last - first)


def marks(picture: Picture) -> list[float]:
    """Where arrows and the ends of bars are, from left to right; not the ticks of the axes."""
    found = re.findall(r'<use href="[^"]*" x="([\d.]+)" y="[\d.]+" style="([^"]*)"', picture.svg)
    return sorted(float(x) for x, style in found if "var(--hair)" not in style)


def ends(picture: Picture, attribute: str) -> list[tuple[float, float]]:
    """From where to where each path goes whose style has `attribute`, in order of drawing."""
    found = []
    for path, style in re.findall(r'<path d="([^"]*)"[^>]*style="([^"]*)"', picture.svg):
        if attribute in style:
            places = [float(x) for x in re.findall(r"[ML] ?(-?[\d.]+) ", path)]
            found.append((min(places), max(places)))
    return found
