"""What a masked run trains, and what it might train instead: CLUE's two stages (arXiv 2509.20977), parts of them, and controls.

| what-if | stage 1, forget loss alone | stage 2, forget and retain loss |
|---|---|---|
| clue | the forget nodes | the conflict nodes |
| forget-only, conflict-only | | the forget nodes; the conflict nodes |
| conflict-as-everything | the forget nodes | every head and MLP |
| random | as many random heads and MLPs as forget nodes | as many others as conflict nodes |
| important | | the nodes that matter most to the forget set, as large as clue's two masks together |
| gradient | | the single weights of the largest gradient, exactly as many as clue's two masks free |

Epochs are split 1:5 between two stages; a stage that would free nothing is left out, and its epochs go to the other.
"""

import copy
import random
from bisect import bisect_left
from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from analysis.conflict_map import ConflictMap
from analysis.evaluation import answer_logits
from analysis.losses import answer_log_prob
from analysis.model import ModelHandle
from analysis.node_masks import Mask, mask_of, n_parameters
from analysis.stages import Stage, split_epochs
from analysis.tokens import TokenBatch

WHAT_IFS = ("clue", "forget-only", "conflict-only", "conflict-as-everything", "random", "important", "gradient")
HINT = "find conflicts anew with another --target, or choose another what-if"


def stages_of(
    handle: ModelHandle, found: ConflictMap, what_if: str, n_epochs: int, *, seed: int = 0, forget: TokenBatch | None = None
) -> tuple[Stage, ...]:
    """The stages of a run under a what-if, masks on the CPU; `seed` counts for `random` alone, `forget` is needed by `gradient`.

    Random nodes are as many as clue's, heads and MLPs apart; where heads share keys and values they may still own a few weights more
    or less. Important nodes are taken by falling forget score until they own at least as many weights as clue's: up to a node more.
    Raises ValueError for an unknown what-if, a map that names nothing to train, and fewer epochs than stages.
    """
    if what_if not in WHAT_IFS:
        raise ValueError(f"what-if: expected one of {', '.join(WHAT_IFS)}, got {what_if!r}")
    nodes = found.assigned("forget"), found.assigned("conflict")
    if what_if not in possible(found):
        counts = f"{len(nodes[0])} forget and {len(nodes[1])} conflict nodes"
        raise ValueError(f"what-if {what_if}: the map has {counts}: nothing to train; {HINT}")
    first, second = (mask_of(handle, part) for part in nodes)
    size = n_parameters(union(first, second))
    match what_if:
        case "clue":
            return _stages(n_epochs, ("forget", first), ("conflict", second))
        case "forget-only":
            return (Stage("forget", n_epochs, first),)
        case "conflict-only":
            return (Stage("conflict", n_epochs, second),)
        case "conflict-as-everything":
            return _stages(n_epochs, ("forget", first), ("everything", mask_of(handle, found.nodes)))
        case "random":
            first, second = (mask_of(handle, part) for part in _random_nodes(found.nodes, nodes, seed))
            return _stages(n_epochs, ("random forget", first), ("random conflict", second))
        case "important":
            return (Stage("important", n_epochs, _important(handle, found, size)),)
    if forget is None:
        raise ValueError("what-if gradient: expected the forget set, whose gradient chooses the weights; got none")
    return (Stage("gradient", n_epochs, _largest_gradients(handle, found, forget, size)),)


def possible(found: ConflictMap) -> tuple[str, ...]:
    """The what-ifs that have something to train: none without forget and conflict nodes."""
    forget, conflict = found.assigned("forget"), found.assigned("conflict")
    lacking = {"forget-only": not forget, "conflict-only": not conflict}
    return tuple(name for name in WHAT_IFS if (forget or conflict) and not lacking.get(name))


def _stages(n_epochs: int, first: tuple[str, Mask], second: tuple[str, Mask]) -> tuple[Stage, ...]:
    """The two stages, or the one of them that frees a weight."""
    parts = [(*part, with_retain) for part, with_retain in ((first, False), (second, True)) if part[1]]
    lengths = split_epochs(n_epochs) if len(parts) == 2 else (n_epochs,)
    return tuple(Stage(name, length, mask, retain) for (name, mask, retain), length in zip(parts, lengths, strict=True))


def union(one: Mask, other: Mask) -> Mask:
    """The weights of either mask."""
    both = {name: free | other[name] for name, free in one.items() if name in other}
    return one | other | both


def sizes(handle: ModelHandle, found: ConflictMap, seed: int = 0) -> dict[str, dict[str, int]]:
    """How many weights each possible what-if frees: in stage 1 (forget loss alone), in stage 2 (both losses), and in either.
    `gradient`, which needs data, frees as many as clue, in one stage."""
    result = {}
    for name in possible(found):
        if name == "gradient":
            result[name] = {"stage1": 0, "stage2": result["clue"]["touched"], "touched": result["clue"]["touched"]}
            continue
        by_loss = {stage.with_retain: stage.mask for stage in stages_of(handle, found, name, 2, seed=seed)}
        first, second = by_loss.get(False, {}), by_loss.get(True, {})
        counts = [n_parameters(mask) for mask in (first, second, union(first, second))]
        result[name] = dict(zip(("stage1", "stage2", "touched"), counts, strict=True))
    return result


def _random_nodes(all_nodes: Collection[str], like: tuple[Collection[str], ...], seed: int) -> Iterator[list[str]]:
    """Random sets of nodes with as many heads and MLPs as these sets have, no node in two."""
    drawn = {}
    generator = random.Random(seed)
    for kind in "am":
        drawn[kind] = [name for name in all_nodes if name[0] == kind]
        generator.shuffle(drawn[kind])
    for names in like:
        yield [drawn[name[0]].pop() for name in names]


def _important(handle: ModelHandle, found: ConflictMap, n_weights: int) -> Mask:
    """The fewest nodes of the largest forget scores (earlier nodes first in ties) that own at least so many weights."""
    ranked = sorted(found.nodes, key=lambda name: -found.nodes[name].forget_score)
    enough = bisect_left(range(len(ranked)), n_weights, key=lambda last: n_parameters(mask_of(handle, ranked[: last + 1])))
    return mask_of(handle, ranked[: enough + 1])


def _largest_gradients(handle: ModelHandle, found: ConflictMap, forget: TokenBatch, n_weights: int, n_rows: int = 16) -> Mask:
    """So many single weights of heads and MLPs, those with the largest |gradient of the forget set's mean answer NLL|; in ties the
    earlier weight of the model.

    As in SalUn (arXiv 2310.12508), which masks by a threshold on it; WAGLE (arXiv 2410.17509) refines the score by the retain set.
    Needs a copy of the model, its gradients, and several times as much again for the search on the CPU.
    """
    model = copy.deepcopy(handle.model)
    owned = mask_of(handle, found.nodes)
    weights = {name: weight.requires_grad_() for name, weight in model.named_parameters() if name in owned}
    for start in range(0, len(forget), n_rows):
        batch = forget.select(list(range(start, min(start + n_rows, len(forget))))).to(handle.device)
        (-answer_log_prob(answer_logits(model, batch), batch.labels).sum() / len(forget)).backward()
    size = torch.cat([weight.grad.abs().flatten() for weight in weights.values()]).cpu()
    if not size.isfinite().all():
        raise ValueError("the gradient of the forget set is not finite; expected a model that gives finite losses on it")
    chosen = largest(size, n_weights).split([weight.numel() for weight in weights.values()])
    masks = {name: part.view(weight.shape) for (name, weight), part in zip(weights.items(), chosen, strict=True)}
    return {name: free for name, free in masks.items() if free.any()}


def largest(values: Tensor, k: int) -> Tensor:
    """True at exactly the k largest values, the first of equals."""
    least = values.topk(k).values[-1]
    above, equal = values > least, values == least
    return above | (equal & (equal.cumsum(0) <= k - above.sum()))
