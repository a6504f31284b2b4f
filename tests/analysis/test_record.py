"""What a run leaves on disk: the retain floor, evaluations between epochs, the rows of a step, the config as plain data."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from analysis import record
from analysis.evaluation import answer_nll
from analysis.methods import NPO, GradDiff
from analysis.model import fingerprint
from analysis.outcomes import sampling
from analysis.record import describe, record_run, samples_frame
from analysis.runs import read_run
from analysis.sampling import CGA, Curriculum
from analysis.stages import Stage
from analysis.tokens import tokenize
from analysis.unlearning import Evaluation, UnlearningConfig, final_nll, unlearn
from tests.analysis.test_stages import two_stages

HARSH = UnlearningConfig(GradDiff(gamma=5.0, alpha=1e-6), 1e-2, 6, 3, evaluate_every=1)  # 1 step per epoch; destroys the rest too


@pytest.fixture
def split(batch):
    return batch.select([0, 1, 2]), batch.select([3, 4, 5])


def probabilities(records) -> list[float]:
    return [float(np.exp(-r.evaluation.retain_nll).mean()) for r in records if r.evaluation]


def floored(handle, split):
    """A config whose floor is crossed at its third evaluation, and the records of the run without it."""
    free = [r for r, _ in unlearn(handle, *split, split[1], HARSH)]
    p = probabilities(free)
    assert p[0] > p[1] > p[2] > p[3]
    return replace(HARSH, retain_floor=(p[1] + p[2]) / 2), free


def test_a_run_below_its_floor_ends_with_the_weights_of_the_evaluation_before(handle, split):
    config, free = floored(handle, split)
    found = [(r, fingerprint(model)) for r, model in unlearn(handle, *split, split[1], config)]
    records = [r for r, _ in found]
    assert [(r.step, r.stopped_early) for r in records] == [(0, False), (1, False), (2, False), (1, True)]
    assert found[3][1] == found[1][1] != found[2][1]  # the weights of step 1 again
    assert records[3].evaluation is records[1].evaluation and records[2].forget_loss == free[2].forget_loss
    assert final_nll(handle, *split, replace(HARSH, retain_floor=1e-9)).forget_nll == pytest.approx(free[-1].evaluation.forget_nll)


def test_a_floor_that_is_never_crossed_changes_nothing(handle, split):
    free = [m for _, m in unlearn(handle, *split, split[1], HARSH)][-1]
    kept = [m for _, m in unlearn(handle, *split, split[1], replace(HARSH, retain_floor=1e-9))][-1]
    assert fingerprint(free) == fingerprint(kept)


def test_a_model_below_the_floor_from_the_start_is_refused(handle, split, samples, tmp_path):
    with pytest.raises(ValueError, match="before unlearning, already below the floor of 0.999; lower the floor"):
        record_run(handle, samples[:3], samples[3:], replace(HARSH, retain_floor=0.999), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_stopped_run_says_so_and_its_tables_belong_to_the_saved_weights(handle, split, samples, tokenizer, tmp_path):
    from transformers import AutoModelForCausalLM

    summary = record_run(handle, samples[:3], samples[3:], floored(handle, split)[0], tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())["summary"]
    assert summary == manifest and (summary["stopped_early"], summary["stopped_step"], summary["kept_step"]) == (True, 2, 1)
    assert pd.read_csv(tmp_path / "run" / "steps.csv").step.tolist() == [1, 2]  # what was done, and seen
    assert sorted(set(pd.read_csv(tmp_path / "run" / "trajectories.csv").epoch)) == [0, 1, 2]
    table = pd.read_csv(tmp_path / "run" / "samples.csv")
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model", dtype=torch.float64)
    assert table.nll_after.to_numpy() == pytest.approx(answer_nll(saved, tokenize(samples[:3], tokenizer)), rel=1e-6)
    assert not record_run(handle, samples[:3], samples[3:], replace(HARSH, n_epochs=1), tmp_path / "free")["stopped_early"]


def test_evaluations_come_between_epochs_too(handle, samples, batch, tmp_path):
    config = UnlearningConfig(NPO(), 1e-3, 2, 1, evaluate_every=2)  # three steps per epoch
    record_run(handle, samples[:3], samples[3:], config, tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "trajectories.csv")
    assert sorted(set(table.epoch)) == pytest.approx([0, 2 / 3, 1, 4 / 3, 2], abs=1e-5)  # steps 0, 2, 3, 4, 6
    assert len(table) == 5 * 6
    sets = batch.select([0, 1, 2]), batch.select([3, 4, 5])
    plain = [m for _, m in unlearn(handle, *sets, sets[1], replace(config, evaluate_every=None))][-1]
    watched = [m for _, m in unlearn(handle, *sets, sets[1], config)][-1]
    assert fingerprint(plain) == fingerprint(watched)  # to look changes nothing


def test_part_of_the_retain_set_is_watched_and_all_of_it_summed_up(handle, samples, batch, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "N_PROBE", 2)
    summary = record_run(handle, samples[:3], samples[3:], UnlearningConfig(NPO(), 1e-2, 1, 3), tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "trajectories.csv").query("split == 'retain'")
    assert table.sample_id.tolist() == ["s3", "s5"] * 2  # spread over the set, not its head
    known = np.exp(-answer_nll(handle.model, batch.select([3, 4, 5])))
    assert summary["n_retain"] == 3 and summary["retain_probability_before"] == round(float(known.mean()), 4)
    assert abs(known.mean() - known[[0, 2]].mean()) > 1e-4  # not the watched part's


def test_first_forgotten_step_and_epoch_by_hand(samples):
    """Two steps per epoch; probabilities of three samples. The second is above 0.3 again at the first epoch's end; the third was
    never known, and is not forgotten before anything is done."""
    probability = {0: (0.9, 0.9, 0.1), 1: (0.8, 0.2, 0.1), 2: (0.5, 0.4, 0.4), 3: (0.31, 0.31, 0.4), 4: (0.29, 0.31, 0.4)}
    evaluations = [
        Evaluation(step, step / 2, -np.log(np.array(values)), np.zeros(1)) for step, values in probability.items()
    ]
    table = samples_frame(samples[:3], evaluations)
    assert table.forgotten_step.tolist() == [4, 1, 1]
    assert table.forgotten_epoch.fillna(-1).tolist() == [2, -1, -1]
    assert samples_frame(samples[:3], evaluations[:1]).forgotten_step.isna().all()
    assert table.probability_after.tolist() == pytest.approx([0.29, 0.31, 0.4])


def test_steps_name_the_rows_that_they_trained_on(handle, samples, tmp_path):
    config = UnlearningConfig(NPO(), 1e-3, 2, 1, n_accumulation=2)
    record_run(handle, samples[:3], samples[3:], config, tmp_path / "run")
    rows = [[int(r) for r in cell.split()] for cell in pd.read_csv(tmp_path / "run" / "steps.csv", dtype=str).rows]
    assert [len(r) for r in rows] == [2, 1, 2, 1]
    assert sorted(rows[0] + rows[1]) == sorted(rows[2] + rows[3]) == [0, 1, 2]


def test_a_run_in_stages_says_so_in_its_files_and_one_without_does_not(handle, samples, tmp_path):
    stages = two_stages(handle.model, 1, 2)
    config = UnlearningConfig(NPO(), 1e-2, 3, 3)
    record_run(handle, samples[:3], samples[3:], config, tmp_path / "run", stages=stages, what_if="random")
    record_run(handle, samples[:3], samples[3:], config, tmp_path / "plain")
    described, plain = (yaml.safe_load((tmp_path / name / "config.yaml").read_text()) for name in ("run", "plain"))
    n_head, n_mlp = 3 * (16 * 4 + 4) + 4 * 16, 16 * 24 + 24 + 24 * 16 + 16
    assert described["what_if"] == "random" and described["stages"] == [
        {"name": "forget", "n_epochs": 1, "n_parameters": n_head + n_mlp, "with_retain": False},
        {"name": "conflict", "n_epochs": 2, "n_parameters": n_head + n_mlp, "with_retain": True},
    ]
    assert plain["mask"] is None and not {"what_if", "stages"} & set(plain)
    assert described | {"mask": None} == plain | {"what_if": "random", "stages": described["stages"]}
    steps = pd.read_csv(tmp_path / "run" / "steps.csv")
    assert steps.stage.tolist() == ["forget", "conflict", "conflict"] and "stage" not in pd.read_csv(tmp_path / "plain" / "steps.csv")
    for name in ("run", "plain"):  # as the pages read them
        read = read_run(tmp_path / name)
        assert read.steps.step.tolist() == [1, 2, 3] and read.steps.retain_loss.isna().tolist() == [name == "run", False, False]
        assert len(read.trajectories) == 4 * 6 and np.isfinite(read.trajectories.nll).all()
        assert read.record.n_epochs == 3 and sampling(read.record) == "uniform"


def test_the_config_is_plain_data_and_a_mask_a_hash():
    described = describe(UnlearningConfig(NPO(), sampling=CGA(refresh=2), lora_rank=4))
    assert yaml.safe_load(yaml.safe_dump(described)) == described
    assert (described["sampling"], described["sampling_args"]) == ("CGA", {"refresh": 2, "sigma": 1e-3, "n_pairs": 5})
    assert (described["lora_rank"], described["precision"], described["mask"]) == (4, "fp32", None)
    assert describe(UnlearningConfig(NPO(), sampling=Curriculum()))["sampling_args"] == {"order": "easy_first"}
    values = torch.tensor([True, False])
    masks = [{"a": values}, {"a": torch.tensor([True, True])}, {"b": values}, {"a": values[None]}]
    hashes = [describe(UnlearningConfig(NPO()), [Stage("mask", 10, mask)])["mask"] for mask in (*masks, dict(masks[0]))]
    assert len(set(hashes[:4])) == 4 and hashes[4] == hashes[0]
    later = [describe(UnlearningConfig(NPO()), [Stage("a", 5, masks[0]), Stage("b", 5, mask)])["mask"] for mask in masks[:2]]
    assert later[0] != later[1]  # a resumed run compares the masks of all stages


@pytest.mark.parametrize(("wrong", "message"), [
    ({"n_accumulation": 0}, "n_accumulation must be positive"), ({"lora_rank": 0}, "lora_rank must be positive"),
    ({"evaluate_every": 0}, "evaluate_every must be positive"), ({"retain_floor": 1.5}, "retain_floor must be a probability"),
    ({"retain_floor": math.nan}, "retain_floor must be a probability"), ({"precision": "fp16"}, "precision: expected fp32 or bf16"),
    ({"weight_decay": -0.1}, "weight_decay must be at least 0"),
])
def test_settings_out_of_range_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        UnlearningConfig(NPO(), **wrong)
