"""From two files to a study: by the command and by its parts, with what is left out listed, and what the model cannot read."""

import csv
import json

import pytest
from typer.testing import CliRunner

from analysis import hub_data, model_source, studies, study_making, token_lengths
from analysis.__main__ import app
from analysis.dataset import Sample, load_samples
from analysis.token_lengths import Reader

NAMES = ("Ana", "Bo", "Cy", "Di")
ROWS = [{"question": f"Where does {name} live?", "answer": f"In house {n}."} for n, name in enumerate(NAMES)]
TOO_LONG = {"question": "How long?", "answer": "very " * 100}


class Words:
    """A tokenizer with one token per word."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[str]:
        return text.split()


@pytest.fixture(autouse=True)
def in_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "workspace"))


def written(folder, name, *rows):
    (folder / name).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return folder / name


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in ("study", *arguments)])


def make(forget, retain, *more, name="My Study", model="embedded"):
    return run("make", "--name", name, "--model", model, "--forget", forget, "--retain", retain, *more)


def test_good_rows_become_a_study_and_the_others_a_table(tmp_path):
    forget = written(tmp_path, "a.jsonl", *ROWS, "{broken", {"question": "Q?", "answer": 3}, TOO_LONG)
    retain = written(tmp_path, "b.csv", "prompt;reply", "Q?;A", "Where does Ana live?;In house 0.", "a;b;c")
    result = make(forget, retain, "--retain_question_key", "prompt", "--retain-answer-key", "reply", "--dtype", "bfloat16")
    assert result.exit_code == 0, result.output
    assert "forget: 4 samples, read as question and answer, 3 rows left out" in result.stdout
    assert "retain: 1 samples, read as the columns that were named, 2 rows left out" in result.stdout
    study = studies.named("my-study")
    assert study.title == "My Study" and study.dtype == "bfloat16" and study.model == str(model_source.EMBEDDED)
    assert [s.answer for s in load_samples(study.forget)] == [row["answer"] for row in ROWS]
    assert [s.question for s in load_samples(study.retain)] == ["Q?"]
    with study.forget.with_name(studies.LEFT_OUT).open() as file:
        left_out = list(csv.DictReader(file))
    assert [row["set"] for row in left_out] == ["forget"] * 3 + ["retain"] * 2 and [row["row"] for row in left_out] == list("56743")
    assert "at most 64 are read: the answer would be cut after" in left_out[2]["cause"]
    assert left_out[4]["cause"] == "is in the forget set too (row 1)"
    assert f"{forget}: row 6, column 'answer': expected text" in result.stderr
    assert studies.sources(study)["forget"] == {"file": str(forget), "read_as": "question and answer", "n_left_out": 3}
    assert "my-study" in run("list").stdout
    again = make(forget, forget)
    assert again.exit_code == 2 and "already a study 'my-study'" in again.stderr
    assert run("remove", "my-study").exit_code == 0 and "my-study" not in run("list").stdout
    assert run("remove", "embedded").exit_code == 2


def test_corrupted_questions_and_false_answers_are_made_where_asked(tmp_path):
    file = written(tmp_path, "a.jsonl", *[{"question": f"What does {name} cook?", "answer": f"{what}."} for name, what in
                                          (("Borik Drumlin", "Soup"), ("Perrin Vantish", "Stew"), ("Tavia Everhane", "Goat"))])
    other = written(tmp_path, "b.jsonl", *ROWS)
    assert make(file, other, name="plain").exit_code == 0
    result = make(file, other, "--corrupt", name="made")
    assert result.exit_code == 0, result.output
    plain, made = (load_samples(studies.named(name).forget) for name in ("plain", "made"))
    assert all(s.corrupted_question is None for s in plain)
    assert all(s.corrupted_question and s.corrupted_question != s.question for s in made)
    assert f"{len(made)} with a corrupted question" in result.stdout


@pytest.mark.parametrize(("rows", "model", "message"), [
    ([{"a": 1}], "embedded", "a.jsonl: no row can be used for the forget set; the first of 1 problems: row 1, column 'question'"),
    (["{"], "embedded", "a.jsonl: row 1: not JSON"), (ROWS, "nowhere", "nowhere: no such folder"), (ROWS, " ", "name a model"),
])
def test_what_cannot_be_made_is_one_line_and_nothing_is_written(tmp_path, rows, model, message):
    result = make(written(tmp_path, "a.jsonl", *rows), written(tmp_path, "b.jsonl", *ROWS), model=model)
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "workspace" / "studies").exists()


@pytest.mark.parametrize("name", ["", "..", "/", "é", "con", "embedded", "."])
def test_names_that_cannot_be_folders_are_refused(tmp_path, name):
    file = written(tmp_path, "a.jsonl", *ROWS)
    assert make(file, written(tmp_path, "b.jsonl", {"question": "Q", "answer": "A"}), name=name).exit_code == 2
    assert not (tmp_path / "workspace" / "studies").exists()


def test_what_a_model_cannot_read_whole_is_said_by_how_much():
    def sample(question, answer):
        return Sample("i", question, answer, "s", 0, line=7)

    by = Reader(Words(), 12)
    fits, cut, gone = sample("a b c", "d e f g h i"), sample("a b c", "d e f g h i j"), sample("a " * 20, "b")
    assert token_lengths.length_report([fits, cut, gone], by) == [
        None, cut.error("", "13 tokens, but at most 12 are read: the answer would be cut after 6 of its 7 tokens; shorten it"),
        gone.error("", "24 tokens, but at most 12 are read: nothing of the answer would be left; shorten it"),
    ]
    framed = Reader(Words(), 12, ("one two three four ", " five"))
    assert token_lengths.length_report([fits], framed)[0].cause.startswith("15 tokens")
    assert token_lengths.length_report([Sample("i", "a b c d e", "f g h i j", "s", 0, is_text=True)], framed) == [None]  # has no frame
    for most in (None, 10**4):
        assert "at most 4096" in token_lengths.length_report([sample("a", "b " * 5000)], Reader(Words(), most))[0].cause


def test_the_reader_of_a_model_comes_from_its_folder_alone(tmp_path):
    known = token_lengths.reader("embedded")
    assert known.max_length == 64 and known.frame == ("", "") and len(known.tokenizer.encode("What animal?")) > 1
    (tmp_path / "config.json").write_text("{}")
    assert token_lengths.reader(str(tmp_path)) == Reader()
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="tokenizer.json: expected a tokenizer"):
        token_lengths.reader(str(tmp_path))
    assert not token_lengths.has_template(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    assert token_lengths.has_template(tmp_path)


def test_corrupting_without_a_tokenizer_says_what_it_needs(tmp_path):
    found = study_making.read(study_making.named_file(str(written(tmp_path, "a.jsonl", *ROWS))), "forget")
    assert study_making.fitted(found, Reader()) == found
    with pytest.raises(ValueError, match="need the model's tokenizer.json"):
        study_making.fitted(found, Reader(), corrupt=True)


@pytest.fixture
def fake_hub(tmp_path, monkeypatch):
    """A hub with one data file, at one commit; says what was asked of it."""
    import huggingface_hub

    asked = []
    file = written(tmp_path, "forget.json", *ROWS)
    metadata = type("Metadata", (), {"size": 500})

    def resolve(self, repo, **options):
        asked.append((repo, options["repo_type"], options["revision"]))
        return type("Resolved", (), {"resolved": "c" * 40})

    monkeypatch.setattr(huggingface_hub.HfApi, "resolve_revision", resolve)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url: asked.append(url) or metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *names, **options: asked.append((*names, options)) or str(file))
    return asked, metadata


def test_a_file_on_the_hub_is_pinned_and_read_like_any_other(fake_hub, tmp_path):
    asked, metadata = fake_hub
    path, address = hub_data.fetched("hf://datasets/locuslab/TOFU@main/forget10.json")
    assert address == f"hf://datasets/locuslab/TOFU@{'c' * 40}/forget10.json"
    assert asked[0] == ("locuslab/TOFU", "dataset", "main") and asked[2][-1] == {"repo_type": "dataset", "revision": "c" * 40}
    assert [s.answer for s in load_samples("hf://datasets/locuslab/TOFU/forget10.json")] == [row["answer"] for row in ROWS]
    result = make("hf://datasets/o/n/a.json", written(tmp_path, "b.jsonl", {"question": "Q", "answer": "A"}))
    assert result.exit_code == 0, result.output
    assert studies.sources(studies.named("my-study"))["forget"]["file"] == f"hf://datasets/o/n@{'c' * 40}/a.json"
    for size, said in ((10**9, "954 MB; files of at most 100 MB"), (None, "does not say how large")):
        metadata.size, n = size, len(asked)
        with pytest.raises(ValueError, match=said):
            hub_data.fetched("hf://datasets/o/n/a.json")
        assert len(asked) == n + 2  # nothing is downloaded


@pytest.mark.parametrize("address", [
    "hf://datasets/o/n", "hf://o/n/a.json", "hf://datasets/o/n/../../a.json", "hf://datasets/o/n//a.json", "hf://datasets/../n/a.json",
    "hf://datasets/o/n/a.py", "hf://datasets/o/n/a\0.json", "hf://datasets/o/n/a\\..\\b.json", "hf:/datasets/o/n/x.pkl",
])
def test_addresses_that_are_no_data_file_are_refused_before_anything_is_asked(fake_hub, address):
    with pytest.raises(ValueError, match="expected hf://datasets|expected a file ending in"):
        hub_data.fetched(address)
    assert fake_hub[0] == []


def test_a_hub_out_of_reach_is_one_line():
    with pytest.raises(ValueError, match="^hf://datasets/o/n/a.json: the hub cannot be reached"):
        hub_data.fetched("hf://datasets/o/n/a.json")


def test_rows_that_were_left_out_are_read_again_or_said_to_be_damaged(tmp_path):
    file, head = tmp_path / "left_out.csv", b"set,row,column,cause\n"
    file.write_bytes(head + b"forget,3,answer,NA\n")
    assert study_making.read_left_out(file).to_dict("records") == [{"set": "forget", "row": 3, "column": "answer", "cause": "NA"}]
    for damaged in (b"", b"set,row\nforget,3\n", head + b"forget,x,a,b\n", head + b"forget,99999999999999999999999,a,b\n"):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="left_out.csv: expected"):
            study_making.read_left_out(file)
