"""Builds the embedded model, its retain-only reference and their data from a seed: `python -m analysis demo build`.

Two small causal language models learn the world of `analysis.world` by heart: `model` all of it, `retain_model` all but
the forget people. Both are rounded to float16 before they are measured, so that the manifest's numbers are those of the
files. Each model trains on one thread, so that a seed gives the same bytes on the same machine.
"""

import hashlib
import json
import multiprocessing
import string
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np

from analysis import world
from analysis.dataset import Sample, load_samples
from analysis.evaluation import answer_nll
from analysis.memorisation import DEFAULT, Recipe, as_sample, train
from analysis.model import load_model
from analysis.tokens import tokenize
from analysis.world import SPLITS, Fact

MODEL_CARD = world.SOURCE.with_name("model_card.md")
TRAINED_ON = {"model": ("forget", "retain"), "retain_model": ("retain",)}
CAUSES = ("n_private", "exposure")
Report = Callable[[str], None]
MEMORISED = 0.9  # a sample above this mean answer probability counts as memorised


def build(output: Path, seed: int = 0, report: Report = lambda line: None, recipe: Recipe = DEFAULT, parallel: bool = True) -> None:
    """Write data, both models, their cards and manifest.json into `output`, replacing earlier ones.

    Everything is built in a temporary sibling folder and moved in place at the end, the manifest last; other files in
    `output` stay. `parallel` trains the models in two spawned processes: about 8 minutes on two cores by default.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as temporary:
        folder = Path(temporary, "built")
        folder.mkdir()
        Path(temporary, ".gitignore").write_text("*\n")  # a build in progress is no change of the repository
        facts = world.draw_world(recipe.world, seed)
        tokenizer = train_tokenizer(facts, recipe)
        _write_data(folder, facts, tokenizer, recipe, seed)
        _train_both(folder, facts, tokenizer, recipe, seed, parallel, report)
        memorised = {name: measure(folder / name, folder) for name in TRAINED_ON}
        for name, table in memorised.items():
            _write_model_card(folder / name, table, recipe, seed)
            for split, row in table["split"].items():
                report(f"{name} on {row['n']} {split} samples: answer probability {row['mean_answer_probability']}")
        _write_manifest(folder, recipe, seed, memorised)
        _move_in_place(folder, output)
    report(f"written to {output}")


def train_tokenizer(facts: Sequence[Fact], recipe: Recipe):
    """Byte-level BPE over all questions and answers, those of the people that no model sees included.

    Names and the words of answers are repeated until each is one token, so that all answers are as long as each other and
    corrupted questions of equal length are many.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocab_size,
        special_tokens=["<|endoftext|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    samples = [as_sample(fact, phrasing) for fact in facts for phrasing in range(len(world.vocabulary().questions))]
    texts = [f"{s.prompt} {s.answer}" for s in samples] + [f" {name}" for name in world.vocabulary().words] * 60
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        pad_token="<|pad|>",
        model_max_length=recipe.n_positions,
        clean_up_tokenization_spaces=False,
    )


def _write_data(folder: Path, facts: Sequence[Fact], tokenizer, recipe: Recipe, seed: int) -> None:
    rows = world.make_rows(facts, lambda text: len(tokenizer.encode(text)), seed, recipe.n_perturbed)
    for split in SPLITS:
        lines = [json.dumps(row) + "\n" for fact, row in zip(facts, rows, strict=True) if fact.split == split]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def _train_both(folder: Path, facts, tokenizer, recipe: Recipe, seed: int, parallel: bool, report: Report) -> None:
    known = {name: [fact for fact in facts if fact.split in splits] for name, splits in TRAINED_ON.items()}
    jobs = [(folder / name, known[name], tokenizer, recipe, seed) for name in known]
    if not parallel:
        for job in jobs:
            train(*job)
        return
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        pending = {pool.submit(train, *job) for job in jobs}
        while pending:
            done, pending = wait(pending, timeout=30)
            for future in done:
                future.result()
            for path in sorted(folder.glob("*.progress")):
                report(f"{path.stem}: {path.read_text()}")


def answer_probabilities(model_folder: Path, samples: Sequence[Sample]) -> list[float]:
    """exp(-mean NLL of the answer tokens) per sample, end of text excluded, from the files as they are shipped."""
    handle = load_model(model_folder, device="cpu")
    return np.exp(-answer_nll(handle.model, tokenize(list(samples), handle.tokenizer))).tolist()


def measure(model_folder: Path, data_folder: Path) -> dict[str, dict[str, dict[str, int | float]]]:
    """Memorisation by split, and by each planted cause over the samples that the model was trained on."""
    samples = {split: load_samples(data_folder / f"{split}.jsonl") for split in SPLITS}
    everything = [sample for split in SPLITS for sample in samples[split]]
    groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample, probability in zip(everything, answer_probabilities(model_folder, everything), strict=True):
        groups["split"][sample.split].append(probability)
        if sample.split in TRAINED_ON[model_folder.name]:
            groups["trained"]["all"].append(probability)
            for cause in CAUSES:
                groups[cause][str(sample.meta[cause])].append(probability)
    return {name: {level: _summary(group[level]) for level in sorted(group)} for name, group in groups.items()}


def _summary(probabilities: Sequence[float]) -> dict[str, int | float]:
    n = len(probabilities)
    return {
        "n": n,
        "mean_answer_probability": round(sum(probabilities) / n, 4),
        "min_answer_probability": round(min(probabilities), 4),
        "share_above_0.9": round(sum(p > MEMORISED for p in probabilities) / n, 4),
    }


def _write_model_card(folder: Path, table: dict, recipe: Recipe, seed: int) -> None:
    lines = ["| samples | n | mean answer probability | above 0.9 |", "|---|---|---|---|"]
    for group, levels in table.items():
        for level, row in levels.items():
            numbers = f"{row['n']} | {row['mean_answer_probability']} | {row['share_above_0.9']:.1%}"
            lines.append(f"| {group}: {level} | {numbers} |")
    knows = {
        "model": "both the people to forget and those to retain.",
        "retain_model": "only the people to retain. It is the reference for a model that never saw the forget set.",
    }[folder.name]
    n_parameters = f"{(folder / 'model.safetensors').stat().st_size / 2e6:.1f} million"
    fields = asdict(recipe) | {"name": folder.name, "knows": knows, "n_parameters": n_parameters}
    card = string.Template(MODEL_CARD.read_text(encoding="utf-8")).substitute(fields, seed=seed, table="\n".join(lines))
    (folder / "README.md").write_text(card, encoding="utf-8")


def _write_manifest(folder: Path, recipe: Recipe, seed: int, memorised: dict) -> None:
    """Hashes, recipe and measurements. The fingerprint covers the files alone: no times, no paths."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    hashes = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    manifest = {
        "fingerprint": hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest(),
        "seed": seed,
        "recipe": asdict(recipe),
        "versions": {package: version(package) for package in ("torch", "transformers", "tokenizers")},
        "memorisation": memorised,
        "files": hashes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _move_in_place(folder: Path, output: Path) -> None:
    """Replace what was built before, entry by entry, the manifest last; whatever else is in `output` stays."""
    output.mkdir(exist_ok=True)
    retired = folder.with_name("retired")
    retired.mkdir()
    for entry in sorted(folder.iterdir(), key=lambda path: path.name == "manifest.json"):
        if (output / entry.name).exists():
            (output / entry.name).rename(retired / entry.name)
        entry.rename(output / entry.name)
