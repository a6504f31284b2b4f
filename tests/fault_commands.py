"""The commands that fault tests disturb, each with what it writes and what of it no run may change."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from analysis import atomic
from tests import killed

PEOPLE = ("Ana Rook", "Bo Tarn", "Cy Wells", "Di Moss", "Ed Lane", "Fay Holt")
PLACES = {"forget": "Lund", "retain": "Oslo"}
MODEL, FORGET, RETAIN = "--model={0}/model", "--forget={0}/forget.jsonl", "--retain={0}/retain.jsonl"
SETS = (MODEL, FORGET, RETAIN)
OUT = "--output={0}/disk/workspace/out"


@dataclass(frozen=True)
class Command:
    """`output` and `numbers` (files that come out the same every time) are names in the workspace, `{0}` in `words` is the folder of
    inputs. `other`: what an earlier result was made with; None where the command is refused if there is one. `resumes`: its killed run
    goes on."""

    name: str
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    other: tuple[str, ...] | None = ("--seed=7",)
    output: str = "out"
    resumes: bool = False

    def arguments(self, inputs: Path, *more: str) -> list[str]:
        return [*self.name.split(), *(word.format(inputs) for word in (*self.words, *more))]

    def base(self, inputs: Path, earlier: bool) -> Path | None:
        """A workspace as it is before the command: with a study and its scores, and an `earlier` result (or killed run) or none. None
        where there can be no earlier result."""
        if earlier and self.other is None and not self.resumes:
            return None
        base = inputs / f"{self.name.replace(' ', '-')}-{earlier}"
        shutil.copytree(inputs / "common", base)
        if self.name == "workspace repair":
            _damage(base)
        elif earlier:
            root = inputs / "disk" / "workspace"
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(base, root)
            if self.resumes:
                _, n_moments, _ = killed.run(self.arguments(inputs), inputs / "log", root)
                shutil.rmtree(root)
                shutil.copytree(base, root)
                code, _, _ = killed.run(self.arguments(inputs), inputs / "log", root, n_moments // 2)
                assert code == -9 and (root / f"{self.output}.partial/checkpoint/state.safetensors").is_file()
            else:
                code, _, _ = killed.run(self.arguments(inputs, *self.other), inputs / "log", root)
                assert code == 0, (inputs / "log").read_text()
            shutil.rmtree(base)
            shutil.move(root, base)
        return base


COMMANDS = (
    Command("circuits", (MODEL, "--data={0}/forget.jsonl", OUT, "--ig-steps=2", "--n-edges=20"),
            ("out/circuits.safetensors",), ("--n-edges=30",)),
    Command("score", (*SETS, OUT, "--n-anchors=1", "--ig-steps=1", "--anchor-method=NPO", "--sigma=0.01", "--n-pairs=2"),
            ("out/scores.csv",)),
    Command("unlearn", (*SETS, OUT, "--method=NPO", "--n-epochs=2", "--batch-size=4", "--checkpoint-every=1", "--resume"),
            ("out/samples.csv", "out/trajectories.csv", "out/model/model.safetensors"), None, resumes=True),
    Command("evaluate", (*SETS, OUT, "--relearn=1"), ("out/evaluation.csv", "out/LETHE_SUMMARY.json"), ("--limit-retain=3",)),
    Command("conflicts", (*SETS, OUT, "--target=0.1", "--n-samples=2", "--limit=2"), ("out/circuit.cnf", "out/masks.safetensors")),
    Command("alone", (*SETS, OUT, "--max-updates=2", "--limit=3", "--workers=1"), ("out/alone.csv",)),
    Command("compare-curricula", (*SETS, OUT, "--scores={0}/common/scores", "--n-seeds=1", "--n-epochs=2", "--workers=1"),
            ("out/summary.csv",), ("--learning-rate=0.01",)),
    Command("corrupt", (MODEL, "--data={0}/forget.jsonl", "--output={0}/disk/workspace/out.jsonl"), ("out.jsonl",), output="out.jsonl"),
    Command("study make", ("--name=Own", *SETS), ("studies/own/forget.jsonl",), None, output="studies/own"),
    Command("report", ("--study=mine", OUT), ("out/tables.zip",), ("--study=embedded",)),
    Command("workspace repair", (), ("studies/mine/study.json",), output="index.sqlite"),
)


def _damage(root: Path) -> None:
    """A workspace that much has happened to: half files, results moved away, half a run, databases that are none."""
    results, runs = root / "studies" / "mine" / "results", root / "runs" / "mine"
    shutil.copytree(root / "circuits", results / "circuits")
    shutil.copytree(root / "runs" / "npo", runs / "npo")
    shutil.copytree(root / "runs" / "npo", runs / "rmu")
    for file in (results / "scores" / "scores.json", runs / "npo" / "manifest.json", results / "circuits" / "circuits.json"):
        file.write_bytes(file.read_bytes()[:40])
    for kind in (atomic.NEW, atomic.OLD):
        shutil.copytree(root / "scores", root / "studies" / f".scores{kind}")
    (root / "studies" / f".scores{atomic.LOCK}").touch()
    for name in ("index.sqlite", "jobs.sqlite"):
        (root / name).write_bytes(b"SQLite format 3\0 or what is left of it")


def make_inputs(folder: Path) -> Path:
    """model/, forget.jsonl, retain.jsonl, and common/: a workspace with a study of them and scores. In a fork: see `killed.warm`."""
    os.environ["LETHE_WORKSPACE"] = str(folder / "common")
    if (child := os.fork()) == 0:
        try:
            _make(folder)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    os.environ["LETHE_WORKSPACE"] = str(folder / "disk" / "workspace")
    (folder / "disk").mkdir()
    return folder


def _make(folder: Path) -> None:
    from analysis import studies
    from analysis.dataset import load_samples
    from tests.planted_study import planted_study
    from tests.tiny_models import tiny_model

    rows = {split: [{"question": f"Where does {name} live?", "answer": f"{place} {i}"} for i, name in enumerate(PEOPLE)]
            for split, place in PLACES.items()}
    for split, found in rows.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    tokenizer = tiny_tokenizer([f"Question: {row['question']}\nAnswer: {row['answer']}" for found in rows.values() for row in found])
    tiny_model("gpt2", len(tokenizer)).float().save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    contents = [(folder / f"{split}.jsonl").read_bytes() for split in PLACES]
    mine = studies.create("mine", "Mine", str(folder / "model"), *contents, (".jsonl", ".jsonl"))
    ids = [sample.id for sample in load_samples(folder / "forget.jsonl")]
    planted_study(folder / "common", n=len(ids) * 4, ids=[*ids, *(f"id{i:02}" for i in range(3 * len(ids)))])
    shutil.copytree(folder / "common" / "scores", mine.results / "scores")


def tiny_tokenizer(texts: list[str]):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=300, special_tokens=["<end>", "<pad>"], initial_alphabet=alphabet,
                                                       show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<pad>")
