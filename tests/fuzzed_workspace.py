"""A workspace with one small study that has everything, for fuzzing its readers (`tests.fuzzed_readers`)."""

import json
from dataclasses import replace
from pathlib import Path

QUESTIONS = [(f"Where was person {i} born, \"there\"?", f"In town, {i}") for i in range(8)]
STUDY = "studies/made"
FACTS = {"fingerprint": "f" * 16, "seed": 0}  # of the one object, which lies in OBJECT
OBJECT = "objects/circuits/ffffffffffffffff/70f88c91f0e7e8af20c9ac4c"


def made(root: Path, model: bool = True) -> None:
    """Fill the workspace `root`, which LETHE_WORKSPACE names; `model`: also with a model, which takes the largest imports."""
    import pandas as pd

    from analysis import atomic, store, studies
    from analysis.dataset import load_samples
    from tests.analysis.test_exchange import random_circuit
    from tests.pages.conflict_fixture import write_map
    from tests.pages.runs_fixture import write_curricula, write_evaluation, write_run

    rows = [{"question": q, "answer": a, "corrupted_question": q, "meta": {"n": i}} for i, (q, a) in enumerate(QUESTIONS)]
    (root / STUDY).mkdir(parents=True)
    for name in ("forget", "retain"):
        text = "".join(json.dumps(row | {"perturbed_answer": ["x", "y"]}) + "\n" for row in rows)
        (root / STUDY / f"{name}.jsonl").write_text(text)
    record = {"title": "Made", "model": "nowhere", "forget": "forget.jsonl", "retain": "retain.jsonl"}
    atomic.write_json(root / STUDY / "study.json", record)
    (root / "sets").mkdir()
    (root / "sets/set.json").write_text(json.dumps(rows))
    pd.DataFrame(rows).drop(columns="meta").to_csv(root / "sets/set.csv", index=False)
    pd.DataFrame(rows).to_parquet(root / "sets/set.parquet")
    study = studies.named("made")
    samples = load_samples(study.forget)
    write_scores(study.results / "scores", samples)
    circuits = [replace(random_circuit(False), sample_id=sample.id) for sample in samples]
    store.write_circuits(study.results / "circuits", circuits, {"n_edges": 20, "ablation": "zero"})
    store.write_exports(root / "eap-ig", circuits[:1], "eap-ig", [""])
    (root / "eap-ig" / f"{samples[0].id}.json").rename(root / "eap-ig/sample.json")
    write_map(study.results / "conflicts")
    folder = root / "runs/made/mine"
    write_run(folder, study, "NPO")
    atomic.write_bytes(folder / "steps.csv", b"step,epoch,forget_loss,retain_loss,seconds\n1,1,0.5,0.1,0.5\n2,1,0.5,,1\n")
    write_evaluation(folder, study)
    write_curricula(study)
    write_comparisons(study.results, samples)
    write_tensors(root)
    if model:
        write_model(root / "model")
    write_others(root, samples)


def write_scores(folder: Path, samples: list) -> None:
    import pandas as pd

    from analysis import atomic

    n = len(samples)
    frame = pd.DataFrame({
        "sample_id": [s.id for s in samples], "row": range(n), "question": [s.question for s in samples],
        "answer": [s.answer for s in samples], "n_answer_tokens": 3, "base_nll": 0.5, "token_frequency": 1.5, "template": "Where _?",
        "fold": [i % 2 for i in range(n)], "cud": [i / n for i in range(n)], "cud_role": "scored", "mrd": [1 - i / n for i in range(n)],
        "mrd_stderr": 0.01, "rank_cud": range(n, 0, -1), "rank_mrd": range(1, n + 1),
    })
    atomic.write_csv(folder / "scores.csv", frame)
    atomic.write_json(folder / "scores.json", {"seed": 0, "fingerprint": "f" * 16, "config": {"cud": {"n_edges": 20}},
                                               "mrd": {"sigma": 0.001, "n_pairs": 5, "settled": True}, "versions": {"torch": "2"}})


def write_comparisons(results: Path, samples: list) -> None:
    """masks/, alone/, validity.csv and a run's circuits/kept.csv: the first rows of those that are shipped."""
    data = Path(__file__).parents[1] / "data/results"
    for name in ("masks/masks.csv", "masks/summary.csv", "masks/masks.json", "validity.csv", "sensitivity/sensitivity.csv",
                 "sensitivity/sensitivity.json"):
        (results / name).parent.mkdir(exist_ok=True)
        lines = (data / name).read_bytes().splitlines(keepends=True)
        (results / name).write_bytes(b"".join(lines if name.endswith(".json") else lines[:9]))
    rows = [f"{s.id},{i},NPO,12,11.4,True,0.1,1.2,0.9,0.3\n" for i, s in enumerate(samples)]
    (results / "alone").mkdir()
    head = "sample_id,row,method,updates,crossing,forgotten,nll_before,nll_after,probability_before,probability_after\n"
    (results / "alone/alone.csv").write_text(head + "".join(rows))


def write_tensors(root: Path) -> None:
    """A mask of weights, and a checkpoint."""
    import numpy as np
    from safetensors.numpy import save_file

    (root / "checkpoint").mkdir()
    save_file({"h.0.weight": np.ones((2, 3), dtype=bool)}, root / "mask.safetensors")
    generator = np.random.default_rng(0).bit_generator.state
    facts = {"step": 1, "stage": 0, "seconds": 1.0, "identity": {"seed": 0}, "sizes": {"steps.csv": 10}, "generator": generator,
             "evaluations": [[0, 0]]}
    tensors = {"weight/a": np.ones(2, np.float32), "optimiser/0/step": np.ones(1, np.float32), "order": np.arange(3),
               "evaluation/0/forget": np.ones(2), "evaluation/0/retain": np.ones(2), "torch": np.zeros(8, np.uint8)}
    save_file(tensors, root / "checkpoint/state.safetensors", {"facts": json.dumps(facts)})


def write_others(root: Path, samples: list) -> None:
    """Jobs that have ended, an object with the index, an evaluation to import, a config file and an address."""
    import sqlite3

    from analysis import job_table, objects

    with job_table.transaction():
        pass
    with sqlite3.connect(root / "jobs.sqlite") as db:
        for state in ("done", "failed"):
            row = (f"unlearn-{state}", "unlearn", '["unlearn", "--method", "NPO"]', "cpu", state, "runs/made/mine", 1e9, 3.0)
            columns = "id, kind, arguments, device, state, output, created, seconds"
            db.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        db.execute("PRAGMA journal_mode = DELETE")
    (root / "jobs").mkdir(exist_ok=True)
    progress = {"phase": "epoch", "done": 1, "total": 4, "first": 0, "began": 1.0, "at": 2.0}
    (root / "jobs/done.json").write_text(json.dumps(progress))
    objects.put(root, "circuits", FACTS, {"table.parquet": b"x"}, "made")
    assert objects.folder(root, "circuits", FACTS) == root / OBJECT
    entries = {str(s.row): {"prob": 0.5, "ground_truth": s.answer} for s in samples}
    evaluation = {"forget_Q_A_Prob": {"agg_value": 0.5, "value_by_index": entries}, "privleak": None}
    (root / "TOFU_EVAL.json").write_text(json.dumps(evaluation))
    (root / "config.yaml").write_text("command: unlearn\nmethod: NPO\nlearning_rate: 1e-05\nn_epochs: 2\nforget: a.jsonl\nseed: 0\n")
    address = {"study": "made", "sample": samples[0].id, "node": "a0.h1", "cohort_by": "MRD", "cohort_percent": "30",
               "pins": "m0,a0.h0", "cohort_limits": "0.7,0.3", "pinned_easy": samples[1].id, "path": "input,logits",
               "runs": "mine", "run": "mine",
               "job": "unlearn-done", "late_from": "2", "left": samples[0].id, "view": "One run", "card": "1"}
    (root / "address.json").write_text(json.dumps(address))


def write_model(folder: Path) -> None:
    """A GPT-2 of two narrow layers with a tokenizer of letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from tests.tiny_models import random_model, tiny_config

    letters = ["<end>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    raw = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<pad>").save_pretrained(folder)
    random_model(tiny_config("gpt2", len(letters))).float().save_pretrained(folder)
