"""The report: its figures are those on disk, its text is text, its bytes are the same every time, and its commands can be run."""

import csv
import hashlib
import io
import json
import math
import re
import shlex
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from statistics import fmean

import pandas as pd
import pytest
import typer
import yaml
from typer.testing import CliRunner

from analysis import atomic, report, report_rerun, report_runs, report_words, studies
from analysis.__main__ import app
from analysis.dataset import samples_hash
from analysis.report_data import collect, parts
from analysis.report_tables import after_runs, counted_samples, tables
from tests.analysis.hostile_report import LABEL, METHOD, METRIC, MODEL, PAYLOADS, TITLE, hostile_study, run_folder
from tests.pages.runs_fixture import write_run

MEMBER = re.compile(r"([A-Za-z0-9._-]+/)*[A-Za-z0-9._-]{1,64}")


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, and the text outside of style."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._inside = "", ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data):
        self.text += "" if self._inside == "style" else data


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LETHE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        found = collect(hostile_study())
        yield found, report.build(found, tables(found))


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    rows = b'{"question": "Q?", "answer": "A"}\n'
    return studies.create("empty", "Empty", "nowhere", rows, rows, (".jsonl", ".jsonl"))


def members(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    archive = zipfile.ZipFile(io.BytesIO(files[name]))
    return {member: archive.read(member) for member in archive.namelist()}


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_text_of_data_is_text_and_nothing_is_loaded(hostile):
    page = Page(hostile[1][report.PAGE].decode())
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base", "b", "i"} and page.text.count("big</h1>")
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on")] and not names & {"src", "srcdoc", "xlink:href", "action"}
    links = {attributes["href"] for _, attributes in page.elements if "href" in attributes}
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert all(attributes.get("role") == "img" for tag, attributes in page.elements if tag == "svg")
    for payload in (*PAYLOADS, *(text[::-1] for text in PAYLOADS), TITLE, METHOD, METRIC, LABEL):
        assert payload in page.text, payload[:50]


def test_the_page_forbids_itself_every_request(hostile):
    html = hostile[1][report.PAGE].decode()
    policy = next(a["content"] for tag, a in Page(html).elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'") and "script-src" not in policy
    style = html[html.index("<style>"): html.index("</style>")]
    assert "url(" not in style and "@import" not in style


def test_cells_are_harmless_in_a_spreadsheet_and_members_have_plain_names(hostile):
    inside = members(hostile[1], report.TABLES)
    assert {row["generation"] for row in table(inside["csv/memories_after.csv"])} == {"'=Ana 9 <b>"}
    names = [*inside, *members(hostile[1], report.RUNS)]
    assert all(MEMBER.fullmatch(name) and ".." not in name for name in names)


def test_checksums_are_those_of_the_files(hostile):
    files = hostile[1]
    for content, given in ((files[report.SUMS], files), (members(files, report.TABLES)[report.SUMS], members(files, report.TABLES))):
        rows = [line.split("  ") for line in content.decode().splitlines()]
        assert {name: digest for digest, name in rows} == {
            name: hashlib.sha256(data).hexdigest() for name, data in given.items() if name != report.SUMS
        }


def test_the_figures_are_those_on_disk(hostile):
    found, files = hostile
    inside = members(files, report.TABLES)
    on_disk = table((run_folder(found.study, "a-run") / "samples.csv").read_bytes())
    left = fmean(float(row["probability_after"]) for row in on_disk)
    row = next(row for row in table(inside["csv/runs.csv"]) if row["name"] == "a-run")
    assert math.isclose(float(row["forget_probability"]), left, rel_tol=1e-6) and row["n_forgotten"] == "5"
    text = Page(files[report.PAGE].decode()).text
    assert f"{left:.3f}" in text and "The hardest memory: " in text and "The easiest memory: " in text
    memories = table(inside["csv/memories.csv"])
    assert [row["rank_cud"] for row in memories] == [str(rank) for rank in range(1, 9)]
    assert [row["cohort"] for row in memories] == ["hard"] * 2 + ["middle"] * 4 + ["easy"] * 2
    hard = fmean(math.exp(-i / 2) for i in range(2))  # of the only run that counts
    said = next(s for s in json.loads(inside["json/findings.json"]) if "calls hard" in s["claim"])
    assert found.counted == ["a-run"] and said["figures"].startswith(f"{hard:.2f} (")


def test_means_leave_out_runs_that_do_not_count_and_those_under_a_mask(hostile):
    counts, masked = hostile[0].runs
    other = replace(masked, samples=masked.samples.assign(probability_after=0.0), record=replace(masked.record, mask="clue"))
    found = replace(hostile[0], runs=[counts, other])
    assert counted_samples(found)["probability_after"].tolist() == counts.samples["probability_after"].tolist()
    assert report_words.methods_left(found)["method"].tolist() == [counts.record.method]


def test_a_result_of_other_data_or_weights_is_named(hostile):
    found, _ = hostile
    assert report_words.mismatches(found) == ["conflicts: of other weights (" + "f" * 64 + ") than scores (" + "f" * 16 + ")."]
    assert samples_hash(found.forget) == samples_hash(found.retain)
    found.scores_record["data"] = {"forget": {"hash": "0" * 16}, "retain": {"hash": samples_hash(found.retain)}}
    said = report_words.mismatches(found)
    del found.scores_record["data"]
    assert [line for line in said if "forget set (0000000000000000)" in line] and not [line for line in said if "retain set" in line]


def test_runs_lie_as_open_unlearning_has_them(hostile):
    found, files = hostile
    inside = members(files, report.RUNS)
    config = yaml.safe_load(inside["saves/unlearn/a-run/config.yaml"])
    assert config["task_name"] == "a-run" and config["trainer"]["handler"] == METHOD
    assert config["trainer"]["args"] == {"learning_rate": 0.0001, "num_train_epochs": 2, "per_device_train_batch_size": 4, "seed": 0}
    evaluation = json.loads(inside["saves/unlearn/a-run/evals/LETHE_EVAL.json"])
    assert evaluation["forget_Q_A_Prob"]["agg_value"] == 0.25 and evaluation["privleak"]["agg_value"] == "not computed: needs <b>"
    folder = run_folder(found.study, "a-run")
    assert inside["saves/unlearn/a-run/samples.csv"] == (folder / "samples.csv").read_bytes()


def test_an_evaluation_put_together_again_has_the_texts_as_they_were(tmp_path):
    """Not as numbers, not as missing, and without what keeps a spreadsheet from running them."""
    texts = {"answer": ["1912", "1913", "7"], "generation": ["=Ana 9", "NA", ""]}
    atomic.write_csv(tmp_path / "evaluation.csv", pd.DataFrame({"row": [4, 0, 2], "rouge_l": [0.5, 0.0, None], **texts}))
    atomic.write_json(tmp_path / "LETHE_SUMMARY.json", {"forget_Q_A_ROUGE": 0.25, "privleak": "not computed: needs a holdout"})
    made = json.loads(report_runs._evals(tmp_path)["LETHE_EVAL.json"])
    assert made["privleak"] == {"agg_value": "not computed: needs a holdout"}
    rows = made["forget_Q_A_ROUGE"]["value_by_index"]
    assert list(rows) == ["4", "0", "2"] and [row["rougeL_recall"] for row in rows.values()] == [0.5, 0.0, None]
    assert [row["ground_truth"] for row in rows.values()] == texts["answer"]
    assert [row["generation"] for row in rows.values()] == texts["generation"]


def test_commands_are_ones_that_the_program_takes(hostile):
    found, files = hostile
    group = typer.main.get_command(app)
    commands = report_rerun.commands(found)
    assert [words[0] for words in commands] == ["score", "circuits", "conflicts", *["unlearn", "evaluate"] * 2, "validity"]
    for words in commands:
        if METHOD not in words and LABEL not in words:  # no such choice
            group.commands[words[0]].make_context(words[0], words[1:])
    score, cga = commands[0], next(words for words in commands if "GradDiff" in words)
    assert "--no-weighted" in score and score[score.index("--anchor-method") + 1] == "NPO" and score[score.index("--seed") + 1] == "3"
    assert all(words[words.index("--seed") + 1] == "0" for words in commands if words[0] == "unlearn")
    assert cga[cga.index("--sampling") + 1] == "cga" and cga[cga.index("--what-if") + 1] == "clue"
    lines = [line for line in shlex.split(files[report.SCRIPT].decode(), comments=True) if line]
    assert lines.count(MODEL) == 7 and "touch" not in lines  # one word wherever it stands, never a command
    assert json.loads(files[report.SETTINGS])["commands"] == commands


@pytest.mark.slow
def test_the_same_study_gives_the_same_bytes(hostile):
    found, files = hostile
    again = collect(found.study)
    assert report.sums(report.build(again, tables(again))) == report.sums(files)


def test_what_is_not_computed_says_what_it_needs(empty):
    found = collect(empty)
    page = Page(report.build(found, tables(found))[report.PAGE].decode())
    assert [part.title for part in parts(found) if not part.computed] == [
        "Difficulty", "Prediction", "Circuits", "Conflict map", "Runs and outcomes", "Circuits after a run",
        "Comparisons", "Evaluation"]
    assert "Not computed: needs the scores. Made on the page Difficulty." in page.text
    assert "Conflict map: not computed: needs a conflict map." in page.text  # among what is not claimed
    assert not re.search(r"\b(nan|None|NaN)\b", page.text) and "svg" not in {tag for tag, _ in page.elements}


def test_a_run_of_ones_own_called_as_a_shipped_one_is_another(empty, tmp_path_factory):
    study = replace(empty, results=tmp_path_factory.mktemp("shipped"))
    study.forget.write_text("".join(f'{{"question": "Q{i}?", "answer": "A"}}\n' for i in range(8)))
    for folder, probability in ((study.results / "runs" / "same", 0.9), (run_folder(study, "same"), 0.8)):
        write_run(folder, study, "NPO", retain_probability=probability)
    found = collect(study)
    assert [run.record.name for run in found.runs] == ["same", "same@yours"]
    made = tables(found)["runs"].set_index("name")["retain_probability"]
    assert made.to_dict() == {"same": 0.9, "same@yours": 0.8}
    assert {"saves/unlearn/same/samples.csv", "saves/unlearn/same@yours/samples.csv"} <= set(report_runs.files(found))
    outputs = [words[words.index("--output") + 1] for words in report_rerun.commands(found)]
    assert outputs == ["rerun/runs/same", "rerun/runs/same@yours"]
    assert report_words.permalink("outcomes", found, run="same@yours") == "outcomes?study=empty&run=same%40yours"


def test_a_damaged_part_leaves_the_others(empty):
    atomic.write_bytes(empty.results / "scores" / "scores.csv", b"fold\nx\n")
    found = collect(empty)
    assert "cannot be read" in next(part.state for part in parts(found) if part.title == "Difficulty")
    page = report.build(found, tables(found))[report.PAGE].decode()
    assert "@media screen and (prefers-color-scheme: dark)" in page, "paper is light, whatever the screen is"


def test_the_command_writes_a_whole_folder_or_none(empty, tmp_path):
    done = CliRunner().invoke(app, ["report", "--study", "empty", "--output", str(tmp_path / "out")])
    assert done.exit_code == 0 and {file.name for file in (tmp_path / "out").iterdir()} == {
        "report.html", "tables.zip", "open-unlearning.zip", "rerun.sh", "config.json", "SHA256SUMS"}
    unknown = CliRunner().invoke(app, ["report", "--study", "nobody", "--output", str(tmp_path / "no")])
    assert unknown.exit_code == 2 and "there is no study 'nobody'" in unknown.output and not (tmp_path / "no").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert CliRunner().invoke(app, ["report", "--study", "empty", "--output", str(tmp_path / "mine")]).exit_code == 2
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_the_embedded_study_is_reported_as_it_is_on_disk():
    found = collect(studies.embedded())
    files = report.build(found, tables(found))
    page = Page(files[report.PAGE].decode())
    results = found.study.results
    assert all(part.computed for part in parts(found)) and report_words.mismatches(found) == []
    row = next(row for row in table((results / "validity.csv").read_bytes()) if (row["analysis"], row["predictor"]) == ("main", "CUD"))
    assert "{:.2f} ({:.2f} to {:.2f})".format(*(float(row[name]) for name in ("spearman", "low", "high"))) in page.text
    for name in ("npo-seed0", "rmu-seed2"):
        left = fmean(float(row["probability_after"]) for row in table((results / "runs" / name / "samples.csv").read_bytes()))
        assert f"{left:.3f}" in page.text
    row = next(r for r in table((results / "masks" / "summary.csv").read_bytes()) if (r["method"], r["arm"]) == ("NPO", "clue"))
    names = ("forget_minus_unmasked", "forget_minus_unmasked_low", "forget_minus_unmasked_high")
    assert "{:+.3f} ({:+.3f} to {:+.3f})".format(*(float(row[name]) for name in names)) in page.text
    rebuilt = json.loads(members(files, report.RUNS)["saves/unlearn/npo-seed0/evals/LETHE_EVAL.json"])
    summary = json.loads((results / "runs" / "npo-seed0" / "evaluation" / "LETHE_SUMMARY.json").read_text())
    assert {name: entry["agg_value"] for name, entry in rebuilt.items()} == summary
    by_index = rebuilt["forget_Q_A_Prob"]["value_by_index"]
    assert math.isclose(fmean(entry["prob"] for entry in by_index.values()), summary["forget_Q_A_Prob"], rel_tol=1e-6)
    assert len(by_index) == 216 and len(files[report.PAGE]) < 1_000_000


def test_circuits_after_a_run_stand_beside_those_before_and_samples_to_be_kept(hostile):
    name, unchanged = hostile[0].runs[0].record.name, dict(list(hostile[0].circuits.items())[:4])
    kept = pd.DataFrame({"own": [0.25, 0.75]})
    found = replace(hostile[0], after={name: unchanged}, kept={name: kept})
    row = after_runs(found).iloc[0]
    assert row["own"] == row["own_low"] == 1 and row["n"] == 4 and row["two_before"] < 1
    assert (row["kept"], row["n_kept"]) == (0.5, 2) and row["kept_low"] == 0.25
    said = report_words._of_circuits_after(row).figures
    assert "sample's shares 1.00 (1.00 to 1.00) of its edges" in said and "kept shares 0.50 (0.25 to 0.75) (n=2)" in said
    assert after_runs(replace(found, kept={})).iloc[0]["n_kept"] == 0
