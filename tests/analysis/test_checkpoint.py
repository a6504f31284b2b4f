"""A run that was interrupted and resumed is, bit for bit, the run that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from analysis import atomic, checkpoint, conflict_map
from analysis.__main__ import app
from analysis.methods import NPO, RMU, GradDiff
from analysis.model import load_model
from analysis.record import record_run
from analysis.run_files import RunFiles, checkpoint_file
from analysis.sampling import CGA, CGATwoLevel, Curriculum
from analysis.stages import Stage
from analysis.unlearning import Run, UnlearningConfig
from tests.analysis.test_conflict_map import made_map, node
from tests.analysis.test_record import floored
from tests.analysis.test_stages import two_stages

CONFIG = UnlearningConfig(NPO(), 1e-2, 4, 2, evaluate_every=2)  # 2 steps per epoch, 8 steps
STEPS, TRAJECTORIES = "steps.csv", "trajectories.csv"


def recorded(handle, samples, config, output, stop_at=None, **options):
    """Record a run on three samples; `stop_at`: raise after this step's rows are written, as a signal would."""

    def report(record):
        if record.step == stop_at:
            raise KeyboardInterrupt

    return record_run(handle, samples[:3], samples[3:], config, output, report, **options)


def interrupted(handle, samples, config, output, stop_at, **options):
    with pytest.raises(KeyboardInterrupt):
        recorded(handle, samples, config, output, stop_at, **options)
    assert not output.exists() and output.with_name(f"{output.name}.partial").is_dir()


def assert_same(one: Path, other: Path) -> None:
    assert {f.name for f in one.iterdir()} == {f.name for f in other.iterdir()}  # no checkpoint, no progress.json
    for name in ("model/model.safetensors", TRAJECTORIES, "samples.csv", "config.yaml"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    a, b = (pd.read_csv(folder / STEPS, dtype=str).drop(columns="seconds") for folder in (one, other))
    assert a.equals(b)


@pytest.mark.slow
@pytest.mark.parametrize("change", [
    {}, {"method": RMU(layer=0)}, {"sampling": CGA(refresh=3, n_pairs=2)}, {"sampling": CGATwoLevel(n_pairs=2)}, {"lora_rank": 2},
    {"sampling": Curriculum("hard_first")}, {"retain_floor": 1e-9}, {"n_accumulation": 2},
], ids=lambda change: "-".join(change) or "NPO")
def test_an_interrupted_run_goes_on_bit_for_bit(change, handle, samples, tmp_path):
    config = replace(CONFIG, **change)
    options = {"difficulty": np.arange(3.0)} if isinstance(config.sampling, Curriculum) else {}
    recorded(handle, samples, config, tmp_path / "whole", **options)
    run, n_steps = tmp_path / "run", 4 * config.steps_per_epoch(3)
    interrupted(handle, samples, config, run, n_steps - 2, checkpoint_every=3, **options)
    torch.rand(5)  # whatever happened since
    reported = []
    record_run(handle, samples[:3], samples[3:], config, run, reported.append, resume=True, **options)
    if n_steps == 8:
        assert [r.step for r in reported] == [3, 4, 5, 6, 7, 8]  # from the checkpoint, not from the start
    assert_same(tmp_path / "whole", run)


def test_a_run_may_be_interrupted_twice_and_rows_after_the_checkpoint_are_cut(handle, samples, tmp_path):
    recorded(handle, samples, CONFIG, tmp_path / "whole")
    run, partial = tmp_path / "run", tmp_path / "run.partial"
    interrupted(handle, samples, CONFIG, run, 5, checkpoint_every=2)
    assert pd.read_csv(partial / STEPS).step.tolist() == [1, 2, 3, 4, 5]
    with (partial / STEPS).open("a") as file:
        file.write("6,3,half a li")
    interrupted(handle, samples, CONFIG, run, 7, checkpoint_every=2, resume=True)
    recorded(handle, samples, CONFIG, run, resume=True)
    assert_same(tmp_path / "whole", run)


def test_a_resumed_run_that_falls_below_its_floor_has_the_weights_to_go_back_to(handle, samples, batch, tmp_path):
    config, _ = floored(handle, (batch.select([0, 1, 2]), batch.select([3, 4, 5])))  # below it at step 2
    recorded(handle, samples, config, tmp_path / "whole")
    interrupted(handle, samples, config, tmp_path / "run", 2, checkpoint_every=1)
    summary = recorded(handle, samples, config, tmp_path / "run", resume=True)
    assert (summary["stopped_step"], summary["kept_step"]) == (2, 1)
    assert_same(tmp_path / "whole", tmp_path / "run")


def test_a_resumed_run_counts_its_seconds_on_and_holds_no_second_copy_of_its_state(handle, samples, tmp_path, monkeypatch):
    interrupted(handle, samples, CONFIG, tmp_path / "run", 5, checkpoint_every=2)
    seconds, found, read = pd.read_csv(tmp_path / "run.partial" / STEPS).seconds, [], checkpoint.read
    monkeypatch.setattr(checkpoint, "read", lambda *given: found.append(read(*given)) or found[-1])
    recorded(handle, samples, CONFIG, tmp_path / "run", resume=True)
    assert found[0].facts["step"] == 4 and not found[0].tensors
    assert pd.read_csv(tmp_path / "run" / STEPS).seconds[4] > seconds[3] > 0


def test_a_mask_is_kept_up_over_an_interruption(handle, samples, tmp_path):
    mask = {"transformer.h.0.mlp.c_fc.weight": torch.rand(16, 24, generator=torch.Generator().manual_seed(0)) < 0.5}
    stages = [Stage("mask", 4, mask)]
    recorded(handle, samples, CONFIG, tmp_path / "whole", stages=stages)
    interrupted(handle, samples, CONFIG, tmp_path / "run", 5, stages=stages)
    with pytest.raises(ValueError, match="mask was .* and is None"):
        recorded(handle, samples, CONFIG, tmp_path / "run", resume=True)
    recorded(handle, samples, CONFIG, tmp_path / "run", stages=stages, resume=True)
    assert_same(tmp_path / "whole", tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(("stop_at", "change"), [
    (4, {}), (5, {}), (7, {}), (5, {"method": RMU(layer=0)}), (7, {"sampling": CGA(refresh=3, n_pairs=2)}),
    (5, {"retain_floor": 1e-9, "evaluate_every": 1}),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else {4: "stage 1", 5: "its end", 7: "stage 2"}[value])
def test_a_run_in_stages_goes_on_bit_for_bit(stop_at, change, handle, samples, tmp_path):
    """The checkpoint is of the step before: in stage 1, at its end, and in stage 2."""
    config, stages = replace(CONFIG, weight_decay=0.5, **change), two_stages(handle.model, 2, 2)
    recorded(handle, samples, config, tmp_path / "whole", stages=stages)
    interrupted(handle, samples, config, tmp_path / "run", stop_at, stages=stages, checkpoint_every=1)
    reported = []
    record_run(handle, samples[:3], samples[3:], config, tmp_path / "run", reported.append, stages=stages, resume=True)
    assert [r.step for r in reported] == list(range(stop_at - 1, 9))
    assert_same(tmp_path / "whole", tmp_path / "run")


def test_a_resumed_stage_goes_back_to_what_the_stage_before_left(handle, samples, tmp_path):
    """The floor gives way at the second step of stage 2: the weights of the evaluation before are of both stages."""
    harsh = UnlearningConfig(GradDiff(gamma=5.0, alpha=1e-6), 1e-2, 6, 3, evaluate_every=1)  # 1 step per epoch
    second, first = two_stages(handle.model)
    stages = [replace(first, n_epochs=2, with_retain=False), replace(second, n_epochs=4, with_retain=True)]
    seen = []
    record_run(handle, samples[:3], samples[3:], harsh, tmp_path / "free", seen.append, stages=stages)
    p = [r.evaluation.retain_probability for r in seen]
    config = replace(harsh, retain_floor=(p[3] + p[4]) / 2)
    recorded(handle, samples, config, tmp_path / "whole", stages=stages)
    for run, stop_at in (("boundary", 3), ("after", 4)):
        interrupted(handle, samples, config, tmp_path / run, stop_at, stages=stages, checkpoint_every=1)
        summary = recorded(handle, samples, config, tmp_path / run, stages=stages, resume=True)
        assert (summary["stopped_step"], summary["kept_step"]) == (4, 3)
        assert_same(tmp_path / "whole", tmp_path / run)


def test_stages_that_changed_are_not_resumed(handle, samples, tmp_path):
    stages = two_stages(handle.model, 2, 2)
    interrupted(handle, samples, CONFIG, tmp_path / "run", 5, stages=stages)
    for other, message in (
        ([replace(stages[0], with_retain=True), stages[1]], "stages was .*'with_retain': False.* and is .*'with_retain': True"),
        ([replace(stages[0], n_epochs=1), replace(stages[1], n_epochs=3)], "stages was .*'n_epochs': 2"),
        ([replace(stages[0], mask=stages[1].mask), stages[1]], "mask was"), (None, "mask was .* and is None"),
    ):
        with pytest.raises(ValueError, match=message):
            recorded(handle, samples, CONFIG, tmp_path / "run", stages=other, resume=True)


def test_a_run_of_other_settings_weights_or_data_is_not_resumed_and_not_removed(handle, make_handle, samples, tmp_path):
    run = tmp_path / "run"
    interrupted(handle, samples, CONFIG, run, 5)
    for made, message in (
        (lambda: recorded(handle, samples, replace(CONFIG, learning_rate=0.02, seed=1), run, resume=True),
         r"cannot resume .*run.partial: learning_rate was 0.01 and is 0.02; seed was 0 and is 1. Give what it was started with"),
        (lambda: recorded(make_handle("gpt2", 1), samples, CONFIG, run, resume=True), "fingerprint was"),
        (lambda: recorded(handle, samples[::-1], CONFIG, run, resume=True), "data was"),
        (lambda: recorded(handle, samples, replace(CONFIG, sampling=CGA()), run, resume=True), "sampling was Uniform and is CGA"),
        (lambda: recorded(handle, samples, replace(CONFIG, sampling=CGATwoLevel()), run, resume=True), "sampling_args was"),
    ):
        with pytest.raises(ValueError, match=message):
            made()
        assert checkpoint_file(run).is_file()
    recorded(handle, samples, CONFIG, run, resume=True)
    assert run.is_dir()


def test_a_damaged_checkpoint_and_missing_tables_are_said(handle, samples, tmp_path):
    run = tmp_path / "run"
    interrupted(handle, samples, CONFIG, run, 5)
    content = checkpoint_file(run).read_bytes()
    checkpoint_file(run).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="expected a checkpoint, cannot read it .* start anew without --resume"):
        recorded(handle, samples, CONFIG, run, resume=True)
    checkpoint_file(run).write_bytes(content)
    os.truncate(run.with_name("run.partial") / STEPS, 20)
    with pytest.raises(ValueError, match="steps.csv: expected at least"):
        recorded(handle, samples, CONFIG, run, resume=True)
    assert run.with_name("run.partial").is_dir()


@pytest.mark.slow
def test_without_a_checkpoint_or_without_resume_the_run_starts_anew(handle, samples, tmp_path):
    recorded(handle, samples, CONFIG, tmp_path / "whole")
    interrupted(handle, samples, CONFIG, tmp_path / "early", 1)  # before the first epoch closes
    assert not checkpoint_file(tmp_path / "early").exists()
    recorded(handle, samples, CONFIG, tmp_path / "early", resume=True)
    interrupted(handle, samples, replace(CONFIG, seed=4), tmp_path / "other", 5)
    recorded(handle, samples, CONFIG, tmp_path / "other")
    for name in ("early", "other"):
        assert_same(tmp_path / "whole", tmp_path / name)


def test_an_interrupted_run_survives_a_new_one_that_is_refused(handle, samples, tmp_path):
    run = tmp_path / "run"
    recorded(handle, samples, CONFIG, tmp_path / "whole")
    interrupted(handle, samples, CONFIG, run, 5)
    masked = {"stages": [Stage("mask", 4, {"nothing": torch.ones(1, dtype=torch.bool)})]}
    for config, options in ((CONFIG, masked), (replace(CONFIG, retain_floor=1.0), {})):
        with pytest.raises(ValueError, match=r"mask of stage mask: the model has no|retain_floor"):
            recorded(handle, samples, config, run, **options)
        assert checkpoint_file(run).is_file()  # else a resumed run would start anew, and end the same
    recorded(handle, samples, CONFIG, run, resume=True)
    assert_same(tmp_path / "whole", run)


def test_checkpoints_come_when_asked_or_as_rarely_as_their_cost_demands(tmp_path, monkeypatch):
    def written(every, cost):
        files, steps = RunFiles(tmp_path, {}, None, every, 5), []
        monkeypatch.setattr("analysis.checkpoint.write", lambda file, run, *_: steps.append(run.step) or clock.append(clock[-1] + cost))
        clock = [0.0]
        monkeypatch.setattr(time, "perf_counter", lambda: clock[-1])
        run = object.__new__(Run)
        for run.step in range(1, 31):
            run.seconds = float(run.step)
            files.save(run)
        files.close()
        return steps

    assert written(7, 100.0) == [7, 14, 21, 28]
    assert written(None, 0.2) == [5, 10, 15, 20, 25, 30]  # 0.2 s of 5 s per epoch is under 5 %
    assert written(None, 0.45) == [5, 15, 25]  # 0.45 s needs 9 s in between


def command(folder, output, *options) -> list[str]:
    sets = ["--model", folder / "model", "--forget", folder / "forget.jsonl", "--retain", folder / "retain.jsonl"]
    training = ["--n-epochs", 50, "--learning-rate", 1e-3, "--batch-size", 4, "--checkpoint-every", 3, "--method"]
    options = [folder / option if option == "conflicts" else option for option in options]
    return ["unlearn", *map(str, (*sets, *training, *options, "--output", output))]


def run(arguments: list[str]) -> str:
    """The command in this process, which has the imports done; returns its progress."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stderr


def started_and_stopped(arguments: list[str], output: Path, by: int) -> None:
    """End a process of the command by this signal once it has gone 20 steps or more."""
    process = subprocess.Popen([sys.executable, "-m", "analysis", *arguments], cwd=Path(__file__).parents[2],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    steps, deadline = output.with_name(f"{output.name}.partial") / STEPS, time.monotonic() + 240
    while not (steps.is_file() and steps.read_text().count("\n") > 20):  # the first line names the columns
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(by)
    assert process.wait(30) in (-signal.SIGKILL, 143)
    assert steps.read_text().count("\n") < 100 and not output.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("options", "by"), [
    (["RMU", "--precision", "bf16", "--sampling", "cga", "--cga-refresh", 20], signal.SIGTERM),
    (["NPO", "--mask", "conflicts"], signal.SIGKILL),  # in stage 2, which begins at step 17
], ids=["RMU-bf16-CGA-SIGTERM", "NPO-stages"])
def test_a_killed_process_goes_on_bit_for_bit(options, by, model_folder, tmp_path):
    run(command(model_folder, tmp_path / "whole", *options))
    started_and_stopped(command(model_folder, tmp_path / "run", *options), tmp_path / "run", by)
    said = run(command(model_folder, tmp_path / "run", *options, "--resume"))
    assert "starts anew" not in said and "step 2 of" not in said and "step 99 of" in said
    assert_same(tmp_path / "whole", tmp_path / "run")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory, tokenizer):
    """A model of three layers and two sets of eight samples, as files."""
    from tests.tiny_models import random_model, tiny_config

    root = tmp_path_factory.mktemp("model")
    config = tiny_config("gpt2", len(tokenizer))
    config.num_hidden_layers = 3
    random_model(config).float().save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    made = made_map({"a0.h1": node("forget"), "m2": node("conflict", kind="MLP", layer=2)})
    of = replace(made, provenance={"fingerprint": load_model(str(root / "model"), "cpu").fingerprint})
    atomic.write_json(root / "conflicts" / "conflicts.json", conflict_map.to_json(of))
    for name, place in (("forget", "Lund"), ("retain", "Oslo")):
        rows = [{"question": f"Where does {p} live?", "answer": f"{place} {i}"} for i, p in enumerate(("Ana", "Bo", "Cy", "Di") * 2)]
        rows = [row | {"question": row["question"] + "?" * (i // 4)} for i, row in enumerate(rows)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root
