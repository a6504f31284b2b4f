"""Does CUD depend on how edges are scored? `python tests/benchmarks/recipes.py` (a few minutes).

Scores of the whole embedded forget set by each method, ablation and metric; CUD from them with the shipped halves, anchor losses and
settings; its Spearman with observed difficulty, over all samples and within question templates, and beside it that of the mean
depth of the |score| mass.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis import runs, store  # noqa: E402
from analysis.attribution import AttributionConfig, edge_scores  # noqa: E402
from analysis.cross_fitting import CudConfig, cross_fitted  # noqa: E402
from analysis.dataset import load_samples  # noqa: E402
from analysis.model import load_model  # noqa: E402
from analysis.statistics import percent_ranks  # noqa: E402
from analysis.tokens import tokenize  # noqa: E402
from analysis.validity import measure, observed_part, target_of  # noqa: E402

RECIPES = [
    AttributionConfig("EAP", "zero"),
    AttributionConfig("EAP-IG-inputs", "zero"),
    AttributionConfig("EAP-IG-inputs", "zero", metric="probability"),
    AttributionConfig("EAP-IG-inputs", "mean"),
    AttributionConfig("EAP-IG-inputs", "patching"),
    AttributionConfig("EAP-IG-activations", "zero", 5, quadrature="right"),
    AttributionConfig("EAP-IG-activations", "zero", 5, "released", "right"),
]

if __name__ == "__main__":
    results = store.DATA / "results"
    table, details = store.read_scores(results / "scores")
    found = [runs.read_run(folder) for folder in sorted((results / "runs").iterdir())]
    target = target_of(*observed_part(table, found))
    losses = pd.DataFrame(details["anchor_losses"]).reindex(table["sample_id"]).reset_index(drop=True)
    cud = CudConfig(**details["config"]["cud"] | {"methods": ()})
    model, forget = load_model(store.DATA / "model", "cpu"), load_samples(store.DATA / "forget.jsonl")
    batch, corrupted = (tokenize(forget, model.tokenizer, corrupted=flag) for flag in (False, True))
    fold = table["fold"].to_numpy()
    for recipe in RECIPES:
        scores = edge_scores(model, batch, recipe, corrupted=corrupted if recipe.ablation == "patching" else None)
        fitted = cross_fitted(scores, model.index, fold, losses, table["base_nll"].to_numpy(), cud)
        mass = np.abs(scores).sum(1)
        values = {"CUD": percent_ranks(fitted.cud, fold), "depth": mass @ model.index.backward_layers / mass.sum(1)}
        for name, row in ((name, measure(name, value, target)) for name, value in values.items()):
            print(f"{recipe.method:18} {recipe.ablation:8} {recipe.metric:11} {name:5}: Spearman {row['spearman']:.2f} "
                  f"({row['low']:.2f} to {row['high']:.2f}), within template {row['within_template']:.2f}", flush=True)
