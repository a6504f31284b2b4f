"""Unlearning methods, one short class each: how far a batch is from being forgotten, and the weights gamma and alpha of the two
parts of the loss (names and defaults as in open-unlearning). A parameter that a method ignores cannot be set. The retain loss is the
NLL of the retain set's answers, or the KL divergence at their tokens from the model before unlearning to the model now.

A method adds `prepare(model, forget, tokenizer)`, called once with the model as it is before unlearning, and
`losses(model, forget, rows, retain)` -> (forget part, retain part), minimised as gamma * forget + alpha * retain. Where
`retain` is None its part is not computed, and NaN.
"""

import copy
import zlib
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from analysis.evaluation import answer_logits, answer_nll
from analysis.losses import activation_loss, answer_log_prob, dpo_loss, kl_loss, npo_loss, simnpo_loss, token_log_probs, undial_loss
from analysis.tokens import TokenBatch, prompts, with_answers

Losses = tuple[Tensor, Tensor]
RetainLoss = Literal["NLL", "KL"]
REFUSALS = ("I do not know.", "I am not sure.", "I have no idea.", "I cannot say.", "That is not known to me.")


def _mean_nll(model: nn.Module, batch: TokenBatch) -> Tensor:
    return -answer_log_prob(answer_logits(model, batch), batch.labels)


def _summed_nll(model: nn.Module, batch: TokenBatch) -> Tensor:
    log_probs, _ = token_log_probs(answer_logits(model, batch), batch.labels)
    return -log_probs.sum(1)


def _summed_nll_before(model: nn.Module, batch: TokenBatch) -> Tensor:
    """The same without gradients, for a whole data set."""
    mean = torch.from_numpy(answer_nll(model, batch))
    return (mean * batch.n_answer_tokens.cpu()).float().to(batch.input_ids.device)


def _frozen(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).requires_grad_(False)


def _kept(model: nn.Module, retain_loss: str) -> nn.Module | None:
    """What `_retain_part` compares with. Raises ValueError for an unknown retain loss."""
    if retain_loss not in ("NLL", "KL"):
        raise ValueError(f"retain_loss: expected NLL or KL, got {retain_loss!r}")
    return _frozen(model) if retain_loss == "KL" else None


def _retain_part(model: nn.Module, retain: TokenBatch | None, kept: nn.Module | None) -> Tensor:
    """NLL of the retain set's answers; where the model before unlearning is given, KL(before || now) at their tokens."""
    if retain is None:
        return torch.tensor(float("nan"))
    if kept is None:
        return _mean_nll(model, retain).mean()
    with torch.no_grad():
        before = answer_logits(kept, retain)
    return kl_loss(answer_logits(model, retain), before, retain.labels)


@dataclass
class GradAscent:
    """Gradient ascent on the forget set: -NLL(forget). The control that destroys: nothing holds the retain set, whose NLL is only
    watched."""

    gamma: ClassVar[float] = 1.0
    alpha: ClassVar[float] = 0.0

    def prepare(self, model: nn.Module, forget: TokenBatch, tokenizer: Any) -> None:
        """Needs nothing of the original model."""

    def losses(self, model: nn.Module, forget: TokenBatch, rows: list[int], retain: TokenBatch | None) -> Losses:
        with torch.no_grad():
            watched = _retain_part(model, retain, None)
        return -_mean_nll(model, forget).mean(), watched


@dataclass
class GradDiff:
    """Gradient ascent on the forget set, descent on the retain set (arXiv 2203.12817): -NLL(forget), NLL(retain)."""

    gamma: float = 1.0
    alpha: float = 1.0
    retain_loss: RetainLoss = "NLL"
    _kept: nn.Module | None = field(default=None, repr=False)

    def prepare(self, model: nn.Module, forget: TokenBatch, tokenizer: Any) -> None:
        self._kept = _kept(model, self.retain_loss)

    def losses(self, model: nn.Module, forget: TokenBatch, rows: list[int], retain: TokenBatch | None) -> Losses:
        return -_mean_nll(model, forget).mean(), _retain_part(model, retain, self._kept)


@dataclass
class NPO:
    """Negative preference optimisation (arXiv 2404.05868) against the original model, with the retain loss."""

    beta: float = 0.1
    gamma: float = 1.0
    alpha: float = 1.0
    retain_loss: RetainLoss = "NLL"
    _reference: Tensor | None = field(default=None, repr=False)
    _kept: nn.Module | None = field(default=None, repr=False)

    def prepare(self, model: nn.Module, forget: TokenBatch, tokenizer: Any) -> None:
        self._reference, self._kept = _summed_nll_before(model, forget), _kept(model, self.retain_loss)

    def losses(self, model: nn.Module, forget: TokenBatch, rows: list[int], retain: TokenBatch | None) -> Losses:
        forget_part = npo_loss(_summed_nll(model, forget), self._reference[rows], self.beta)
        return forget_part, _retain_part(model, retain, self._kept)


@dataclass
class SimNPO:
    """Reference-free, length-normalised NPO (arXiv 2410.07163), with the retain loss."""

    beta: float = 4.5
    delta: float = 0.0
    gamma: float = 0.125
    alpha: float = 1.0
    retain_loss: RetainLoss = "NLL"
    _kept: nn.Module | None = field(default=None, repr=False)

    def prepare(self, model: nn.Module, forget: TokenBatch, tokenizer: Any) -> None:
        self._kept = _kept(model, self.retain_loss)

    def losses(self, model: nn.Module, forget: TokenBatch, rows: list[int], retain: TokenBatch | None) -> Losses:
        return simnpo_loss(_mean_nll(model, forget), self.beta, self.delta), _retain_part(model, retain, self._kept)


@dataclass
class RMU:
    """Representation misdirection (arXiv 2403.03218): at one layer's output, forget tokens are drawn to a fixed random direction
    of length `steering_coeff`, retain tokens to where the original model has them. All tokens but padding count, as in the paper;
    in open-unlearning only the answer's. `layer` None is the middle one (both name a layer per model); the last layer is refused, as
    its output is only seen after the final norm. All weights up to the layer are trained.
    """

    layer: int | None = None
    steering_coeff: float = 2.0
    gamma: float = 1.0
    alpha: float = 1.0
    _reference: Any = field(default=None, repr=False)
    _control: Tensor | None = field(default=None, repr=False)

    def prepare(self, model: nn.Module, forget: TokenBatch, tokenizer: Any) -> None:
        n_layers = model.config.num_hidden_layers
        self.layer = (n_layers - 1) // 2 if self.layer is None else self.layer
        if not 0 <= self.layer < n_layers - 1:
            raise ValueError(f"RMU: layer must be 0 to {n_layers - 2} for this model of {n_layers} layers, got {self.layer}")
        self._reference = _frozen(model)
        direction = torch.rand(model.config.hidden_size, device=forget.input_ids.device)
        self._control = self.steering_coeff * direction / direction.norm()

    def losses(self, model: nn.Module, forget: TokenBatch, rows: list[int], retain: TokenBatch | None) -> Losses:
        forget_part = activation_loss(self._hidden(model, forget), self._control, forget.attention_mask.bool())
        if retain is None:
            return forget_part, torch.tensor(float("nan"))
        with torch.no_grad():
            kept = self._hidden(self._reference, retain)
        return forget_part, activation_loss(self._hidden(model, retain), kept, retain.attention_mask.bool())

    def _hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        embedded = model.get_input_embeddings()(batch.input_ids)
        options = {"use_cache": False, "output_hidden_states": True, "logits_to_keep": 1}
        return model(inputs_embeds=embedded, **options).hidden_states[self.layer + 1]


@dataclass
class UNDIAL:
    """Self-distillation (arXiv 2402.10052): towards the model before unlearning, its teacher, with each forget token's logit
    lowered by `beta`. alpha is 0 as in open-unlearning: nothing holds the retain set unless it is raised."""

    beta: float = 10.0
    gamma: float = 1.0
    alpha: float = 0.0
    retain_loss: RetainLoss = "NLL"
    _teacher: nn.Module | None = field(default=None, repr=False)
    _kept: nn.Module | None = field(default=None, repr=False)

    def prepare(self, model: nn.Module, forget: TokenBatch, tokenizer: Any) -> None:
        self._kept = _kept(model, self.retain_loss)
        self._teacher = self._kept or _frozen(model)

    def losses(self, model: nn.Module, forget: TokenBatch, rows: list[int], retain: TokenBatch | None) -> Losses:
        with torch.no_grad():
            taught = answer_logits(self._teacher, forget)
        forget_part = undial_loss(answer_logits(model, forget), taught, forget.labels, self.beta)
        return forget_part, _retain_part(model, retain, self._kept)


@dataclass
class IdkDPO:
    """Direct preference optimisation (arXiv 2305.18290) of a refusal over the original answer, as in TOFU (arXiv 2401.06121).

    Each prompt has one of `REFUSALS`, chosen by a hash of its tokens: the same in every run and part of the data. Raises ValueError
    if a prompt with its refusal is longer than the model reads.
    """

    beta: float = 0.1
    gamma: float = 1.0
    alpha: float = 1.0
    retain_loss: RetainLoss = "NLL"
    _refusals: TokenBatch | None = field(default=None, repr=False)
    _reference: Tensor | None = field(default=None, repr=False)
    _kept: nn.Module | None = field(default=None, repr=False)

    def prepare(self, model: nn.Module, forget: TokenBatch, tokenizer: Any) -> None:
        refused = with_answers(forget, refusals(forget), tokenizer, max_length=model.config.max_position_embeddings)
        self._refusals, self._kept = refused.to(forget.input_ids.device), _kept(model, self.retain_loss)
        self._reference = _summed_nll_before(model, forget) - _summed_nll_before(model, self._refusals)

    def losses(self, model: nn.Module, forget: TokenBatch, rows: list[int], retain: TokenBatch | None) -> Losses:
        preferred, rejected = (_summed_nll(model, batch) for batch in (self._refusals.select(rows), forget))
        return dpo_loss(preferred, rejected, self._reference[rows], self.beta), _retain_part(model, retain, self._kept)


def refusals(batch: TokenBatch) -> list[str]:
    """One refusal per sample, chosen by its prompt."""
    return [REFUSALS[zlib.crc32(str(prompt).encode()) % len(REFUSALS)] for prompt in prompts(batch)]


Method = GradAscent | GradDiff | NPO | SimNPO | RMU | UNDIAL | IdkDPO
METHODS: dict[str, type[Method]] = {kind.__name__: kind for kind in (GradAscent, GradDiff, NPO, SimNPO, RMU, UNDIAL, IdkDPO)}
ANCHOR_METHODS = ("GradDiff", "NPO", "SimNPO", "RMU", "UNDIAL")  # the five whose runs choose CUD's anchors in the released code
