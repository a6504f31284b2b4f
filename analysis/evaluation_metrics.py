"""The evaluation's metrics by name: what a page or a table needs to show them. Light: imports no other file.

LETHE_SUMMARY.json has each of these names; `metric_info` also knows the relearning figures of other numbers of steps. A value that is
text says why there is no figure.
"""

import re
from typing import Literal, NamedTuple

Direction = Literal["lower", "higher", "near_half", "near_zero", "none"]  # "none": of the retain set, the weights or the control
NOT_COMPUTED = "not computed: "
RETAIN_MODEL, HOLDOUT, ORIGINAL = "the retain-only model", "a holdout set", "the original model"
ALTERNATIVES = "columns paraphrased_answer and perturbed_answer"
RELEARN_STEPS = (5, 10, 20)


class MetricInfo(NamedTuple):
    """One figure. `forgotten` is where it goes as the forget set is forgotten; `needs` is what it cannot be computed without, beside
    the model, the forget and the retain set."""

    label: str
    forgotten: Direction
    needs: tuple[str, ...] = ()


METRICS: dict[str, MetricInfo] = {
    "forget_Q_A_Prob": MetricInfo("Forget: answer probability", "lower"),
    "forget_Q_A_NLL": MetricInfo("Forget: NLL (nats per token)", "higher"),
    "forget_Q_A_ROUGE": MetricInfo("Forget: ROUGE-L recall", "lower"),
    "exact_memorization": MetricInfo("Forget: exact memorisation", "lower"),
    "extraction_strength": MetricInfo("Forget: extraction strength", "lower"),
    "forget_truth_ratio": MetricInfo("Forget: truth ratio, min(R, 1/R)", "higher", (ALTERNATIVES,)),
    "forget_quality": MetricInfo("Forget quality (p)", "higher", (RETAIN_MODEL, ALTERNATIVES)),
    "forget_quality_log10_p": MetricInfo("Forget quality (log10 p)", "higher", (RETAIN_MODEL, ALTERNATIVES)),
    "retain_Q_A_Prob": MetricInfo("Retain: answer probability", "none"),
    "retain_Q_A_ROUGE": MetricInfo("Retain: ROUGE-L recall", "none"),
    "retain_Truth_Ratio": MetricInfo("Retain: truth ratio, max(0, 1 - R)", "none", (ALTERNATIVES,)),
    "model_utility": MetricInfo("Model utility (harmonic mean)", "none", (ALTERNATIVES,)),
    "mia_loss": MetricInfo("Membership: loss (AUROC)", "near_half", (HOLDOUT,)),
    "mia_zlib": MetricInfo("Membership: zlib (AUROC)", "near_half", (HOLDOUT,)),
    "mia_min_k": MetricInfo("Membership: Min-K (AUROC)", "near_half", (HOLDOUT,)),
    "mia_min_k_plus_plus": MetricInfo("Membership: Min-K++ (AUROC)", "near_half", (HOLDOUT,)),
    "privleak": MetricInfo("PrivLeak (%)", "near_zero", (HOLDOUT, RETAIN_MODEL)),
    "parameter_change_l1": MetricInfo("Weights moved, L1", "none", (ORIGINAL,)),
    "parameter_change_l2": MetricInfo("Weights moved, L2", "none", (ORIGINAL,)),
    "parameter_change_relative_l2": MetricInfo("Weights moved, L2 over the original's", "none", (ORIGINAL,)),
    "parameter_change_share_changed": MetricInfo("Share of weights changed", "none", (ORIGINAL,)),
}


def after_relearning(n_steps: int, control: bool = False) -> str:
    """Name of the mean probability of the other forget samples after relearning a few, in the model or in the retain-only one."""
    return f"relearn_{n_steps}_Q_A_Prob" + control * "_retain_model"


def after_quantisation(n_bits: int) -> str:
    return f"int{n_bits}_Q_A_Prob"


def metric_info(name: str) -> MetricInfo | None:
    """What is known of a figure of LETHE_SUMMARY.json by its name; None for a name of something else."""
    found = re.fullmatch(r"relearn_(\d+)_Q_A_Prob(_retain_model)?", name)
    if not found:
        return METRICS.get(name)
    if found[2]:
        return MetricInfo(f"Retain-only: {found[1]} steps of relearning", "none", (RETAIN_MODEL,))
    return MetricInfo(f"Forget: {found[1]} steps of relearning others", "lower")


METRICS |= {name: metric_info(name) for step in RELEARN_STEPS for name in (after_relearning(step), after_relearning(step, True))}
METRICS |= {after_quantisation(n): MetricInfo(f"Forget: probability at int{n} weights", "lower") for n in (8, 4)}
