"""The report's graphs over layers: a circuit from input to logits, and the conflict map. Heads and MLPs have lanes of their own."""

from collections.abc import Iterable

import numpy as np
from markupsafe import Markup

from analysis.circuit import Circuit, edges_frame, strongest
from analysis.conflict_map import ConflictMap
from analysis.gates import place
from analysis.report_svg import Number, legend, line, mark, picture, tag, text

N_EDGES = 60  # drawn: more cannot be followed by eye
MOST_LANES = 16
LEFT, TOP, WIDTH, LANE = 50, 40, 1020, 40
CONFLICT_MARKS = {"forget": "down", "conflict": "diamond", "retain": "circle", "free": "square"}


def circuit_graph(circuit: Circuit, boundary: int) -> Markup:
    """The strongest edges, at most N_EDGES: those that end before the boundary solid, the others dashed; width grows with |score|."""
    drawn = strongest(circuit, N_EDGES)
    edges = edges_frame(drawn)[::-1]  # strongest last, on top
    names = dict.fromkeys(["input", *edges["source"], *edges["target"], "logits"])
    lanes = _lanes(circuit.index.n_heads, names)
    spots = {name: _spot(name, lanes, circuit.index.n_layers) for name in names}
    most = edges["score"].abs().max() or 1.0
    parts = _scale(lanes, circuit.index.n_layers, boundary)
    for edge in edges.itertuples():
        side = "late" if edge.target_layer >= boundary else "early"
        width = 0.8 + 4.2 * float(np.sqrt(abs(edge.score) / most))
        parts.append(_edge(*spots[edge.source], *spots[edge.target], f"edge {side}", width, f"{edge.edge}: {edge.score:.4f}"))
    for name, (x, y) in spots.items():
        parts += [mark("square" if name in ("input", "logits") else "circle", x, y, 5, "node", name),
                  text(x, y - 9, name, text_anchor="middle", class_="node-name")]
    n_late = int((edges["target_layer"] >= boundary).sum())
    sides = f"{len(edges) - n_late} early (solid), {n_late} late (dashed, from layer {boundary})"
    shown = f"{len(edges)} of {circuit.n_edges} edges: {sides}"
    height = TOP + LANE * len(lanes) + 34
    return picture(f"Circuit, {shown}", LEFT + WIDTH + 50, height, [*parts, *_line_legend(shown)])


def conflict_graph(found: ConflictMap) -> Markup:
    """Every head and MLP by layer, its mark the label."""
    n_layers = max(node.layer for node in found.nodes.values()) + 1
    n_heads = max([place(name)[1] + 1 for name, node in found.nodes.items() if node.kind == "head"], default=0)
    lanes = _lanes(n_heads, found.nodes)
    parts = _scale(lanes, n_layers, None)
    for name, node in found.nodes.items():
        x, y = _spot(name, lanes, n_layers)
        parts.append(mark(CONFLICT_MARKS[node.label], x, y, 6, f"c-{node.label}", f"{name}: {node.label}"))
    counts = found.n_labelled()
    entries = [(shape, f"c-{label}", f"{label} ({counts[label]})") for label, shape in CONFLICT_MARKS.items() if counts[label]]
    height = TOP + LANE * len(lanes) + 34
    return picture("Conflict map by layer", LEFT + WIDTH + 50, height, [*parts, *legend(entries, LEFT, 16)])


def _lanes(n_heads: int, names: Iterable[str]) -> list[str]:
    """Of heads, top to bottom, then the MLPs'; a model with many heads has lanes only for those that are drawn."""
    heads = range(n_heads)
    if n_heads > MOST_LANES:
        heads = sorted({int(name.split(".h")[1]) for name in names if ".h" in name})
    return [*(f"h{head}" for head in heads), "MLP"]


def _spot(name: str, lanes: list[str], n_layers: int) -> tuple[Number, Number]:
    """Layers are columns between `input` and `logits`; an MLP reads its layer's heads, so it stands to their right."""
    column = WIDTH / (n_layers + 1)
    if name in ("input", "logits"):
        return LEFT + (10 if name == "input" else WIDTH - 10), TOP + LANE * len(lanes) / 2
    layer, _, head = name[1:].partition(".")
    y = TOP + LANE * (lanes.index(head or "MLP") + 0.6)
    return LEFT + column * (int(layer) + (0.85 if head else 1.2)), y


def _scale(lanes: list[str], n_layers: int, boundary: int | None) -> list[Markup]:
    """Names of the lanes and layers, and the boundary between early and late."""
    bottom, column = TOP + LANE * len(lanes), WIDTH / (n_layers + 1)
    parts = [line(LEFT, TOP + LANE * (i + 0.6), LEFT + WIDTH, TOP + LANE * (i + 0.6), "grid") for i in range(len(lanes))]
    parts += [text(LEFT - 18, TOP + LANE * (i + 0.6) + 4, name, text_anchor="end") for i, name in enumerate(lanes)]
    every = max(1, n_layers // 16)
    parts += [text(LEFT + column * (layer + 1), bottom + 22, f"layer {layer}" if layer == 0 else str(layer), text_anchor="middle")
              for layer in range(0, n_layers, every)]
    if boundary is not None:
        x = LEFT + column * (boundary + 0.5)
        parts.append(line(x, TOP - 6, x, bottom + 4, "boundary"))
    return parts


def _edge(x1: Number, y1: Number, x2: Number, y2: Number, class_: str, width: Number, says: str) -> Markup:
    """A curve that leaves and arrives level; along one lane it bows, so that it does not run through the nodes between."""
    bow = -min(0.16 * (x2 - x1), 1.4 * LANE) if abs(y2 - y1) < 1 and x2 - x1 > 60 else 0.0
    middle = (x1 + x2) / 2
    path = f"M{x1:.1f},{y1:.1f}C{middle:.1f},{y1 + bow:.1f} {middle:.1f},{y2 + bow:.1f} {x2:.1f},{y2:.1f}"
    return tag("path", tag("title", says), d=path, class_=class_, stroke_width=round(width, 2))


def _line_legend(words: str) -> list[Markup]:
    parts = [line(LEFT, 14, LEFT + 26, 14, "edge early sample"), line(LEFT + 34, 14, LEFT + 60, 14, "edge late sample")]
    return [*parts, text(LEFT + 70, 18, words)]
