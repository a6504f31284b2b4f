"""Cost of the solver: `python tests/benchmarks/conflict.py [FOLDER of conflicts]` (a few minutes; closes with one line of JSON).

(a) the embedded model's circuits: from the conflicts.json of the folder, else discovered anew on 64 samples of either set.
(b) pairs of random circuits of the shape of GPT-2 small, 12 layers of 12 heads and an MLP, 2,000 edges each, grown from `logits`, so
that every node reaches it. Kinds of gates are drawn by the shares of a mix, by edge (as discovery gives them: a node then has gates of
several kinds, which tie it to nearly all others, and there is little left to choose) or by node (one gate each, which leaves choices:
the hard case); a gate of one AND or OR input is an ADDER. Wall-clock seconds of `find_conflicts`, and of its phases; each has a time
limit, after which the status says what is proven.
"""

import json
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis import conflict_map, store  # noqa: E402
from analysis.conflict import find_conflicts  # noqa: E402
from analysis.gates import Gate, LogicalCircuit, place  # noqa: E402

N_LAYERS, N_HEADS, N_EDGES, N_SEEDS, TIME_LIMIT = 12, 12, 2000, 3, 15.0
KINDS = ("AND", "OR", "ADDER")
EVEN, AND, OR, ADDER = (1 / 3, 1 / 3, 1 / 3), (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)
MIXES = {  # shares in the forget circuit, in the retain circuit
    "even": (EVEN, EVEN), "AND": (AND, AND), "OR": (OR, OR), "ADDER": (ADDER, ADDER), "AND against OR": (AND, OR),
}
Edges = list[tuple[str, str]]


def gpt2_small_edges() -> dict[str, list[str]]:
    """Of every node and of logits: the heads and MLPs that it reads."""
    names = [name for layer in range(N_LAYERS) for name in (*(f"a{layer}.h{head}" for head in range(N_HEADS)), f"m{layer}")]
    sources = {name: [other for other in names if runs_before(other, name)] for name in names}
    return sources | {"logits": names}


def runs_before(source: str, target: str) -> bool:
    return place(source) < place(target) and not (source[0] == target[0] == "a" and place(source)[0] == place(target)[0])


def random_edges(rng: np.random.Generator) -> Edges:
    """Drawn one by one among the edges into nodes that already reach logits."""
    sources, reached, edges = gpt2_small_edges(), ["logits"], {}
    while len(edges) < N_EDGES:
        target = reached[rng.integers(len(reached))]
        if sources[target]:
            source = sources[target].pop(rng.integers(len(sources[target])))
            edges[source, target] = None
            if source not in reached:
                reached.append(source)
    return list(edges)


def random_gates(rng: np.random.Generator, edges: Edges, shares: tuple[float, ...], by_node: bool) -> LogicalCircuit:
    groups: dict[tuple[str, str], list[str]] = {}
    of_node = {target: str(rng.choice(KINDS, p=shares)) for _, target in edges}
    for (source, target), kind in zip(edges, rng.choice(KINDS, len(edges), p=shares), strict=True):
        groups.setdefault((target, of_node[target] if by_node else str(kind)), []).append(source)
    for (target, kind), inputs in list(groups.items()):
        if kind != "ADDER" and len(inputs) == 1:
            groups.setdefault((target, "ADDER"), []).extend(groups.pop((target, kind)))
    return LogicalCircuit(tuple(Gate(target, kind, tuple(inputs)) for (target, kind), inputs in groups.items()))


def embedded(folder: Path | None) -> tuple[LogicalCircuit, list[LogicalCircuit]]:
    if folder is not None:
        found = conflict_map.read(folder)
        return found.forget, list(found.retains)
    from analysis.dataset import load_samples
    from analysis.logical_circuits import DiscoveryConfig, set_circuits
    from analysis.model import load_model

    handle = load_model(store.DATA / "model", "cpu")
    sets = [load_samples(store.DATA / f"{name}.jsonl", limit=64) for name in ("forget", "retain")]
    forget, retain = (set_circuits(handle, samples, DiscoveryConfig()).logical for samples in sets)
    return forget, [retain]


def timed(name: str, forget: LogicalCircuit, retains: list[LogicalCircuit]) -> dict:
    start = time.perf_counter()
    found = find_conflicts(forget, retains, time_limit=TIME_LIMIT)
    phases = {key.removesuffix("_seconds"): round(value, 3) for key, value in found.statistics.items() if key.endswith("_seconds")}
    sizes = {key: value for key, value in found.statistics.items() if key.startswith("n_")}
    row = {"name": name, "status": found.status, "n_conflicts": found.n_conflicts, "at_least": found.at_least,
           "n_fixed": sum(found.fixed.values()), "n_nodes": len(found.fixed), "seconds": round(time.perf_counter() - start, 3)}
    print(f"{name:>24}: {row['seconds']:7.3f} s, {found.status}, {found.n_conflicts} conflicts (at least {found.at_least}), "
          f"{row['n_fixed']} of {row['n_nodes']} nodes fixed; {phases}", flush=True)
    return row | {"phases": phases} | sizes


def pair(seed: int, mix: str, by_node: bool) -> list[LogicalCircuit]:
    rng = np.random.default_rng(seed)
    return [random_gates(rng, random_edges(rng), shares, by_node) for shares in MIXES[mix]]


def main() -> None:
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    result = {"time_limit": TIME_LIMIT, "embedded": timed("embedded", *embedded(given)), "gpt2_small_shape": []}
    for mix, by_node, seed in product(MIXES, (False, True), range(N_SEEDS)):
        forget, retain = pair(seed, mix, by_node)
        name = f"{mix}, by {'node' if by_node else 'edge'}, {seed}"
        result["gpt2_small_shape"].append(timed(name, forget, [retain]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
