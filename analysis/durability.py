"""Does forgetting last? The forget set after a few steps of learning some of it again, and after the weights are quantised."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from analysis.blocks import blocks
from analysis.evaluation import answer_logits, answer_nll
from analysis.evaluation_metrics import RELEARN_STEPS, RETAIN_MODEL, after_quantisation, after_relearning
from analysis.graph import GraphIndex
from analysis.losses import answer_log_prob
from analysis.measure import Measured
from analysis.model import ModelHandle, trainable_copy
from analysis.open_unlearning import by_index, metric, missing, needs
from analysis.tokens import TokenBatch

N_RELEARNED = 8  # forget samples that are learnt again
BITS = (8, 4)


@dataclass(frozen=True)
class Durability:
    """Steps of relearning after which the forget set is measured, and their learning rate: 3e-4 suits models of a few million
    parameters, 1e-5 those of a billion."""

    steps: tuple[int, ...] = RELEARN_STEPS
    learning_rate: float = 3e-4

    def __post_init__(self):
        if any(step < 1 for step in self.steps):
            raise ValueError(f"relearn: expected at least 1 step, got {min(self.steps)}")
        if not 0 <= self.learning_rate < float("inf"):
            raise ValueError(f"relearning's learning rate must be at least 0 and finite, got {self.learning_rate}")


def relearned_rows(n_samples: int) -> list[int]:
    """Rows that are learnt again: 8 spread evenly over the set, at most half of it, so that others remain to be watched."""
    n = min(N_RELEARNED, n_samples // 2)
    return sorted({int(i) for i in np.linspace(0, n_samples - 1, n)})


def relearn(
    model: nn.Module, forget: TokenBatch, rows: list[int], steps: list[int], learning_rate: float
) -> Iterator[tuple[int, Float[np.ndarray, " n_forget"]]]:
    """After each of `steps` (ascending) full-batch AdamW steps on `rows`: that number and the NLL of the whole forget set.

    A copy is trained, from the answers alone, without weight decay or dropout. What comes back in samples outside `rows` was
    hidden rather than forgotten, as far as a model that never knew them does not gain the same.
    """
    model = trainable_copy(model)
    part = forget.select(rows).to(next(model.parameters()).device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    for step in range(1, max(steps, default=0) + 1):
        loss = -answer_log_prob(answer_logits(model, part), part.labels).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step in steps:
            yield step, answer_nll(model, forget)


def quantised(model: nn.Module, index: GraphIndex, n_bits: int) -> nn.Module:
    """A copy whose attention and MLP matrices are rounded to `n_bits`; embeddings, norms, biases and the output layer stay."""
    model = copy.deepcopy(model)
    layers = {module for block in blocks(model, index) for module in (*block.projections, block.out_proj)}
    layers |= {m for name, m in model.named_modules() if ".mlp." in name and getattr(m, "weight", None) is not None}
    with torch.no_grad():
        for module in layers:
            over = 0 if type(module).__name__ == "Conv1D" else 1  # GPT-2 keeps its matrices [in, out]
            module.weight.copy_(rounded(module.weight, n_bits, over))
    return model


def rounded(weight: Float[Tensor, "a b"], n_bits: int, over: int) -> Float[Tensor, "a b"]:
    """Round to nearest on a symmetric grid of 2^n_bits - 1 values per output channel, its ends at the largest |weight|.

    `over` is the dimension of the inputs. No calibration: the plainest of quantisations, as bitsandbytes' and GPTQ's baseline.
    """
    scale = step_size(weight, n_bits, over)
    return (weight / scale).round() * scale


def step_size(weight: Float[Tensor, "a b"], n_bits: int, over: int) -> Tensor:
    """The grid's step per output channel; 1 for a channel of zeros."""
    largest = weight.abs().amax(over, keepdim=True)
    return torch.where(largest > 0, largest / (2 ** (n_bits - 1) - 1), torch.ones_like(largest))


def durability(
    handle: ModelHandle, seen: Measured, retain_model: ModelHandle | None, never: Measured | None, lasting: Durability | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Mean answer probability of the forget samples that were not learnt again, in the model and, as the control, in the
    retain-only one, which learns the same; and of all of them after quantisation. `seen` and `never` are the forget set under each.
    """
    steps = RELEARN_STEPS if lasting is None else lasting.steps
    names = [after_relearning(step, control) for step in steps for control in (False, True)] + [after_quantisation(n) for n in BITS]
    if lasting is None:
        return dict.fromkeys(names, missing("durability was left out"))
    result = dict.fromkeys(names, needs("at least 2 forget samples") if len(seen.batch) < 2 else needs(RETAIN_MODEL))
    pairs = [(handle, seen, False)] + ([] if retain_model is None else [(retain_model, never, True)])
    for owner, measured, control in pairs if len(seen.batch) > 1 else []:
        report("relearning" + control * " by the retain-only model")
        rows = relearned_rows(len(measured.batch))
        for step, nll in relearn(owner.model, measured.batch, rows, sorted(steps), lasting.learning_rate):
            others = np.delete(np.exp(-nll), rows)
            learnt = {"relearned_rows": measured.table["row"].iloc[rows].tolist()}
            result[after_relearning(step, control)] = metric(others.mean(), _by_row(measured, nll)) | learnt
    for n_bits in BITS:
        report(f"int{n_bits}")
        nll = answer_nll(quantised(handle.model, handle.index, n_bits), seen.batch)
        result[after_quantisation(n_bits)] = metric(np.exp(-nll).mean(), _by_row(seen, nll))
    return result


def _by_row(measured: Measured, nll: np.ndarray) -> dict[str, Any]:
    table = measured.table.assign(probability=np.exp(-nll), nll=nll)
    return by_index(table, {"prob": "probability", "avg_loss": "nll"})
