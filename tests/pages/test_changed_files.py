"""A file that changed on disk is read anew: no cache keeps what it held before."""

import os
from dataclasses import replace

import pandas as pd
import pytest

from analysis import store
from components import cached, cached_report
from tests.made_circuits import made_circuit
from tests.pages.runs_fixture import made_up_study, own_folder, write_evaluation, write_run  # noqa: F401

READ = {
    "scores": lambda of: len(cached.scores(of)[0]),
    "circuits": lambda of: len(cached.circuits(of)[0]),
    "forget set": lambda of: len(cached.forget_samples(of)),
    "retain set": lambda of: len(cached.retain_samples(of)),
    "records": lambda of: cached.run_records(of)[0].method,
    "run": lambda of: cached.run(own_folder(of, "mine")).config["method"],
    "frame": lambda of: cached.run_frame(of).method["mine"],
    "observed": lambda of: cached.observed(of).idxmin(),
    "left": lambda of: round(float(cached.left_after_runs(of).sum()), 3),
    "evaluation": lambda of: cached.evaluation(own_folder(of, "mine")).summary["exact_memorization"],
    "report": lambda of: len(cached_report.collected(of).forget),
}


def rewrite(file, text: str) -> None:
    changed = file.stat().st_mtime + 10
    file.write_text(text)
    os.utime(file, (changed, changed))


@pytest.mark.slow
def test_every_file_that_changed_is_read_anew(study):
    circuit, folder = made_circuit({"input->logits": 1.0}), own_folder(study, "mine")
    store.write_circuits(study.results / "circuits", [circuit], {"n_edges": 1})
    write_run(folder, study, "NPO")
    write_evaluation(folder, study)
    before = {name: read(study) for name, read in READ.items()}
    assert before == {name: read(study) for name, read in READ.items()}
    for file in (study.forget, study.retain):
        rewrite(file, "\n".join(file.read_text().splitlines()[:7]))
    scores = study.results / "scores" / "scores.csv"
    rewrite(scores, pd.read_csv(scores).head(7).to_csv(index=False))
    store.write_circuits(study.results / "circuits", [circuit, replace(circuit, sample_id="other")], {"n_edges": 1})
    for file in (study.results / "circuits").glob("*"):
        os.utime(file, (2e9, 2e9))
    rewrite(folder / "config.yaml", (folder / "config.yaml").read_text().replace("NPO", "RMU"))
    samples = pd.read_csv(folder / "samples.csv")
    rewrite(folder / "samples.csv", samples.assign(nll_after=samples["nll_after"][::-1].to_numpy() + 1,
                                                   probability_after=0.1).to_csv(index=False))
    summary = folder / "evaluation" / "LETHE_SUMMARY.json"
    rewrite(summary, summary.read_text().replace("0.5", "0.75"))
    after = {name: read(study) for name, read in READ.items()}
    assert [name for name in READ if after[name] == before[name]] == []
