"""The report's drawings are SVG inside its page: elements, axes and marks. Colours are classes, so that they follow light and dark.

Text is escaped where it becomes an element; nothing else makes markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

SHAPES = {  # of radius 1; told apart without colour
    "circle": "M-1,0A1,1 0 1,0 1,0A1,1 0 1,0 -1,0Z", "square": "M-.9-.9H.9V.9H-.9Z",
    "up": "M0-1.2L1.1.8H-1.1Z", "down": "M0,1.2L1.1-.8H-1.1Z",
    "diamond": "M0-1.3L1.3,0L0,1.3L-1.3,0Z", "plus": "M-.4-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
    "cross": "M-1.1-.6L-.6-1.1L0-.5L.6-1.1L1.1-.6L.5,0L1.1.6L.6,1.1L0,.5L-.6,1.1L-1.1.6L-.5,0Z",
}

Number = int | float
Ticks = Sequence[tuple[Number, str]]  # values and their labels


def tag(name: str, *inside: object, **attributes: object) -> Markup:
    """An element. `_` in the name of an attribute stands for `-`, and one at its end is left out (`class_`)."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{words}>{''.join(escape(part) for part in inside)}</{name}>")


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def picture(title: str, width: int, height: int, parts: Sequence[Markup]) -> Markup:
    """The whole drawing. `title` is what a screen reader says of it."""
    return tag("svg", *parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=title, width=width, height=height)


def text(x: Number, y: Number, words: str, **attributes: object) -> Markup:
    return tag("text", words, x=float(x), y=float(y), **attributes)


def mark(shape: str, x: Number, y: Number, size: Number, class_: str, says: str = "") -> Markup:
    """A mark, which says its words where the pointer rests on it."""
    where = f"translate({x:.2f},{y:.2f}) scale({size:g})"
    return tag("path", *([tag("title", says)] if says else []), d=SHAPES[shape], transform=where, class_=f"mark {class_}")


def line(x1: Number, y1: Number, x2: Number, y2: Number, class_: str) -> Markup:
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def box(x: Number, y: Number, width: Number, height: Number, class_: str) -> Markup:
    return tag("rect", x=float(x), y=float(y), width=float(max(width, 0.0)), height=float(max(height, 0.0)), class_=class_)


def legend(entries: Sequence[tuple[str, str, str]], x: Number, y: Number, step: Number = 0) -> list[Markup]:
    """A mark (shape, class) and words each: one below the other, `step` pixels apart, or in a row where it is 0."""
    parts: list[Markup] = []
    for shape, class_, words in entries:
        parts += [mark(shape, x, y - 4, 5, class_), text(x + 11, y, words)]
        x, y = (x, y + step) if step else (x + 30 + 6.6 * len(words), y)
    return parts


@dataclass(frozen=True)
class Axes:
    """A field of a drawing whose corners are the ends of two axes; `y_range` runs from bottom to top."""

    left: Number
    top: Number
    width: Number
    height: Number
    x_range: tuple[Number, Number]
    y_range: tuple[Number, Number]

    def x(self, value: Number) -> float:
        low, high = self.x_range
        return self.left + (float(value) - low) / (high - low) * self.width

    def y(self, value: Number) -> float:
        low, high = self.y_range
        return self.top + self.height - (float(value) - low) / (high - low) * self.height

    def draw(self, x_ticks: Ticks, y_ticks: Ticks, x_title: str, y_title: str) -> list[Markup]:
        """Grid, ticks and titles; the title of the y axis stands above it, where it can be read."""
        bottom, right = self.top + self.height, self.left + self.width
        parts = [line(self.x(v), self.top, self.x(v), bottom, "grid") for v, _ in x_ticks]
        parts += [line(self.left, self.y(v), right, self.y(v), "grid") for v, _ in y_ticks]
        parts += [text(self.x(v), bottom + 17, words, text_anchor="middle") for v, words in x_ticks]
        parts += [text(self.left - 8, self.y(v) + 4, words, text_anchor="end") for v, words in y_ticks]
        parts.append(text(self.left + self.width / 2, bottom + 36, x_title, text_anchor="middle", class_="axis"))
        return [*parts, text(4, self.top - 12, y_title, class_="axis")]


def ticks(low: Number, high: Number, step: Number, form: str) -> list[tuple[Number, str]]:
    """Round values from low to high with their labels."""
    count = round((high - low) / step)
    return [(low + i * step, format(low + i * step, form)) for i in range(count + 1)]
