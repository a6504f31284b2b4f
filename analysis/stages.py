"""The stages of a masked run: which weights each of them trains, and on which parts of the loss.

CLUE (arXiv 2509.20977) trains in two: first the forget loss alone on the forget nodes, then both losses on the conflict nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

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


def split_epochs(n_epochs: int) -> tuple[int, int]:
    """Epochs of CLUE's two stages: 1 to 5 as in the paper, each at least one; their sum is `n_epochs`.

    The paper trains six whatever an unmasked run has; here the two together make as many updates as one. Raises ValueError for less
    than two epochs.
    """
    if n_epochs < 2:
        raise ValueError(f"two stages need at least 2 epochs, got {n_epochs}")
    first = max(1, round(n_epochs / 6))
    return first, n_epochs - first


def check_stages(stages: Sequence[Stage], n_epochs: int) -> None:
    """Raises ValueError unless every stage has an epoch, their epochs add up to the run's and their names differ."""
    lengths, names = [stage.n_epochs for stage in stages], [stage.name for stage in stages]
    if min(lengths, default=0) < 1 or sum(lengths) != n_epochs:
        raise ValueError(f"stages: expected at least 1 epoch each and {n_epochs} in all, as the run has, got {lengths}")
    if len(set(names)) != len(names):
        raise ValueError(f"stages: expected names that differ, got {', '.join(names)}")
