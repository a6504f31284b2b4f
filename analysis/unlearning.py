"""One unlearning run as a generator of records: a page, a test and the command line consume the same thing."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from analysis.evaluation import answer_nll
from analysis.lora import merged
from analysis.methods import Method
from analysis.model import ModelHandle
from analysis.mrd import mrd
from analysis.sampling import Curriculum, Draws, Sampling, Uniform
from analysis.stages import Stage
from analysis.tokens import TokenBatch
from analysis.training import Trainer


@dataclass(frozen=True)
class UnlearningConfig:
    """A method and how it is trained: AdamW at a constant rate, each forget batch beside a random retain batch of `batch_size` (also
    where the last forget batch of an epoch is smaller).

    A step takes `n_accumulation` micro-batches of `batch_size`. `precision` bf16: the losses under autocast, the weights in float32.
    `lora_rank`: train adapters of this rank in place of the weights. `retain_floor`: stop when the probe's mean answer probability is
    below it, with the weights of the evaluation before. `evaluate_every`: evaluate after so many steps too, not only after an epoch.
    """

    method: Method
    learning_rate: float = 1e-5
    n_epochs: int = 10
    batch_size: int = 16
    weight_decay: float = 0.01
    seed: int = 0
    sampling: Sampling = Uniform()
    n_accumulation: int = 1
    precision: str = "fp32"
    lora_rank: int | None = None
    retain_floor: float | None = None
    evaluate_every: int | None = None

    def __post_init__(self):
        for name in ("learning_rate", "n_epochs", "batch_size", "n_accumulation", "lora_rank", "evaluate_every"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        for name in ("seed", "weight_decay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision: expected fp32 or bf16, got {self.precision!r}")
        if self.retain_floor is not None and not 0 <= self.retain_floor <= 1:
            raise ValueError(f"retain_floor must be a probability from 0 to 1, got {self.retain_floor}")

        if isinstance(self.sampling, Curriculum) and self.n_epochs < 2:
            raise ValueError("a curriculum needs at least 2 epochs: in the first it holds back three quarters of the samples")

    def steps_per_epoch(self, n_forget: int) -> int:
        return -(-n_forget // (self.batch_size * self.n_accumulation))


@dataclass(frozen=True)
class StepRecord:
    """One optimiser step on the forget set's `rows`. Losses are the method's own; `seconds` since the start. `stage` is the name of the
    stage, None in a run without; the retain loss is NaN in a stage that has none.

    `evaluation` closes an epoch, or comes every `evaluate_every` steps. `stopped_early` marks one more record after the last step of
    a run that fell below its retain floor: the step and evaluation whose weights the model has again.
    """

    step: int
    n_steps: int
    epoch: int
    forget_loss: float
    retain_loss: float
    seconds: float
    evaluation: "Evaluation | None" = None
    rows: tuple[int, ...] = ()
    stopped_early: bool = False
    stage: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """Mean answer NLL of each forget sample and of a fixed part of the retain set after a step (0 = before), nats per token.

    `epoch` = step / steps per epoch.
    """

    step: int
    epoch: float
    forget_nll: Float[np.ndarray, " n_forget"] = field(repr=False)
    retain_nll: Float[np.ndarray, " n_probe"] = field(repr=False)

    @property
    def retain_probability(self) -> float:
        return float(np.exp(-self.retain_nll).mean())


@dataclass
class Run:
    """All that a run carries from one step to the next, so all that a checkpoint must hold. `order`: the rows of the epoch under way;
    `kept`: the weights of the last evaluation, where there is a floor to fall below."""

    trainer: Trainer
    draws: Draws
    rng: np.random.Generator
    evaluations: list[Evaluation] = field(default_factory=list)
    order: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    kept: dict[str, Tensor] | None = None
    step: int = 0
    seconds: float = 0.0


def unlearn(
    handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, probe: TokenBatch, config: UnlearningConfig, *,
    difficulty: Float[np.ndarray, " n_forget"] | None = None, stages: Sequence[Stage] | None = None,
    restore: Callable[[Run], None] | None = None, after_step: Callable[[Run], None] = lambda run: None,
) -> Iterator[tuple[StepRecord, nn.Module]]:
    """Train a copy of the model to forget; yields after every step, and once before the first, with the copy as it is.

    `probe` holds the retain samples that are watched. The handle's model is never changed. The same seed on the same machine gives the
    same weights. Dropout stays off. `difficulty` (high = hard) is for a curriculum. `stages` say which weights are trained when
    (`training.Trainer`); epochs, draws and curricula go through them as through a run without. With LoRA the model has its adapters
    beside it: `lora.merged` gives a plain one. `restore` fills a run that goes on from a checkpoint, and the first record is then that
    of its last step; `after_step` is called when a step's record has been consumed.

    Raises ValueError for settings that do not fit, a model below the retain floor before it starts, and losses that are not finite.
    """
    torch.manual_seed(config.seed)
    forget, retain = forget.to(handle.device), retain.to(handle.device)
    run = _start(handle, forget, config, difficulty, stages)
    n_batches = config.steps_per_epoch(len(forget))
    n_steps = n_batches * config.n_epochs
    if restore is not None:
        restore(run)
    else:
        _evaluate(run, n_batches, forget, probe)
    start = time.perf_counter() - run.seconds
    before = None if restore else run.evaluations[0]
    yield StepRecord(run.step, n_steps, -(-run.step // n_batches), float("nan"), float("nan"), run.seconds, before), run.trainer.model
    while run.step < n_steps:
        rows, losses = _step(run, n_batches, forget, retain)
        evaluation, left = None, run.step % n_batches
        if left == 0 or (config.evaluate_every and run.step % config.evaluate_every == 0):
            evaluation = _evaluate(run, n_batches, forget, probe)
        run.seconds = time.perf_counter() - start
        record = StepRecord(run.step, n_steps, -(-run.step // n_batches), *losses, run.seconds, evaluation, tuple(rows),
                            stage=None if stages is None else run.trainer.stage.name)
        yield record, run.trainer.model
        if evaluation is not None and run.evaluations[-1] is not evaluation:
            yield _stopped(run, n_steps, n_batches), run.trainer.model
            return
        after_step(run)


def _start(handle: ModelHandle, forget: TokenBatch, config: UnlearningConfig, difficulty, stages) -> Run:
    trainer, rng = Trainer(handle, config, forget, stages), np.random.default_rng(config.seed)

    def now(sigma: float, n_pairs: int) -> np.ndarray:
        return mrd(merged(trainer.model), forget, sigma=sigma, n_pairs=n_pairs, seed=config.seed).value

    return Run(trainer, Draws(config.sampling, len(forget), config.n_epochs, rng, now, difficulty), rng)


def _step(run: Run, n_batches: int, forget: TokenBatch, retain: TokenBatch) -> tuple[list[int], tuple[float, float]]:
    config = run.trainer.config
    epoch, place = divmod(run.step, n_batches)
    if place == 0:
        run.trainer.enter(epoch)
        run.order = run.draws.rows(epoch)
    n_rows = config.batch_size * config.n_accumulation
    rows = run.order[place * n_rows : (place + 1) * n_rows].tolist()
    beside = run.rng.choice(len(retain), min(n_rows, len(retain)), replace=False).tolist()
    losses = run.trainer.step(forget, rows, retain, beside)
    run.step += 1
    if not np.isfinite(losses if run.trainer.stage.with_retain else losses[0]).all():
        raise ValueError(f"training diverged at step {run.step}: losses {losses}; lower the learning rate")
    return rows, losses


def _evaluate(run: Run, n_batches: int, forget: TokenBatch, probe: TokenBatch) -> Evaluation:
    """Evaluate, and add it to the run's evaluations unless it is below the floor. Raises ValueError if the first one is."""
    model, floor = run.trainer.model, run.trainer.config.retain_floor
    found = Evaluation(run.step, run.step / n_batches, answer_nll(model, forget), answer_nll(model, probe))
    if floor is None or found.retain_probability >= floor:
        run.evaluations.append(found)
        run.kept = run.trainer.weights() if floor is not None else None
    elif run.step == 0:
        was = f"the model's retain probability is {found.retain_probability:.3f} before unlearning"
        raise ValueError(f"retain_floor: {was}, already below the floor of {floor}; lower the floor")
    return found


def _stopped(run: Run, n_steps: int, n_batches: int) -> StepRecord:
    """Give the model the weights of the last evaluation that was not below the floor."""
    run.trainer.load(run.kept)
    last = run.evaluations[-1]
    nan = float("nan")
    return StepRecord(last.step, n_steps, -(-last.step // n_batches), nan, nan, run.seconds, last, (), True)


def final_nll(handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, config: UnlearningConfig) -> Evaluation:
    """The closing evaluation of a whole run."""
    evaluation = None
    for record, _ in unlearn(handle, forget, retain, retain.select([0]), config):
        evaluation = record.evaluation or evaluation
    assert evaluation is not None  # the record before the first step carries one
    return evaluation
