"""A model that cannot be loaded is not asked for at every touch of a slider; one that can is loaded once. Keys change with files."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, model, model_files, studies
from analysis.circuit import Circuit
from components import cached
from tests.made_circuits import made_circuit
from tests.pages.runs_fixture import made_up_study, own_folder, write_run  # noqa: F401


def test_a_failure_is_kept_for_a_while_and_a_model_for_good(monkeypatch):
    asked = []

    def load(name):
        asked.append(name)
        if name == "nowhere":
            raise model.ModelError("nowhere: out of reach")
        return object()

    monkeypatch.setattr(model, "load_model", load)
    for cache in (cached._why_not, cached._model):
        cache.clear()
    for _ in range(3):
        with pytest.raises(ValueError, match="nowhere: out of reach"):
            cached.model("nowhere")
    assert asked == ["nowhere"]
    assert cached.model("here") is cached.model("here") and asked == ["nowhere", "here"]
    for cache in (cached._why_not, cached._model):
        cache.clear()  # what is made up here is no model for other tests


def test_weights_that_were_replaced_are_read_anew(tmp_path, monkeypatch):
    """A run started again writes other weights into the same folder."""
    for cache in (cached._why_not, cached._model, cached._tensor_shapes):
        cache.clear()
    monkeypatch.setattr(model, "load_model", lambda name: object())
    monkeypatch.setattr(model_files, "tensor_shapes", lambda folder: {"w": (len((folder / "w.safetensors").read_bytes()),)})
    weights = tmp_path / "w.safetensors"
    found = []
    for n_bytes in (1, 2):
        weights.write_bytes(b"x" * n_bytes)
        os.utime(weights, (n_bytes, n_bytes))
        found.append((cached.model(str(tmp_path)), cached.tensor_shapes(tmp_path)))
        assert found[-1] == (cached.model(str(tmp_path)), cached.tensor_shapes(tmp_path))
    assert found[0][0] is not found[1][0] and [shapes for _, shapes in found] == [{"w": (1,)}, {"w": (2,)}]
    cached._model.clear()


def test_keys_tell_circuits_and_studies_apart(tmp_path):
    """The same scores with another choice of as many edges; the same forget set with other samples."""
    of_circuit, of_study = cached.HASHES[Circuit], cached.HASHES[studies.Study]
    edges = {"input->m0": 1.0, "m0->logits": 1.0, "input->a0.h0<q>": 1.0}
    whole = made_circuit(edges)
    places = np.argwhere(whole.in_circuit)
    parts = [replace(whole, in_circuit=whole.in_circuit.copy()) for _ in range(2)]
    for part, place in zip(parts, places[:2], strict=True):
        part.in_circuit[tuple(place)] = False
    assert of_circuit(whole) == of_circuit(made_circuit(edges)) and of_circuit(parts[0]) != of_circuit(parts[1])
    forget = tmp_path / "forget.jsonl"
    study = studies.Study("s", "S", "model", forget, forget, tmp_path)
    keys = []
    for second in (1, 2):
        forget.write_text("{}")
        os.utime(forget, (second, second))
        keys.append(of_study(study))
    assert keys[0] != keys[1] and keys[1] == of_study(study)


def test_what_runs_left_leaves_out_one_that_does_not_count_whatever_its_name(study):
    write_run(study.results / "runs" / "same", study, "NPO")
    alone = cached.left_after_runs(study)
    write_run(own_folder(study, "same"), study, "GradAscent")
    table = pd.read_csv(own_folder(study, "same") / "samples.csv")
    atomic.write_csv(own_folder(study, "same") / "samples.csv", table.assign(probability_after=0.0))
    assert len(cached.run_records(study)) == 2 and cached.left_after_runs(study).equals(alone) and alone.max() > 0
