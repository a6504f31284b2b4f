"""One optimiser step of unlearning: the stage that says which weights may change, micro-batches, precision."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from analysis.lora import add_adapters
from analysis.methods import Method
from analysis.model import trainable_copy
from analysis.stages import Stage, check_stages, stage_of
from analysis.tokens import TokenBatch

MAX_GRAD_NORM = 1.0


class Trainer:
    """A copy of a model, its method, and for each stage an AdamW of its own. Without stages all weights are trained by one.

    A mask acts on the update: what a stage freezes keeps the bits that it had when the stage began, whatever weight decay and momentum
    say. `trained` holds the parameters of all stages, `place` says which stage is under way.

    Raises ValueError for stages that do not fit the run or the model, or beside LoRA, and for a mask that the losses do not depend on.
    """

    def __init__(self, handle, config, forget: TokenBatch, stages: Sequence[Stage] | None = None):
        if stages is not None:
            check_stages(stages, config.n_epochs, config.lora_rank, dict(handle.model.named_parameters()))
        self.config = config
        self.stages = (Stage("all", config.n_epochs, None),) if stages is None else tuple(stages)
        self.model = trainable_copy(handle.model)
        self.method: Method = copy.copy(config.method)
        self.method.prepare(self.model, forget, handle.tokenizer)
        if config.lora_rank is not None:
            add_adapters(self.model, config.lora_rank)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and any(stage.frees(name) for stage in self.stages))
        self.trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        for place in reversed(range(len(self.stages))):  # what a later stage cannot train is said before the first trains
            self.begin(place)
            if self.stage.mask is not None:
                self._check_reach(forget.select([0]))

    @property
    def stage(self) -> Stage:
        return self.stages[self.place]

    def enter(self, epoch: int) -> None:
        """Begin the stage of this epoch (from 0), unless it is under way."""
        if (place := stage_of(epoch, self.stages)) != self.place:
            self.begin(place)

    def begin(self, place: int) -> None:
        """Begin a stage: only its weights may change from here on, by an AdamW that remembers nothing of the stage before."""
        self.place, mask = place, self.stages[place].mask
        self.model.zero_grad()
        self.frozen = []  # of each parameter that is free in part: itself, where it is frozen, its values now
        for name, parameter in self.trained.items():
            parameter.requires_grad_(self.stage.frees(name))
            if parameter.requires_grad and mask is not None and not mask[name].all():
                self.frozen.append((parameter, ~mask[name].to(parameter.device), parameter.detach().clone()))
        self.free = [p for p in self.trained.values() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.free, lr=self.config.learning_rate, weight_decay=self.config.weight_decay)

    def _check_reach(self, one: TokenBatch) -> None:
        if not self.method.losses(self.model, one, [0], None)[0].requires_grad:
            what = f"mask of stage {self.stage.name}: the losses depend on no weight that may change"
            raise ValueError(f"{what}; let the mask free others")

    def step(self, forget: TokenBatch, rows: list[int], retain: TokenBatch, beside: list[int]) -> tuple[float, float]:
        """Train once on these rows of the two sets; returns the losses, forget and retain (NaN in a stage without). Micro-batches count
        by their rows, so that losses that are means over rows have the gradient of the whole batch."""
        self.optimiser.zero_grad()
        totals = [0.0, 0.0]
        for some, others in micro_batches(rows, beside, self.config.batch_size):
            shares = len(some) / len(rows), len(others) / len(beside)
            kept = retain.select(others) if self.stage.with_retain else None
            for i, loss in enumerate(self._backward(forget.select(some), some, kept, shares)):
                totals[i] += shares[i] * loss
        self._update()
        return totals[0], totals[1]

    def _backward(
        self, forget: TokenBatch, rows: list[int], retain: TokenBatch | None, shares: tuple[float, float]
    ) -> tuple[float, float]:
        method = self.method
        with torch.autocast(forget.input_ids.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            forget_loss, retain_loss = method.losses(self.model, forget, rows, retain)
        loss = method.gamma * shares[0] * forget_loss
        if retain is not None:
            loss = loss + method.alpha * shares[1] * retain_loss
        loss.backward()
        return float(forget_loss.detach()), float(retain_loss.detach())

    def _update(self) -> None:
        for parameter, frozen, _ in self.frozen:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(frozen, 0)  # before clipping: what is frozen takes no part in the norm
        nn.utils.clip_grad_norm_(self.free, MAX_GRAD_NORM)
        self.optimiser.step()
        with torch.no_grad():
            for parameter, frozen, before in self.frozen:
                parameter.copy_(torch.where(frozen, before, parameter))

    def weights(self) -> dict[str, Tensor]:
        """A copy of all that is trained in any stage."""
        return {name: parameter.detach().clone() for name, parameter in self.trained.items()}

    def load(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(weights[name])


def micro_batches(rows: list[int], beside: list[int], size: int) -> list[tuple[list[int], list[int]]]:
    """Both lists cut into equally many parts of like length, as few as keep parts within `size`; none of them is empty, so where one
    list is shorter than that (the last step of an epoch) the parts of the other exceed `size`."""
    n_parts = min(-(-max(len(rows), len(beside)) // size), len(rows), len(beside))
    return list(zip(_parts(rows, n_parts), _parts(beside, n_parts), strict=True))


def _parts(rows: list[int], n_parts: int) -> list[list[int]]:
    edges = [len(rows) * i // n_parts for i in range(n_parts + 1)]
    return [rows[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]
