"""Where between ablated (0) and clean (1) gradients are taken, and with which weight: quadrature rules and the runs of each method."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.graph import GraphIndex

Quadrature = Literal["left", "right", "midpoint", "gauss-legendre"]
QUADRATURES = ("left", "right", "midpoint", "gauss-legendre")


@dataclass(frozen=True)
class Run:
    """One run of a sample: node group `group` stands at `point` between ablated (0) and clean (1), all others as they come.

    Groups: 0 = `input`, 1 + 2l = all heads of layer l together, 2 + 2l = the MLP of layer l.
    """

    group: int
    point: float
    weight: float


def quadrature(rule: Quadrature, n_steps: int) -> tuple[list[float], list[float]]:
    """Points in [0, 1] and weights that sum to 1, clean end first.

    `left` (k/m for k = 0..m-1) holds the *ablated* end and never the clean one, as EAP-IG's library takes EAP-IG-inputs; `right`
    (k = 1..m) holds the clean end and never the ablated one, as that library and the released CUD code take EAP-IG-activations.
    """
    grid = np.arange(n_steps)
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)
        return [float(x) for x in (nodes[::-1] + 1) / 2], [float(w) for w in weights[::-1] / 2]
    shift = {"left": 0.0, "midpoint": 0.5, "right": 1.0}[rule]
    return [float(x) for x in (grid[::-1] + shift) / n_steps], [1 / n_steps] * n_steps


def runs_of(method: str, rule: Quadrature, n_steps: int, index: GraphIndex) -> list[Run]:
    """The runs whose weighted gradients add up to the method's; a clean run, where there is one, comes first."""
    if method == "EAP":
        return [Run(0, 1.0, 1.0)]
    n_groups = 1 + 2 * index.n_layers if method == "EAP-IG-activations" else 1
    steps = list(zip(*quadrature(rule, n_steps), strict=True))
    return [Run(group, point, weight / n_groups) for group in range(n_groups) for point, weight in steps]
