"""Every reader of files, beside whole files that it reads: what fuzzing damages, and what it then calls.

`made(root)` fills a workspace with one small study that has everything. A reader returns, or raises ValueError with one line that
names the file: `outcome` says which, and raises what is neither.
"""

import json
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.fuzzed_workspace import FACTS, OBJECT, STUDY, made
from tests.mutations import damaged

__all__ = ["READERS", "damage", "made", "outcome", "restore"]


class Reader(NamedTuple):
    """`files`: those that are damaged, by path in the workspace, each with its kind (`mutations.damaged`)."""

    files: dict[str, str]
    read: Callable[[Path], Any]


def outcome(reader: Reader, root: Path) -> str:
    """`ok` or `error`. Raises AssertionError for an error that is unclear, and whatever else the reader raises."""
    try:
        reader.read(root)
    except ValueError as error:
        said = str(error)
        assert said.strip() and "\n" not in said.strip() and len(said) < 1000, f"not one line: {said[:300]!r}"
        names = {part for file in reader.files for part in Path(file).parts[-2:]}
        assert any(name in said for name in names), f"names no file: {type(error).__name__}: {said[:300]!r}"
        assert type(error).__name__ not in said or type(error) is ValueError, f"speaks of Python: {said[:300]!r}"
        return "error"
    return "ok"


def damage(reader: Reader, root: Path, whole: dict[str, bytes], rng: Random) -> str:
    """Damage one file of the reader, seldom take it away; the others are whole. Returns which."""
    name = rng.choice(list(reader.files))
    if rng.random() < 0.01:
        (root / name).unlink(missing_ok=True)
    else:
        (root / name).write_bytes(damaged(whole[name], reader.files[name], rng))
    return name


def restore(root: Path, whole: dict[str, bytes]) -> None:
    """Everything as it was before the damage, also where the reader set something aside."""
    for folder in ("damaged", "imported"):
        shutil.rmtree(root / folder, ignore_errors=True)
    for file in root.glob("*.sqlite*-*"):  # damaged, and what SQLite keeps beside its file
        file.unlink()
    for name, content in whole.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def _set(name: str) -> Reader:
    def read(root: Path) -> None:
        from analysis import dataset, truth_ratio

        samples, _ = dataset.read_samples(root / name)
        dataset.columns(root / name)
        dataset.samples_hash(samples)
        for sample in samples:
            truth_ratio.alternatives(sample)
            assert sample.answer.strip() and sample.prompt.encode() and f"{sample.corrupted_prompt}".encode()

    return Reader({name: Path(name).suffix[1:]}, read)


def _study(root: Path) -> None:
    from analysis import studies

    assert {one.slug for one in studies.known()} <= {"embedded", "made"}
    study = studies.named("made")
    for file in (study.forget, study.retain):
        assert file.resolve().is_relative_to(root / STUDY)


def _scores(root: Path) -> None:
    from analysis import store

    if found := store.read_scores(root / STUDY / "results/scores"):
        frame, record = found
        assert isinstance(record, dict)
        numbers = frame.drop(columns=["sample_id", "question", "answer", "template", "cud_role"], errors="ignore")
        assert numbers.dtypes.map(lambda kind: kind.kind in "fiub").all() and frame["sample_id"].is_unique


def _circuits(root: Path) -> None:
    import numpy as np

    from analysis import store
    from analysis.circuit import edges_frame, nodes_frame

    if found := store.read_circuits(root / STUDY / "results/circuits"):
        circuits, config = found
        assert isinstance(config, dict) and circuits
        for circuit in circuits.values():
            assert np.isfinite(circuit.scores).all() and circuit.in_circuit.dtype == bool
            nodes_frame(edges_frame(circuit))


def _eap_ig(root: Path) -> None:
    from analysis import exchange
    from analysis.graph import GraphIndex

    exchange.read_folder(root / "eap-ig", "f", GraphIndex(3, 4, 4, 16))


def _conflicts(root: Path) -> None:
    from analysis import conflict_map

    found = conflict_map.read(root / STUDY / "results/conflicts")
    json.dumps(conflict_map.to_json(found))


def _run(root: Path) -> None:
    from analysis import outcomes, run_comparison, runs, studies

    study = studies.named("made")
    run = runs.read_run(root / "runs/made/mine")
    assert [record.name for record in runs.list_runs(study)] == ["mine"]
    outcomes.frame([run.record])
    run_comparison.settings({"mine": run})
    assert run.samples.sample_id.map(type).eq(str).all()


def _evaluation(root: Path) -> None:
    from analysis import outcomes

    found = outcomes.read_evaluation(root / "runs/made/mine/evaluation")
    assert found is None or all(v is None or isinstance(v, (str, int, float)) for v in found.summary.values())


def _curricula(root: Path) -> None:
    from analysis import outcomes

    outcomes.read_curricula(root / STUDY / "results/curricula")


def _masks(root: Path) -> None:
    from analysis import outcomes

    outcomes.read_masks(root / STUDY / "results/masks")


def _alone(root: Path) -> None:
    from analysis import observed

    table = observed.read_alone(root / STUDY / "results/alone")
    if len(table):
        observed.alone_difficulty([table])


def _validity(root: Path) -> None:
    from analysis import validity

    validity.read_table(root / STUDY / "results/validity.csv", "x")


def _checkpoint(root: Path) -> None:
    from analysis import checkpoint

    found = checkpoint.read(root / "checkpoint/state.safetensors", {"seed": 0})
    assert found is None or found.evaluations is not None


def _mask(root: Path) -> None:
    from analysis import unlearn_command

    unlearn_command._masks(root / "mask.safetensors", None)


def _model(root: Path) -> None:
    from analysis.model import load_model

    load_model(root / "model", "cpu")


def _sizes(root: Path) -> None:
    from analysis import model_files, run_memory

    shape = run_memory.RunShape("NPO", 8, 20)
    shapes, config = model_files.tensor_shapes(root / "model"), model_files.model_config(root / "model")
    assert all(size >= 0 for size in run_memory.estimate(shapes, config, shape).values())


def _jobs(root: Path) -> None:
    from analysis import jobs

    for job in jobs.jobs():
        assert job.command and job.output.is_relative_to(root) and isinstance(job.resumable, bool)


def _job_progress(root: Path) -> None:
    from analysis import progress

    if found := progress.read("done"):
        found.remaining(), found.phase_number("score")


def _workspace(root: Path) -> None:
    from analysis import index, objects, workspace_check, workspace_items

    objects.get(root, "circuits", FACTS)
    assert all(isinstance(entry.n_bytes, int) and isinstance(entry.name, str) for entry in index.entries(root))
    for item in workspace_items.items(root):
        assert str(item)
    for finding in workspace_check.check(root):
        assert "\n" not in finding.what, finding.what


def _imported(root: Path) -> None:
    from analysis import eval_import, studies

    if (file := root / "TOFU_EVAL.json").is_file():
        eval_import.bring_in(studies.named("made"), "theirs", {file.name: file.read_bytes()})


def _config(root: Path) -> None:
    from analysis import config_file

    with suppress(FileNotFoundError):  # which the command says
        config_file.read(root / "config.yaml")


def _address(root: Path) -> None:
    """Every parameter of an address, as the pages read it; what is no text, a browser cannot send."""
    from streamlit.testing.v1 import AppTest

    try:
        given = json.loads((root / "address.json").read_text())
    except (OSError, ValueError, RecursionError):
        return
    page, main = AppTest.from_function(_asks_for_all, default_timeout=60), sys.modules["__main__"]
    for name, value in given.items() if isinstance(given, dict) else ():
        if isinstance(value, str) and value.isprintable():
            page.query_params[name] = value
    page.run()
    sys.modules["__main__"] = main  # else a process that is started later would run the page
    assert not page.exception, [error.value for error in page.exception]


def _asks_for_all() -> None:
    import streamlit as st

    from components import cohort_rule, state

    state.carry("page")
    study = state.study()
    known = [f"s{i}" for i in range(8)]
    state.selected(known), state.sample_id(known), state.sample_id(known, slot="left")
    cohort_rule.fitting(cohort_rule.current(), False)
    st.text(str((study.slug, state.node(), state.pins(), state.path(), state.boundary(4), state.card_is_open(), state.carried())))
    st.text(str([state.parameter(name) for name in state.OF_STUDY]))


def _results(*names: str) -> dict[str, str]:
    return {f"{STUDY}/results/{name}": Path(name).suffix[1:] for name in names}


RUN = {f"runs/made/mine/{name}": Path(name).suffix[1:] for name in ("manifest.json", "config.yaml", "samples.csv", "steps.csv",
                                                                    "trajectories.csv")}
EVALUATION = {f"runs/made/mine/evaluation/{name}": Path(name).suffix[1:] for name in ("LETHE_SUMMARY.json", "evaluation.csv",
                                                                                     "parameter_change.csv")}
MODEL = {f"model/{name}": Path(name).suffix[1:] for name in ("config.json", "tokenizer.json", "tokenizer_config.json",
                                                             "generation_config.json", "model.safetensors")}
READERS = {
    "set, JSONL": _set(f"{STUDY}/forget.jsonl"), "set, JSON": _set("sets/set.json"), "set, CSV": _set("sets/set.csv"),
    "set, Parquet": _set("sets/set.parquet"), "study": Reader({f"{STUDY}/study.json": "json"}, _study),
    "scores": Reader(_results("scores/scores.csv", "scores/scores.json"), _scores),
    "circuits": Reader(_results("circuits/circuits.json", "circuits/circuits.safetensors"), _circuits),
    "EAP-IG graph": Reader({"eap-ig/sample.json": "json"}, _eap_ig),
    "conflict map": Reader(_results("conflicts/conflicts.json"), _conflicts), "run": Reader(RUN, _run),
    "evaluation": Reader(EVALUATION, _evaluation),
    "curricula": Reader(_results("curricula/curricula.csv", "curricula/summary.csv"), _curricula),
    "masks over seeds": Reader(_results("masks/masks.csv", "masks/summary.csv", "masks/masks.json"), _masks),
    "alone": Reader(_results("alone/alone.csv"), _alone), "validity": Reader(_results("validity.csv"), _validity),
    "checkpoint": Reader({"checkpoint/state.safetensors": "safetensors"}, _checkpoint),
    "mask of weights": Reader({"mask.safetensors": "safetensors"}, _mask), "model": Reader(MODEL, _model),
    "table of jobs": Reader({"jobs.sqlite": "sqlite"}, _jobs), "progress of a job": Reader({"jobs/done.json": "json"}, _job_progress),
    "workspace": Reader({"index.sqlite": "sqlite", f"{OBJECT}/manifest.json": "json", f"{OBJECT}/table.parquet": ""}, _workspace),
    "address": Reader({"address.json": "json"}, _address),
    "imported evaluation": Reader({"TOFU_EVAL.json": "json"}, _imported),
    "config file": Reader({"config.yaml": "yaml"}, _config),
    "memory estimate": Reader({k: MODEL[k] for k in ("model/config.json", "model/model.safetensors")}, _sizes),
}
