"""The stages of a masked run: which weights each of them trains, and on which parts of the loss.

CLUE (arXiv 2509.20977) trains in two: first the forget loss alone on the forget nodes, then both losses on the conflict nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """A part of a run. `mask` maps names of parameters to bool tensors of their shape, True = may change; None = all may.

    Without `with_retain` only the forget part of the method's loss is trained on.
    """

    name: str
    n_epochs: int
    mask: dict[str, Tensor] | None = field(repr=False)
    with_retain: bool = True

    def frees(self, name: str) -> bool:
        """Whether this parameter is trained, or part of it."""
        return self.mask is None or name in self.mask

    def describe(self) -> dict[str, Any]:
        """Plain data; `n_parameters` that may change, None for all."""
        n_parameters = None if self.mask is None else sum(int(free.sum()) for free in self.mask.values())
        return {"name": self.name, "n_epochs": self.n_epochs, "n_parameters": n_parameters, "with_retain": self.with_retain}


def split_epochs(n_epochs: int) -> tuple[int, int]:
    """Epochs of CLUE's two stages: 1 to 5 as in the paper, each at least one; their sum is `n_epochs`.

    The paper trains six whatever an unmasked run has; here the two together make as many updates as one. Raises ValueError for less
    than two epochs.
    """
    if n_epochs < 2:
        raise ValueError(f"two stages need at least 2 epochs, got {n_epochs}; give the run more, or a mask of one stage")
    first = max(1, round(n_epochs / 6))
    return first, n_epochs - first


def stage_of(epoch: int, stages: Sequence[Stage]) -> int:
    """The place in `stages` of the one that this epoch (from 0) belongs to."""
    ends = accumulate(stage.n_epochs for stage in stages)
    return next(place for place, end in enumerate(ends) if epoch < end)


def check_stages(stages: Sequence[Stage], n_epochs: int, lora_rank: int | None, parameters: dict[str, Tensor]) -> None:
    """Raises ValueError unless every stage has an epoch, their epochs add up to the run's, their names differ, their masks fit the
    model and each frees a weight; and beside LoRA."""
    lengths, names = [stage.n_epochs for stage in stages], [stage.name for stage in stages]
    if min(lengths, default=0) < 1 or sum(lengths) != n_epochs:
        raise ValueError(f"stages: expected at least 1 epoch each and {n_epochs} in all, as the run has, got {lengths}")
    if len(set(names)) != len(names):
        raise ValueError(f"stages: expected names that differ, got {', '.join(names)}")
    if lora_rank is not None:
        raise ValueError("a mask says which weights may change, and LoRA changes none of them: give one or the other")
    for stage in stages:
        if stage.mask is not None:
            _check_mask(f"mask of stage {stage.name}", stage.mask, parameters)


def _check_mask(what: str, mask: dict[str, Tensor], parameters: dict[str, Tensor]) -> None:
    for name, free in mask.items():
        if name not in parameters:
            raise ValueError(f"{what}: the model has no parameter {name!r}; it has {', '.join(list(parameters)[:3])}, ...")
        if free.dtype != torch.bool or free.shape != parameters[name].shape:
            expected = f"bool of shape {tuple(parameters[name].shape)}"
            raise ValueError(f"{what}: {name}: expected {expected}, got {free.dtype} of shape {tuple(free.shape)}")
    if not any(free.any() for free in mask.values()):
        raise ValueError(f"{what}: expected at least one weight that may change, got none")
