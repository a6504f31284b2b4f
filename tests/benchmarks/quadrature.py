"""What steps and methods are worth on the embedded model: `python tests/benchmarks/quadrature.py` (a few minutes).

Two tables, per ablation, medians and means over samples of the forget set: (1) EAP-IG-inputs by rule and number of steps:
completeness error, and how many of the 100 strongest edges it shares with 200 midpoints; (2) with `--exact`, how each
method's scores agree with the real effects of all edges, ablated one at a time: linearly, by rank over all edges, by rank among the
200 largest effects, and in the 100 strongest.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis import store  # noqa: E402
from analysis.attribution import AttributionConfig, completeness_error, edge_scores  # noqa: E402
from analysis.corruption import corrupt  # noqa: E402
from analysis.dataset import load_samples  # noqa: E402
from analysis.interpolation import QUADRATURES  # noqa: E402
from analysis.model import load_model  # noqa: E402
from analysis.tokens import tokenize  # noqa: E402

METHODS = {
    "EAP": ("EAP", 1, "midpoint"),
    "EAP-IG-inputs, 5 midpoints": ("EAP-IG-inputs", 5, "midpoint"),
    "EAP-IG-inputs, 20 midpoints": ("EAP-IG-inputs", 20, "midpoint"),
    "EAP-IG-activations, 5 right": ("EAP-IG-activations", 5, "right"),
}


def overlap(scores: np.ndarray, best: np.ndarray, n_edges: int = 100) -> float:
    """Mean share of the strongest edges that both have."""
    tops = [np.argsort(-np.abs(s.reshape(len(s), -1)), 1, kind="stable")[:, :n_edges] for s in (scores, best)]
    return float(np.mean([len(set(a) & set(b)) / n_edges for a, b in zip(*tops, strict=True)]))


def step_table(handle, data: dict, steps: list[int]) -> None:
    best = edge_scores(handle, config=AttributionConfig("EAP-IG-inputs", data["name"], 200), **data["batches"])
    for rule in QUADRATURES:
        for n_steps in steps:
            config = AttributionConfig("EAP-IG-inputs", data["name"], n_steps, quadrature=rule)
            scores = edge_scores(handle, config=config, **data["batches"])
            error = np.median(completeness_error(handle, scores=scores, config=config, **data["batches"]))
            shared = overlap(scores, best)
            print(f"{data['name']:8} {rule:14} {n_steps:3} steps: completeness error {error:.3f}, top 100 {shared:.3f}", flush=True)


def exact_table(handle, data: dict, metric: str) -> None:
    from scipy.stats import spearmanr

    real = handle.index.real_edges
    exact = edge_scores(handle, config=AttributionConfig("exact", data["name"], metric=metric), **data["batches"])
    for name, (method, n_steps, rule) in METHODS.items():
        config = AttributionConfig(method, data["name"], n_steps, metric, rule)
        scores = edge_scores(handle, config=config, **data["batches"])
        pairs = [(a[real], b[real]) for a, b in zip(scores, exact, strict=True)]
        largest = [np.argsort(-np.abs(effects))[:200] for _, effects in pairs]
        linear = np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])
        ranked = np.mean([spearmanr(a, b).statistic for a, b in pairs])
        top = np.mean([spearmanr(a[rows], b[rows]).statistic for (a, b), rows in zip(pairs, largest, strict=True)])
        print(f"{data['name']:8} {name:27}: with exact Pearson {linear:.2f}, Spearman {ranked:.2f}, of the 200 largest effects "
              f"{top:.2f}; top 100 in common {overlap(scores, exact):.2f}", flush=True)


def cases(model, n_samples: int) -> list[dict]:
    """The samples under each ablation; corrupted questions ask about another person."""
    forget = load_samples(store.DATA / "forget.jsonl")
    asked, _ = corrupt(forget, model.tokenizer)
    chosen = [asked[row] for row in np.linspace(0, len(asked) - 1, n_samples).astype(int)]
    batch, everyone = (tokenize(some, model.tokenizer) for some in (chosen, forget))
    corrupted = tokenize(chosen, model.tokenizer, corrupted=True)
    return [
        {"name": "zero", "batches": {"batch": batch}},
        {"name": "mean", "batches": {"batch": batch, "reference": everyone}},
        {"name": "patching", "batches": {"batch": batch, "corrupted": corrupted}},
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-samples", type=int, default=12)
    parser.add_argument("--steps", type=int, nargs="+", default=[3, 5, 10, 20, 50])
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--metric", default="log_prob")
    parser.add_argument("--only", choices=["zero", "mean", "patching"])
    given = parser.parse_args()
    embedded = load_model(store.DATA / "model", "cpu")
    for case in cases(embedded, given.n_samples):
        if given.only in (None, case["name"]):
            if given.exact:
                exact_table(embedded, case, given.metric)
            else:
                step_table(embedded, case, given.steps)
