"""The runs as open-unlearning lays them out: saves/unlearn/<task_name>/ with config.yaml, evals/ and the tables of each run."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from analysis import atomic, open_unlearning
from analysis.report_data import Collected
from analysis.runs import Run

KEPT = ("steps.csv", "trajectories.csv", "samples.csv", "manifest.json")
EVALS = ("LETHE_EVAL.json", "LETHE_SUMMARY.json", "evaluation.csv", "parameter_change.csv")
TEXT = ("answer", "generation")  # columns of evaluation.csv
ABOUT = """Runs of Lethe in the layout of open-unlearning (github.com/locuslab/open-unlearning).

saves/unlearn/<task_name>/config.yaml       settings under open-unlearning's names; `lethe` holds them as Lethe recorded them
saves/unlearn/<task_name>/evals/            LETHE_EVAL.json and LETHE_SUMMARY.json, where the run was evaluated
saves/unlearn/<task_name>/*.csv             losses by step, by sample and epoch, and by sample at the end

LETHE_EVAL.json has a value per sample, by its row in the forget file. Where a run's own was not kept it is put together from
its summary and its table by sample; what neither holds is left out. A figure that is not computed is text that says why.
Weights are not in here.
"""


def files(found: Collected) -> dict[str, bytes]:
    """By path. Raises ValueError if a run's table by sample cannot be read."""
    made = {"README.txt": ABOUT.encode()}
    for run in found.runs:
        folder = f"saves/unlearn/{run.record.name}"
        made[f"{folder}/config.yaml"] = yaml.safe_dump(_config(found, run), sort_keys=False, allow_unicode=True).encode()
        made |= {f"{folder}/{name}": (run.record.folder / name).read_bytes() for name in KEPT if (run.record.folder / name).is_file()}
        made |= {f"{folder}/evals/{name}": content for name, content in _evals(run.record.folder / "evaluation").items()}
    return made


def _config(found: Collected, run: Run) -> dict[str, Any]:
    """open-unlearning's names for what a run was told."""
    given = run.config
    arguments = {"learning_rate": "learning_rate", "num_train_epochs": "n_epochs", "per_device_train_batch_size": "batch_size",
                 "gradient_accumulation_steps": "n_accumulation", "weight_decay": "weight_decay", "seed": "seed"}
    return {
        "mode": "unlearn", "task_name": run.record.name,
        "forget_split": found.study.forget.stem, "retain_split": found.study.retain.stem,
        "question_key": "question", "answer_key": "answer", "retain_logs_path": None,
        "model": {"model_args": {"pretrained_model_name_or_path": Path(found.study.model).name}},
        "trainer": {"handler": run.record.method, "method_args": dict(given.get("method_args") or {}),
                    "args": {name: given[key] for name, key in arguments.items() if key in given}},
        "lethe": given,
    }


def _evals(folder: Path) -> dict[str, bytes]:
    there = {name: (folder / name).read_bytes() for name in EVALS if (folder / name).is_file()}
    if "LETHE_SUMMARY.json" in there and "LETHE_EVAL.json" not in there:
        rebuilt = _rebuilt(json.loads(there["LETHE_SUMMARY.json"]), folder / "evaluation.csv")
        there["LETHE_EVAL.json"] = (json.dumps(rebuilt, indent=1, ensure_ascii=False) + "\n").encode()
    return there


def _rebuilt(summary: dict[str, Any], table: Path) -> dict[str, Any]:
    known = {"keep_default_na": False, "na_values": [""], "dtype": dict.fromkeys(TEXT, str)}  # 1912 and NA are answers, too
    rows = pd.read_csv(table, **known) if table.is_file() else pd.DataFrame()
    rows = rows.assign(**{column: rows[column].fillna("").map(atomic.plain_cell) for column in TEXT if column in rows})
    result: dict[str, Any] = {}
    for name, value in summary.items():
        result[name] = {"agg_value": value}
        columns = open_unlearning.BY_INDEX.get(name, {"score": name} if name.startswith("mia_") else {})
        if columns and {"row", *columns.values()} <= set(rows):
            result[name]["value_by_index"] = open_unlearning.by_index(rows, columns)
    return result
