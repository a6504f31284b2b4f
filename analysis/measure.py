"""Everything about each sample of a set under one model, as a table."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.answer_tokens import answer_tokens, exact_memorisation, extraction_strength, membership_scores
from analysis.dataset import Sample
from analysis.generation import greedy, rouge_l_recall
from analysis.membership import SCORES
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch, tokenize
from analysis.truth_ratio import truth_ratios


@dataclass(frozen=True)
class Measured:
    """A set's tokens, and a table with a row per sample in order; NaN where a sample lacks what a column needs."""

    batch: TokenBatch = field(repr=False)
    table: pd.DataFrame


def measure(
    handle: ModelHandle, samples: list[Sample], texts: bool = True, alternatives: bool = True, n_rows: int | None = None
) -> Measured:
    """All per-sample figures, `n_rows` samples in a forward pass (None: as suits each). What takes longest can be left out:
    the greedy `texts`, and the `alternatives` to the answers.

    Raises DataError if a sample, or one of its alternative answers, is longer than the model reads.
    """
    batch = tokenize(samples, handle.tokenizer, max_length=handle.max_length)
    rows = {} if n_rows is None else {"n_rows": n_rows}
    tokens = answer_tokens(handle.model, batch, **rows)
    columns: dict[str, Any] = {
        "sample_id": [s.id for s in samples],
        "row": [s.row for s in samples],
        "probability": [float(np.exp(-t.nll)) for t in tokens],
        "nll": [t.nll for t in tokens],
        "exact_memorisation": [exact_memorisation(t) for t in tokens],
        "extraction_strength": [extraction_strength(t) for t in tokens],
    }
    scores = [membership_scores(t, s.answer) for t, s in zip(tokens, samples, strict=True)]
    columns |= {name: [score[name] for score in scores] for name in SCORES}
    if alternatives:
        columns["truth_ratio"] = _numbers(truth_ratios(handle.model, samples, handle.tokenizer, handle.max_length, **rows))
    if texts:
        said, answers = greedy(handle.model, batch, handle.tokenizer, **rows), [s.answer for s in samples]
        columns |= {"rouge_l": _numbers(rouge_l_recall(answers, said)), "answer": answers, "generation": said}
    return Measured(batch, pd.DataFrame(columns))


def _numbers(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])
