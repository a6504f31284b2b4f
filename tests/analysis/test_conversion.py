"""Commands and options around files of other tools, on a tiny model folder."""

import json

import pytest
from typer.testing import CliRunner

from analysis import store
from analysis.__main__ import app
from analysis.circuit import top_n


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    from tests.tiny_models import tiny_model

    root = tmp_path_factory.mktemp("conversion")
    tiny_model("gpt2", len(tokenizer)).float().save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    people = [("Vqx", "Qxa"), ("Vqz", "Qxz"), ("Vqj", "Qxj")]  # as many tokens each
    rows = [{"question": f"Where does {name} live?", "answer": place, "note": place} for name, place in people]
    (root / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def run(folder, command, *arguments, data="data.jsonl"):
    common = ["--model", folder / "model", "--data", folder / data]
    return CliRunner().invoke(app, [str(a) for a in (command, *common, *arguments)])


def test_circuits_go_to_eap_ig_and_come_back_equal(folder, tmp_path):
    made = run(folder, "circuits", "--output", tmp_path / "a", "--method", "EAP", "--select", "top_n", "--n-edges", 12)
    assert made.exit_code == 0, made.output
    back = run(folder, "import-eap-ig", "--folder", tmp_path / "a" / "eap-ig", "--output", tmp_path / "b")
    assert back.exit_code == 0, back.output
    records = [json.loads((tmp_path / name / "circuits.json").read_text()) for name in "ab"]
    circuits = [store.read_circuits(tmp_path / name)[0] for name in "ab"]
    assert records[0]["fingerprint"] == records[1]["fingerprint"] and records[0]["config"]["select"] == "top_n"
    for name, first in circuits[0].items():
        again = circuits[1][name]
        assert (again.scores == first.scores).all() and (again.in_circuit == first.in_circuit).all()
        assert (top_n(first.scores, first.index, 12) == first.in_circuit).all()


def test_an_imported_circuit_must_belong_to_a_sample(folder, tmp_path):
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "nobody.json").write_text("{}")
    refused = run(folder, "import-eap-ig", "--folder", tmp_path / "graphs", "--output", tmp_path / "out")
    assert refused.exit_code == 2 and "nobody.json: expected an EAP-IG graph" in refused.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("form", "suffix", "marker"), [("graphml", "graphml", "<graphml"), ("attribution-graph", "json", '"qParams"')])
def test_other_formats(folder, tmp_path, form, suffix, marker):
    options = ["--method", "EAP", "--limit", 1, "--export", form, "--select", "cumulative_mass", "--mass", 0.9]
    result = run(folder, "circuits", "--output", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    (file,) = (tmp_path / "out" / form).iterdir()
    assert file.suffix == f".{suffix}" and marker in file.read_text()
    assert json.loads((tmp_path / "out" / "circuits.json").read_text())["config"]["mass"] == 0.9


@pytest.mark.parametrize("options", [
    ["--mass", 0.5], ["--select", "cumulative_mass"], ["--select", "cumulative_mass", "--mass", 0.5, "--n-edges", 9]
])
def test_mass_and_n_edges_belong_to_their_rules(folder, tmp_path, options):
    result = run(folder, "circuits", "--output", tmp_path / "out", *options)
    assert result.exit_code == 2 and "expected --mass with --select cumulative_mass" in result.stderr


def test_patching_says_how_to_get_corrupted_questions_and_then_works(folder, tmp_path):
    patching = ["--method", "EAP", "--ablation", "patching", "--n-edges", 9]
    refused = run(folder, "circuits", "--output", tmp_path / "a", *patching)
    assert refused.exit_code == 2
    assert "row 1: patching needs a column 'corrupted_question'; make one by the command `corrupt`" in refused.stderr
    made = run(folder, "corrupt", "--output", folder / "made.jsonl")
    assert made.exit_code == 0 and "3 of 3 rows" in made.stdout and "3 have false answers" in made.stdout
    rows = [json.loads(line) for line in (folder / "made.jsonl").read_text().splitlines()]
    assert [row["note"] for row in rows] == ["Qxa", "Qxz", "Qxj"]
    assert all(set(row["perturbed_answer"]) <= {"Qxa", "Qxz", "Qxj"} - {row["answer"]} for row in rows)
    assert run(folder, "circuits", "--output", tmp_path / "b", *patching, data="made.jsonl").exit_code == 0


def test_corrupt_reports_rows_and_writes_nothing_useless(folder, tmp_path):
    (folder / "few.jsonl").write_text('{"question": "Who lives there?", "answer": "Ana"}\n')
    result = run(folder, "corrupt", "--output", tmp_path / "out.jsonl", data="few.jsonl")
    assert result.exit_code == 2 and not (tmp_path / "out.jsonl").exists()
    assert "row 1, column 'corrupted_question': found no subject" in result.stderr
    assert run(folder, "corrupt", "--output", folder / "data.jsonl").exit_code == 2
