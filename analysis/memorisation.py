"""Trains one of the embedded models to know its world by heart. The recipe and the seed decide the bytes, on one thread."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from analysis import world
from analysis.dataset import Sample
from analysis.tokens import IGNORED, TokenBatch, tokenize
from analysis.world import Fact, WorldSize


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed that decides the build; the learning rate is the peak of a one-cycle schedule."""

    world: WorldSize = field(default_factory=WorldSize)
    n_layer: int = 8
    n_head: int = 4
    n_embd: int = 128
    n_positions: int = 64
    vocab_size: int = 1280
    n_epochs: int = 22
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    n_perturbed: int = 4


DEFAULT = Recipe()


def as_sample(fact: Fact, phrasing: int = 0) -> Sample:
    return Sample("", world.question(fact, phrasing), world.answer(fact), fact.split, 0)


def train(folder: Path, facts: Sequence[Fact], tokenizer, recipe: Recipe, seed: int) -> None:
    """Train one model on the answers of `facts` and save it, rounded to float16, with its tokenizer.

    In each epoch a fact is presented `exposure` times, rotating through the trained wordings of its question.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(seed)
        model = _new_model(tokenizer, recipe)
        pairs = [(i, phrasing) for i in range(len(facts)) for phrasing in range(world.n_phrasings())]
        batch = tokenize([as_sample(facts[i], phrasing) for i, phrasing in pairs], tokenizer, max_length=recipe.n_positions)
        steps = _schedule(facts, pairs, batch.attention_mask.sum(1).tolist(), recipe, random.Random(seed))
        _fit(model, _with_end_of_text(batch), steps, recipe, folder.with_suffix(".progress"))
        model.half().save_pretrained(folder)
        (folder / "model.safetensors").chmod(0o644)
        tokenizer.save_pretrained(folder)
    finally:
        torch.set_num_threads(n_threads)


def _new_model(tokenizer, recipe: Recipe):
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = {name: getattr(recipe, name) for name in ("n_layer", "n_head", "n_embd", "n_positions")}
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    no_dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    config = GPT2Config(vocab_size=len(tokenizer), **shape, **special, **no_dropout)
    return GPT2LMHeadModel(config).float().train()


def _schedule(
    facts: Sequence[Fact], pairs: Sequence[tuple[int, int]], lengths: Sequence[int], recipe: Recipe, rng: random.Random
) -> list[list[int]]:
    """The rows of each step. Batches are sorted by length within 8 batches, which saves a third of the padding."""
    row_of, size, steps = {pair: row for row, pair in enumerate(pairs)}, recipe.batch_size, []
    for epoch in range(recipe.n_epochs):
        seen = [(i, epoch * fact.exposure + time) for i, fact in enumerate(facts) for time in range(fact.exposure)]
        rows = [row_of[i, time % world.n_phrasings()] for i, time in seen]
        rng.shuffle(rows)
        chunks = [sorted(rows[i : i + 8 * size], key=lengths.__getitem__) for i in range(0, len(rows), 8 * size)]
        batches = [chunk[i : i + size] for chunk in chunks for i in range(0, len(chunk), size)]
        rng.shuffle(batches)
        steps += batches
    return steps


def _with_end_of_text(batch: TokenBatch) -> TokenBatch:
    """The same batch with the end-of-text token among the labels: it is learnt, but never measured."""
    labels, last = batch.labels.clone(), batch.attention_mask.sum(1) - 1
    rows = torch.arange(len(batch))
    labels[rows, last] = batch.input_ids[rows, last]
    return replace(batch, labels=labels)


def _fit(model, batch: TokenBatch, steps: list[list[int]], recipe: Recipe, progress: Path) -> None:
    """Minimise the mean NLL of the answer and end-of-text tokens of each step's rows."""
    parameters, peak = list(model.parameters()), recipe.learning_rate
    optimizer = torch.optim.AdamW(parameters, lr=peak, weight_decay=recipe.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=len(steps) + 1, pct_start=0.15)
    for step, rows in enumerate(steps, start=1):
        part = batch.select(rows)
        rows_at, positions = (part.labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
        hidden = model.transformer(part.input_ids, attention_mask=part.attention_mask).last_hidden_state
        logits = model.lm_head(hidden[rows_at, positions])
        loss = torch.nn.functional.cross_entropy(logits, part.labels[rows_at, positions + 1])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 0 or step == len(steps):
            progress.write_text(f"step {step} of {len(steps)}, loss {loss.item():.4f} nats per token")
    progress.unlink(missing_ok=True)
