"""A forget set and retain sets -> the conflict map of a model: circuits, gates, solver, reasons and masks, in this order (CLUE,
arXiv 2509.20977).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from analysis import provenance
from analysis.circuit import kind
from analysis.conflict import Conflicts, find_conflicts
from analysis.conflict_map import ConflictMap, MapCircuit, MapNode
from analysis.dataset import Sample
from analysis.logical_circuits import DiscoveryConfig, SetCircuits, set_circuits
from analysis.model import ModelHandle
from analysis.node_masks import mask_of, n_parameters
from analysis.reasons import reasons
from analysis.tokens import TokenBatch, tokenize
from analysis.what_if import sizes

MAX_REFERENCE = 256
UNUSED = "It is in no set's circuits: nothing asks for it to go, so that it stays."

Set = tuple[Path, list[Sample]]  # a file and what was read from it


def search(
    handle: ModelHandle, forget: Set, retains: Sequence[Set], config: DiscoveryConfig, time_limit: float,
    report: Callable[[str, int, int], None],
) -> ConflictMap:
    """`time_limit` in seconds is for the solver, and again for the reasons.

    Under mean ablation one mean serves all sets, over all of them together: a mean of the forget set alone would hold what the sets
    differ in. Raises ValueError for sets of which no circuits can be found.
    """
    names = ["forget", *("retain" if len(retains) == 1 else f"retain {i}" for i in range(1, len(retains) + 1))]
    sets = [samples for _, samples in (forget, *retains)]
    reference = reference_of(handle, sets) if config.ablation == "mean" else None
    circuits = [
        set_circuits(handle, samples, config, reference=reference, report=lambda phase, *n, s=name: report(f"{s} set: {phase}", *n))
        for name, samples in zip(names, sets, strict=True)
    ]
    logical = [found.logical for found in circuits]
    report("conflicts", 0, 1)
    started = time.perf_counter()
    found = find_conflicts(logical[0], logical[1:], time_limit=time_limit)
    seconds = time.perf_counter() - started
    report("conflicts", 1, 1)
    words = reasons(logical[0], logical[1:], found, time_limit=time_limit)
    settings = asdict(config) | {"time_limit": time_limit, "n_reference": 0 if reference is None else len(reference)}
    result = ConflictMap(
        found.status, found.n_conflicts, found.at_least, round(seconds, 3), _nodes(handle, circuits, found, words),
        tuple(_circuit(file, c, i) for i, ((file, _), c) in enumerate(zip((forget, *retains), circuits, strict=True))),
        found.statistics, handle.n_parameters, {}, settings, provenance.of(handle, **dict(zip(names, sets, strict=True))),
    )
    return replace(result, masks=sizes(handle, result, config.seed))


def reference_of(handle: ModelHandle, sets: Sequence[list[Sample]]) -> TokenBatch:
    """All samples of all sets in one batch; of more than MAX_REFERENCE, so many evenly."""
    samples = [sample for part in sets for sample in part]
    rows = np.linspace(0, len(samples) - 1, min(len(samples), MAX_REFERENCE)).round().astype(int)
    return tokenize([samples[row] for row in rows], handle.tokenizer, max_length=handle.max_length)


def _circuit(file: Path, found: SetCircuits, place: int) -> MapCircuit:
    return MapCircuit(
        "retain" if place else "forget", file.name, found.n_samples, int(found.maintain.sum()), int(found.breaking.sum()),
        found.faithfulness, found.completeness, found.reached, found.logical,
    )


def _nodes(handle: ModelHandle, circuits: list[SetCircuits], found: Conflicts, words: dict[str, str]) -> dict[str, MapNode]:
    """Every head and MLP, in the order of the forward pass. Its score in a set is over all edges out of it, in a circuit or not."""
    index = handle.index
    scores = [np.abs(c.noising).sum(1, dtype=np.float64) for c in circuits]
    sides = {"forget": {*circuits[0].logical.nodes}, "retain": {name for c in circuits[1:] for name in c.logical.nodes}}
    nodes = {}
    for row, name in enumerate(index.forward_names[1:], 1):
        assigned, fixed = found.assigned.get(name, "retain"), found.fixed.get(name, True)
        nodes[name] = MapNode(
            assigned if assigned == "conflict" or fixed else "free", assigned, fixed, int(index.forward_layers[row]), kind(name),
            n_parameters(mask_of(handle, [name])), float(scores[0][row]), float(np.mean([part[row] for part in scores[1:]])),
            tuple(side for side, members in sides.items() if name in members), words.get(name, UNUSED),
        )
    return nodes
