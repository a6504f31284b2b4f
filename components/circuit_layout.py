"""Where a circuit's nodes stand and how its edges look: arrays -> plain rows, no widgets and no pyvis."""

import numpy as np
import pandas as pd

from analysis.circuit import Circuit, edges_frame, kind
from analysis.graph import GraphIndex

MOST_LANES = 16  # models with more heads get lanes only for the heads in the circuit
WIDEST, THINNEST = 5.0, 0.8  # pixels


def lanes(index: GraphIndex, frame: pd.DataFrame) -> list[str]:
    """Names of the horizontal lanes, top to bottom: one per head (of the edges in `frame` where there are many), then the MLPs."""
    heads = range(index.n_heads)
    if index.n_heads > MOST_LANES:
        heads = sorted({int(name.split("h")[1]) for name in {*frame["source"], *frame["target"]} if name.startswith("a")})
    return [*(f"h{head}" for head in heads), "MLP"]


def height(index: GraphIndex) -> int:
    """Pixels for a graph of this model, the same however few lanes are drawn: all of it is on a screen of 768 pixels."""
    return min(500, max(425, 180 + 24 * (index.n_heads + 1)))


def edges(circuit: Circuit, boundary: int) -> pd.DataFrame:
    """edges_frame with what a reader compares: side of the boundary, share of |score|, and the drawn width in pixels.

    The width grows with the root of |score|: with |score| itself, one strong edge makes hairs of all the others.
    """
    frame = edges_frame(circuit)
    size = frame["score"].abs()
    total, top = size.sum(), size.max()
    frame["side"] = np.where(frame["target_layer"] >= boundary, "late", "early")
    frame["share"] = size / total if total else 0.0
    frame["width"] = THINNEST + (WIDEST - THINNEST) * (size / top) ** 0.5 if top else THINNEST
    return frame


def only(frame: pd.DataFrame, sign: str | None = None, inputs: list[str] | None = None) -> pd.DataFrame:
    """The edges that a reader wants to see: of one sign (`supports`, `suppresses`), into some of q, k, v, MLP, logits."""
    if sign:
        frame = frame[(frame["score"] >= 0) == (sign == "supports")]
    if inputs:
        into = frame["input"].where(frame["input"] != "", frame["target"].where(frame["target"] == "logits", "MLP"))
        frame = frame[into.isin(inputs)]
    return frame


def nodes(index: GraphIndex, frame: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """One row per node with an edge in `frame`: name, kind, place (x in layers, y in lanes), |score| into and out of it."""
    size = frame["score"].abs()
    into, out = size.groupby(frame["target"]).sum(), size.groupby(frame["source"]).sum()
    rows = []
    for name in dict.fromkeys(["input", *frame["source"], *frame["target"], "logits"]):
        role = kind(name)
        if role in ("input", "logits"):
            x, y = (-1.0 if role == "input" else float(index.n_layers)), (len(order) - 2) / 2  # between lanes
        else:  # inside a layer the MLP reads the heads, so it stands a little to their right
            layer, _, head = name[1:].partition(".")
            x = int(layer) + (0.22 if role == "MLP" else -0.15)
            y = order.index(head or "MLP")
        rows.append((name, role, x, float(y), into.get(name, 0.0), out.get(name, 0.0)))
    return pd.DataFrame(rows, columns=["node", "kind", "x", "y", "into", "out"])
