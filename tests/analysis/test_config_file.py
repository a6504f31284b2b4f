"""Config files: flags by name, overridden by flags, nothing but plain values; and every result's config.yaml makes it again."""

import json

import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file
from typer.main import get_command
from typer.testing import CliRunner

from analysis import config_file
from analysis.__main__ import app
from tests.tiny_models import tiny_model

PEOPLE = ["Ana", "Bo", "Cy", "Di", "Ed", "Fay", "Gil", "Hal"]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def words(text, *flags, command="circuits", tmp_path=None):
    """The arguments that a command gets."""
    file = tmp_path / "c.yaml"
    file.write_text(text)
    return config_file._expanded(get_command(app).commands[command], [*flags, "--config", str(file)])


def test_names_are_alike_with_hyphens_and_underscores_and_in_other_tools_words(tmp_path):
    assert words("n_edges: 3\nmodel: m\noutput_path: o\n", tmp_path=tmp_path) == ["--n-edges=3", "--model=m", "--output=o"]
    assert words("forget_split: f\nretain-split: r\ntask_name: npo\n", command="unlearn", tmp_path=tmp_path) == [
        "--forget=f", "--retain=r", "--output=saves/unlearn/npo"]
    assert words("method_args: {gamma: 0.1, alpha: 2, layer: null}\n", command="unlearn", tmp_path=tmp_path) == [
        "--method-args=gamma=0.1,alpha=2"]
    result = run("corrupt", "--model", "m", "--data", "d", "--output_path", "x.txt")
    assert result.exit_code == 2 and "x.txt: expected a file ending in .jsonl" in result.stderr


def test_a_study_is_made_from_a_config_file_too(tmp_path):
    (tmp_path / "c.yaml").write_text("name: s\nmodel: embedded\nforget_split: no.jsonl\nretain_split: no.jsonl\nquestion_key: q\n")
    result = run("study", "make", "--config", tmp_path / "c.yaml")
    assert result.exit_code == 2 and result.stderr == "error: no.jsonl: no such file\n"


def test_flags_override_what_the_file_says(tmp_path):
    assert words("n_edges: 3\nseed: 1\n", "--n_edges", "5", tmp_path=tmp_path) == ["--seed=1", "--n_edges", "5"]
    text = "anchor_method: [NPO, RMU]\nreuse: false\nweighted: true\n"
    assert words(text, command="score", tmp_path=tmp_path) == [
        "--anchor-method=NPO", "--anchor-method=RMU", "--no-reuse", "--weighted"]
    assert words(text, "--anchor-method=GradDiff", "--reuse", command="score", tmp_path=tmp_path) == [
        "--weighted", "--anchor-method=GradDiff", "--reuse"]


@pytest.mark.parametrize(("text", "said"), [
    ("n_egdes: 3", "'n_egdes' is no setting of 'circuits'; 'n_edges' is one"),
    ("command: score", "it is of the command 'score', not of 'circuits'"),
    ("n_edges: [3, 4]", "n_edges: expected text or a number, got '[3, 4]'"),
    ("n_edges: true", "n_edges: expected text or a number, got 'True'"),
    ("model: {a: 1}", "model: expected text or a number"),
    ("model: 2026-01-01", "model: expected text or a number"),
    ("model: a\nmodel: b", "'model' is there twice"),
    ("- model", "expected flags and values"),
    ("just words", "expected flags and values"),
    ("", "expected flags and values"),
    ("a: &x [1]\nb: *x", "got an anchor or alias"),
    ("model: !!python/object/apply:os.system ['touch x']", "got the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
    ("model: !!str m", "got the tag"),
    ("model: 'open", "expected YAML as UTF-8 text"),
    ("model: " + "[" * 20, "levels of nesting"),
    ("a: " + "x" * 70_000, "at most 65,536 bytes"),
    (b"model: \xff\xfe", "expected YAML as UTF-8 text"),
    ("? [a]\n: b", "expected"),
    ("task_name: ../up", "task_name: expected a name of 1-64"),
    ("task_name: ..", "task_name: expected a name of 1-64"),
])
def test_what_is_wrong_in_a_file_is_said_in_one_line(text, said, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="c.yaml") as error:
        config_file._expanded(get_command(app).commands["circuits"], ["--config", str(file)])
    assert said in str(error.value) and "\n" not in str(error.value)
    assert run("circuits", "--config", file).exit_code == 2
    assert {f.name for f in tmp_path.iterdir()} == {"c.yaml"}


def test_a_flag_wants_true_or_false_and_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="reuse: expected true or false, got 'maybe'"):
        words("reuse: maybe", command="score", tmp_path=tmp_path)
    for more, said in ((["--config", tmp_path / "none"], "No such file"), (["--config"], "expected a YAML file after it"),
                       (["--config=a", "--config=b"], "expected one file"), (["--config", tmp_path], "Is a directory")):
        result = run("circuits", *more)
        assert result.exit_code == 2 and said in " ".join(result.output.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """A model and its sets, as a user would have them."""
    root = tmp_path_factory.mktemp("again")
    tiny_model("gpt2", len(tokenizer)).float().save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    for name, place in (("forget", "Lund"), ("retain", "Oslo")):
        rows = [{"question": f"Where does {p} live?", "answer": f"{place} {i}"} for i, p in enumerate(PEOPLE)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


MADE = {  # command: settings unlike the defaults, files that must be the same again
    "circuits": (["--method", "EAP", "--limit", 3, "--n_edges", 30, "--select", "top_n"], ["circuits.safetensors"]),
    "score": (["--ig-steps", 1, "--n-anchors", 2, "--sigma", 0.01, "--n-pairs", 2, "--anchor-method", "GradDiff", "--no-reuse",
               "--seed", 3], ["scores.csv"]),
    "unlearn": (["--method", "NPO", "--preset", "embedded", "--n-epochs", 2, "--method_args", "beta=0.3,retain_loss=KL",
                 "--batch_size", 3, "--seed", 4, "--sampling", "cga"], ["samples.csv", "model/model.safetensors"]),
    "evaluate": (["--no-durability", "--limit_retain", 3, "--batch_size", 2], ["evaluation.csv", "LETHE_EVAL.json"]),
    "conflicts": (["--target", 0.5, "--n-samples", 2, "--seed", 2], ["circuit.cnf", "masks.safetensors"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", MADE)
def test_the_config_of_a_result_makes_it_again(command, folder, tmp_path):
    settings, same = MADE[command]
    sets = ["--data", folder / "forget.jsonl"] if command == "circuits" else [
        "--forget", folder / "forget.jsonl", "--retain", folder / "retain.jsonl"]
    first = run(command, "--model", folder / "model", *sets, *settings, "--output_path", tmp_path / "a")
    assert first.exit_code == 0, first.output
    again = run(command, "--config", tmp_path / "a" / "config.yaml", "--output", tmp_path / "b")
    assert again.exit_code == 0, again.output
    for name in same:
        a, b = tmp_path / "a" / name, tmp_path / "b" / name
        if a.suffix == ".safetensors":
            one, two = load_file(a), load_file(b)
            assert list(one) == list(two) and all((one[key] == two[key]).all() for key in one)
        else:
            assert a.read_bytes() == b.read_bytes()
    assert (tmp_path / "a" / "config.yaml").read_bytes() == (tmp_path / "b" / "config.yaml").read_bytes()
    other = yaml.safe_load((tmp_path / "a" / "config.yaml").read_text()) | {"seed": 9, "limit": 2}
    if command == "unlearn":  # the control: other settings, another result
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(other))
        assert run(command, "--config", tmp_path / "c.yaml", "--output", tmp_path / "c").exit_code == 0
        assert len(pd.read_csv(tmp_path / "c" / "samples.csv")) == 2


@pytest.mark.parametrize(("given", "said"), [
    ("gama=1", "NPO takes some of beta, gamma, alpha, retain_loss, got 'gama'"),
    ("gamma=x", "expected gamma=NUMBER, got gamma=x"), ("gamma=inf", "expected a finite gamma, got inf"), ("gamma", "gamma=NUMBER"),
])
def test_an_argument_that_a_method_has_not_is_refused(given, said):
    from analysis.methods import NPO, RMU
    from analysis.unlearn_command import _argued

    with pytest.raises(ValueError, match="--method-args") as error:
        _argued(NPO(), given)
    assert said in str(error.value)
    assert _argued(NPO(), "gamma=0.25, retain_loss=KL") == NPO(gamma=0.25, retain_loss="KL")
    assert _argued(RMU(), "layer=1,steering_coeff=3") == RMU(layer=1, steering_coeff=3.0)
