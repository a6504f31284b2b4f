"""The palette can be read: by people who see no red or no green too, and against either background."""

from itertools import combinations

import numpy as np
import pytest

from components import palette

THEMES = pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
MACHADO = {  # Machado, Oliveira and Fernandes 2009, table 1, severity 1.0, on linear RGB
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}
SIDE_BY_SIDE = [  # what stands in one picture
    ("early", "late"), ("easy", "hard", "shared"), ("easy", "hard", "random"), ("easy", "hard", "middle"), ("hard", "retain", "middle"),
]
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # of linear sRGB, D65


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2."""
    darker, lighter = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear sRGB."""
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in XYZ @ rgb / XYZ.sum(1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(one: str, other: str, sight: str) -> float:
    seen = [lab(np.clip(MACHADO[sight] @ linear(colour), 0, 1)) for colour in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


@THEMES
@pytest.mark.parametrize("sight", MACHADO)
def test_colours_of_one_picture_are_told_apart(theme, sight):
    for names in SIDE_BY_SIDE:
        for one, other in combinations(names, 2):
            assert distance(theme[one], theme[other], sight) > 20, (one, other)


def test_red_and_green_would_not_do():
    assert distance("#c00000", "#5a7a00", "normal") > 60
    assert distance("#c00000", "#5a7a00", "deuteranopia") < 20


@THEMES
def test_text_and_marks_stand_out(theme):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for ground in ("background", "panel"):
        for name in ("text", "muted"):
            assert contrast(theme[name], theme[ground]) >= 4.5, name
        for name in set(theme) - {"text", "muted", "grid", "background", "panel"}:
            assert contrast(theme[name], theme[ground]) >= 3, name
