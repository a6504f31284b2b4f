"""A model that cannot be loaded is not asked for at every touch of a slider; one that can is loaded once. Keys change with files."""

import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, model, model_files, studies
from analysis.circuit import Circuit
from components import cached, cached_model, state
from tests.made_circuits import made_circuit
from tests.pages.runs_fixture import made_up_study, own_folder, write_run  # noqa: F401


class Made:
    """A stand-in for a loaded model; `alive` are those that someone still holds."""

    alive: ClassVar[weakref.WeakSet] = weakref.WeakSet()

    def __init__(self):
        self.alive.add(self)


def empty():
    for cache in (cached_model._why_not, cached_model._place, cached._tensor_shapes):
        cache.clear()


@pytest.fixture(autouse=True)
def nothing_is_kept():
    """What is made up here is no model for other tests."""
    empty()
    yield
    empty()


def test_a_failure_is_kept_for_a_while_and_a_model_for_good(monkeypatch):
    asked = []

    def load(name, *_):
        asked.append(name)
        if name == "nowhere":
            raise model.ModelError("nowhere: out of reach")
        return Made()

    monkeypatch.setattr(model, "load_model", load)
    for _ in range(3):
        with pytest.raises(ValueError, match="nowhere: out of reach"):
            cached_model.model("nowhere")
    assert asked == ["nowhere"]
    assert cached_model.model("here") is cached_model.model("here") and asked == ["nowhere", "here"]
    for form in (("bfloat16",), ("bfloat16", False)):  # the same files, loaded otherwise
        cached_model.model("here", *form)
    assert asked == ["nowhere", "here", "here", "here"]


def test_the_former_model_is_gone_before_the_next_is_loaded(monkeypatch):
    alive = []

    def load(*_):
        alive.append(len(Made.alive))
        return Made()

    monkeypatch.setattr(model, "load_model", load)
    for name in ("one", "two", "one", "two"):
        cached_model.model(name)
    assert alive == [0, 0, 0, 0] and len(Made.alive) == 1


def test_a_model_at_work_is_not_joined_by_another(monkeypatch):
    monkeypatch.setattr(model, "load_model", lambda *_: Made())
    monkeypatch.setattr(cached_model, "PATIENCE", 0.0)
    held = cached_model.model("one")
    with pytest.raises(ValueError, match="another model is at work, and only one is held in memory"):
        cached_model.model("two")
    assert cached_model.model("one") is held and len(Made.alive) == 1
    cached_model._why_not.clear()  # a minute later
    del held
    cached_model.model("two")
    assert len(Made.alive) == 1


def test_whoever_asks_while_it_is_loaded_gets_the_same_one(monkeypatch):
    started, let_go, asked = threading.Event(), threading.Event(), []

    def load(*_):
        asked.append(started.set())
        assert let_go.wait(60)
        return Made()

    monkeypatch.setattr(model, "load_model", load)
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(cached_model._loaded, ("one", "float32", True, ())) for _ in range(6)]
        assert started.wait(60)
        let_go.set()
        assert len({id(one.result(60)) for one in waiting}) == 1 and len(asked) == 1


class LeftError(Exception):
    """The reader has gone to another page."""


def test_who_leaves_while_a_model_is_loaded_does_not_wait_and_it_is_loaded_all_the_same(monkeypatch):
    let_go, asked = threading.Event(), []

    def load(*_):
        asked.append(1)
        assert let_go.wait(60)
        return Made()

    def leave():
        raise LeftError

    monkeypatch.setattr(model, "load_model", load)
    monkeypatch.setattr(cached_model, "STEP", 0.01)
    monkeypatch.setattr(state, "give_way", leave)
    with pytest.raises(LeftError):
        cached_model.model("one")
    let_go.set()
    monkeypatch.setattr(state, "give_way", lambda: None)
    assert isinstance(cached_model.model("one"), Made) and len(asked) == 1


def test_weights_that_were_replaced_are_read_anew(tmp_path, monkeypatch):
    """A run started again writes other weights into the same folder."""
    monkeypatch.setattr(model, "load_model", lambda *_: Made())
    monkeypatch.setattr(model_files, "tensor_shapes", lambda folder: {"w": (len((folder / "w.safetensors").read_bytes()),)})
    weights = tmp_path / "w.safetensors"
    found = []
    for n_bytes in (1, 2):
        weights.write_bytes(b"x" * n_bytes)
        os.utime(weights, (n_bytes, n_bytes))
        found.append((id(cached_model.model(str(tmp_path))), cached.tensor_shapes(tmp_path)))
        assert found[-1] == (id(cached_model.model(str(tmp_path))), cached.tensor_shapes(tmp_path))
    assert [shapes for _, shapes in found] == [{"w": (1,)}, {"w": (2,)}]


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
