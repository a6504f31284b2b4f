"""Truth ratio and forget quality (TOFU, arXiv 2401.06121): are false answers as likely as the true one, reworded?

Needs columns `paraphrased_answer` and `perturbed_answer` (a list of false answers, or its JSON in a CSV).
"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from analysis.dataset import Sample
from analysis.evaluation import answer_nll
from analysis.tokens import tokenize


def truth_ratios(
    model: nn.Module, samples: list[Sample], tokenizer: Any, max_length: int | None = None, n_rows: int = 64
) -> list[float | None]:
    """R = (mean over the false answers of p^(1/n)) / p^(1/n) of the paraphrased one, n tokens each; None where a column is missing.

    This is the paper's arithmetic mean over false answers; open-unlearning averages their NLLs, a geometric mean of p^(1/n). Near 1:
    the model cannot tell true from false. Raises DataError if an answer is longer than the model reads.
    """
    found = [alternatives(sample) for sample in samples]
    asked = [replace(sample, answer=text) for sample, texts in zip(samples, found, strict=True) for text in texts]
    nll = answer_nll(model, tokenize(asked, tokenizer, max_length=max_length), n_rows) if asked else np.empty(0)
    ends = np.cumsum([len(texts) for texts in found])
    parts = [nll[end - len(texts) : end] for texts, end in zip(found, ends, strict=True)]
    return [ratio(float(part[0]), part[1:]) if len(part) else None for part in parts]


def ratio(paraphrased_nll: float, perturbed_nll: Float[np.ndarray, " n_perturbed"]) -> float:
    """The truth ratio from mean NLLs per token; by differences, so that two vanishing probabilities keep their ratio."""
    return float(np.exp(np.minimum(paraphrased_nll - perturbed_nll, 700.0)).mean())


def alternatives(sample: Sample) -> list[str]:
    """The paraphrased answer, then the false ones; empty if the sample lacks either."""
    true, false = sample.meta.get("paraphrased_answer"), sample.meta.get("perturbed_answer")
    if isinstance(false, str):
        try:
            false = json.loads(false)
        except (ValueError, RecursionError):
            false = None
    texts = [true, *(false if isinstance(false, (list, tuple, np.ndarray)) else [])]
    usable = len(texts) > 1 and all(isinstance(text, str) and text.strip() for text in texts)
    return [text.strip() for text in texts] if usable else []


def forget_truth_ratio(ratios: Float[np.ndarray, " n"]) -> float:
    """Mean of min(R, 1/R): 1 where true and false are equally likely, as after forgetting (open-unlearning's forget_truth_ratio)."""
    return float(np.minimum(ratios, 1 / np.maximum(ratios, 1e-300)).mean())


def retain_truth_ratio(ratios: Float[np.ndarray, " n"]) -> float:
    """Mean of max(0, 1 - R): 1 where the false answers are hopeless; the part of utility (open-unlearning's retain_Truth_Ratio)."""
    return float(np.maximum(0, 1 - ratios).mean())


def forget_quality(ratios: Float[np.ndarray, " n"], retain_only: Float[np.ndarray, " m"]) -> float:
    """p of the two-sample Kolmogorov-Smirnov test of the forget set's truth ratios against those of the model that never saw it.

    1 if they are the same numbers; small where the models can be told apart.
    """
    from scipy.stats import ks_2samp

    return float(ks_2samp(ratios, retain_only).pvalue)
