"""What may tell beforehand which samples resist unlearning: the scores, depth read-outs of the circuits, and a skeptic's baselines."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from analysis.circuit import Circuit
from analysis.comparison import readouts_frame
from analysis.statistics import percent_ranks

DEPTHS = {  # columns of `comparison.readouts_frame`; deep and long are said to be hard
    "mean_layer": "Mean layer", "longest_path": "Longest path", "mean_path": "Mean path", "late_share": "Late share",
}
MASS = "Mean depth of |score|"
TEMPLATE = "Question template"
BASELINES = ("Answer length", "Base NLL", "Token frequency", TEMPLATE)
POLARITY = (
    "Said to be hard: a high CUD, a low MRD, a deep or long circuit, a long answer, a low base NLL, frequent tokens, and a template "
    "whose samples in the other half are hard."
)


def predictors(scores: pd.DataFrame, circuits: dict[str, Circuit]) -> pd.DataFrame:
    """Each predictor's value for each sample of scores.csv, by sample_id and name; high = said to be hard.

    CUD is its percent rank within its half, because the halves were scored by different anchors. Depth read-outs only if there
    are circuits; NaN for a sample without. The template baseline needs outcomes: see `template_means`.
    """
    frame = pd.DataFrame({
        "CUD": percent_ranks(scores["cud"].to_numpy(), scores["fold"].to_numpy()),
        "MRD": -scores["mrd"].to_numpy(),
    }, index=pd.Index(scores["sample_id"], name="sample_id"))
    chosen = [circuits[name] for name in frame.index if name in circuits]
    if chosen:
        depth = readouts_frame(chosen, chosen[0].index.n_layers // 2).rename(columns=DEPTHS)[list(DEPTHS.values())]
        depth.insert(0, MASS, mass_depths(chosen))
        frame = frame.join(depth)
    frame["Answer length"] = scores["n_answer_tokens"].to_numpy(dtype=float)
    frame["Base NLL"] = -scores["base_nll"].to_numpy()
    frame["Token frequency"] = scores["token_frequency"].to_numpy(dtype=float)
    return frame


def mass_depths(circuits: list[Circuit]) -> Float[np.ndarray, " n_circuits"]:
    """Mean layer of the destinations of ALL edges of each score matrix, weighted by |score|; `logits` stands at n_layers.

    Unlike `mean_layer` it does not depend on which edges were selected. NaN for a matrix of zeros.
    """
    mass = np.stack([np.abs(circuit.scores).sum(axis=0, dtype=float) for circuit in circuits])
    total = mass.sum(axis=1)
    return mass @ circuits[0].index.backward_layers / np.where(total > 0, total, np.nan)


def template_means(
    hardness: Float[np.ndarray, " n"], template: Int[np.ndarray, " n"], fold: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Mean place (percent rank within the half) of the OTHER half's samples of the same template; 0, the middle, where there are none.

    So a sample's value depends on nothing that happened to its own half. Rounded, so that means which differ by how they were
    added up are the same: a single template says nothing.
    """
    table = pd.DataFrame({"place": percent_ranks(hardness, fold), "template": template, "fold": fold})
    means = table.groupby(["template", "fold"])["place"].mean()
    other = pd.MultiIndex.from_arrays([template, 1 - fold])
    return means.reindex(other).fillna(0.0).round(12).to_numpy(dtype=float)
