"""The command `conflicts`, from files to a map: what it writes, says, warns of and refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from analysis import conflict_map, conflict_search
from analysis.__main__ import app
from analysis.conflict import find_conflicts
from analysis.conflict_search import reference_of, search
from analysis.dataset import load_samples
from analysis.logical_circuits import DiscoveryConfig, set_circuits
from analysis.losses import answer_log_prob
from analysis.model import load_model
from analysis.node_masks import mask_of, n_parameters
from analysis.tokens import tokenize
from analysis.what_if import sizes


def run(*arguments):
    return CliRunner().invoke(app, ["conflicts", *(str(a) for a in arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """A model folder, a forget set and two retain sets, all of which the model knows: else there is nothing that ablation breaks."""
    from tests.tiny_models import tiny_model

    root = tmp_path_factory.mktemp("conflicts")
    for name, place in (("forget", "Lund"), ("retain", "Oslo"), ("others", "Rome")):
        rows = [{"question": f"Where does {person} live?", "answer": f"{place} {i}"}
                for i, person in enumerate((f"Ana {name}", f"Bo {name}", f"Cy {name}"))]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = tiny_model("llama", len(tokenizer)).float()
    taught = tokenize([s for name in ("forget", "retain", "others") for s in load_samples(root / f"{name}.jsonl")], tokenizer)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimiser.zero_grad()
        (-answer_log_prob(model(taught.input_ids).logits, taught.labels).mean()).backward()
        optimiser.step()
    model.save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    return root


def given(folder, *, target=0.5):
    return "--model", folder / "model", "--forget", folder / "forget.jsonl", "--target", target, "--ablation", "zero", "--device", "cpu"


@pytest.fixture(scope="module")
def found_circuits():
    """What `set_circuits` was called with by `written`, and what it found: by file name."""
    return {}


@pytest.fixture(scope="module")
def written(folder, tmp_path_factory, found_circuits):
    out = tmp_path_factory.mktemp("out") / "map"

    def spy(handle, samples, config, **options):
        found_circuits[samples[0].split] = set_circuits(handle, samples, config, **options)
        assert config == DiscoveryConfig("greedy", "zero", 0.5, n_samples=2, seed=3) and options["reference"] is None
        return found_circuits[samples[0].split]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conflict_search, "set_circuits", spy)
        retains = ("--retain", folder / "retain.jsonl", "--retain", folder / "others.jsonl")
        result = run(*given(folder), *retains, "--n-samples", 2, "--seed", 3, "--time-limit", 45, "--output", out)
    assert result.exit_code == 0, result.output
    return out, result


@pytest.fixture
def known(written, found_circuits, monkeypatch):
    """Circuits as `written` found them, without the search; the references given."""
    seen = []
    monkeypatch.setattr(conflict_search, "set_circuits", lambda _handle, samples, _config, *, reference, report: seen.append(reference)
                        or found_circuits[samples[0].split])
    return seen


@pytest.mark.slow
def test_the_map_says_what_the_parts_find(folder, written, found_circuits):
    found, circuits = conflict_map.read(written[0]), list(found_circuits.values())
    handle = load_model(folder / "model", "cpu")
    assert [c.logical for c in found.circuits] == [c.logical for c in circuits]
    assert [(c.n_maintain, c.n_break) for c in found.circuits] == [(c.maintain.sum(), c.breaking.sum()) for c in circuits]
    solved = find_conflicts(circuits[0].logical, [c.logical for c in circuits[1:]])
    assert (found.status, found.n_conflicts, found.at_least) == (solved.status, solved.n_conflicts, solved.at_least)
    assert list(found.nodes) == handle.index.forward_names[1:]
    for row, (name, made) in enumerate(found.nodes.items(), 1):
        assert made.assigned == solved.assigned.get(name, "retain") and made.fixed == solved.fixed.get(name, True)
        assert made.label == ("free" if not made.fixed and made.assigned != "conflict" else made.assigned)
        assert made.n_parameters == n_parameters(mask_of(handle, [name])) and made.reason
        assert made.forget_score == pytest.approx(np.abs(circuits[0].noising[row]).sum(), rel=1e-5)
        assert made.retain_score == pytest.approx(np.mean([np.abs(c.noising[row]).sum() for c in circuits[1:]]), rel=1e-5)
        assert ("forget" in made.circuits) == (name in circuits[0].logical.nodes)
        assert ("retain" in made.circuits) == any(name in c.logical.nodes for c in circuits[1:])


def test_the_map_says_where_it_comes_from(folder, written):
    found = conflict_map.read(written[0])
    assert found.fingerprint == load_model(folder / "model", "cpu").fingerprint
    assert {name: data["n"] for name, data in found.provenance["data"].items()} == {"forget": 3, "retain 1": 3, "retain 2": 3}
    assert [(c.set, c.file) for c in found.circuits] == [
        ("forget", "forget.jsonl"), ("retain", "retain.jsonl"), ("retain", "others.jsonl")]
    expected = {"method": "greedy", "ablation": "zero", "target": 0.5, "n_samples": 2, "seed": 3, "time_limit": 45.0, "n_reference": 0}
    assert found.config == expected
    for circuit in found.circuits:
        assert circuit.n_samples == 2 and circuit.reached and circuit.faithfulness >= 0.5 and circuit.completeness >= 0.5


def test_the_masks_are_the_assigned_nodes_weights(folder, written):
    out, result = written
    found, handle, saved = conflict_map.read(out), load_model(folder / "model", "cpu"), load_file(out / "masks.safetensors")
    for where in ("forget", "conflict"):
        expected = mask_of(handle, found.assigned(where))
        part = {name.removeprefix(f"{where}/"): free for name, free in saved.items() if name.startswith(f"{where}/")}
        assert part.keys() == expected.keys() and all((part[name] == expected[name]).all() for name in part)
        assert found.masks["clue"]["stage1" if where == "forget" else "stage2"] == n_parameters(expected)
    assert found.masks == sizes(handle, found, 3)
    share = found.masks["clue"]["touched"] / found.n_parameters
    assert f"the masks touch {share:.1%} of the parameters" in result.stdout
    counts = found.n_labelled()
    assert result.stdout.startswith(f"{counts['forget']} forget, {counts['retain']} retain, {counts['conflict']} conflict, ")


def test_the_cnf_is_satisfiable_exactly_without_conflicts(written):
    from pysat.formula import CNF
    from pysat.solvers import Cadical153

    with Cadical153(bootstrap_with=CNF(str(written[0] / "circuit.cnf"))) as solver:
        assert solver.solve() == (conflict_map.read(written[0]).n_conflicts == 0)


def test_progress_names_the_set(written):
    assert "forget set: " in written[1].stderr and "retain 2 set: " in written[1].stderr and "conflicts 1 of 1" in written[1].stderr


def test_under_mean_ablation_one_mean_over_all_sets_serves_each(folder, known, monkeypatch):
    handle = load_model(folder / "model", "cpu")
    forget, retain = ((folder / name, load_samples(folder / name)) for name in ("forget.jsonl", "retain.jsonl"))
    found = search(handle, forget, [retain], DiscoveryConfig(), 60.0, lambda *_: None)
    assert [len(reference) for reference in known] == [6, 6] and known[0] is known[1] and found.config["n_reference"] == 6
    monkeypatch.setattr(conflict_search, "MAX_REFERENCE", 3)
    capped = reference_of(handle, [forget[1], retain[1]])
    answers = {handle.tokenizer.decode(row[row >= 0]).strip() for row in capped.labels}
    assert answers == {"Lund 0", "Lund 2", "Oslo 2"}  # the first, the middle and the last


def test_a_sample_is_not_to_be_forgotten_and_kept(folder, tmp_path):
    retains = ("--retain", folder / "retain.jsonl", "--retain", folder / "forget.jsonl")
    refused = run(*given(folder), *retains, "--output", tmp_path / "map")
    assert refused.exit_code == 2 and len(refused.stderr.splitlines()) == 1 and not any(tmp_path.iterdir())
    assert f"--retain {folder / 'forget.jsonl'}: expected no sample of" in refused.stderr and "the first in row 1" in refused.stderr


def test_a_second_map_replaces_the_first_and_nothing_else(folder, tmp_path, known):
    arguments = (*given(folder), "--retain", folder / "retain.jsonl")
    assert run(*arguments, "--output", tmp_path / "map").exit_code == 0
    (tmp_path / "map" / "stale").touch()
    assert run(*arguments, "--output", tmp_path / "map").exit_code == 0
    assert {file.name for file in (tmp_path / "map").iterdir()} == {"conflicts.json", "circuit.cnf", "masks.safetensors", "config.yaml"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    refused = run(*arguments, "--output", tmp_path / "mine")
    assert refused.exit_code == 2 and "holds no conflicts.json" in refused.stderr and (tmp_path / "mine" / "letter").exists()


@pytest.mark.parametrize(("options", "message"), [
    (("--target", 0), "target"), (("--target", "nan"), "target"), (("--n-samples", 0), "n_samples"), (("--limit", 0), "limit"),
    (("--time-limit", 0), "--time-limit: expected seconds above 0"), (("--time-limit", "nan"), "--time-limit"),
    (("--retain", "none.jsonl"), "none.jsonl: no such file"),
    (("--ablation", "patching"), "corrupted_question"),
])
def test_bad_input_is_one_line_and_leaves_nothing(folder, tmp_path, options, message):
    out = tmp_path / "map"
    refused = run(*given(folder), "--retain", folder / "retain.jsonl", *options, "--output", out)
    assert refused.exit_code == 2, refused.output
    lines = [line for line in refused.stderr.splitlines() if " of " not in line]
    assert len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0] and not any(tmp_path.iterdir())


def test_what_was_not_proven_is_warned_of_with_what_to_do(folder, tmp_path, known, monkeypatch):
    limits = []

    def late(forget, retains, *, time_limit):
        limits.append(time_limit)
        return replace(find_conflicts(forget, retains), status="timeout", at_least=0)

    monkeypatch.setattr(conflict_search, "find_conflicts", late)
    made = run(*given(folder), "--retain", folder / "retain.jsonl", "--time-limit", 7, "--output", tmp_path / "map")
    assert made.exit_code == 0 and limits == [7.0]
    assert "warning: Not proven: between 0 and" in made.stderr and "is certain. Give a longer --time-limit." in made.stderr
