"""Results in the form of open-unlearning's EVAL and SUMMARY files: {metric: {"agg_value": x, "value_by_index": {row: {...}}}}.

Here a figure that cannot be computed is text that begins with "not computed" and says why, and a sample without a value keeps its
index, with null and a reason: ids never shift. open-unlearning has null for the first and drops the second.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.evaluation_metrics import NOT_COMPUTED

NOT_FINITE = "not a finite number"
BY_INDEX = {  # metric: open-unlearning's keys by column of evaluation.csv, as `evaluate` writes them
    "forget_Q_A_Prob": {"prob": "probability", "avg_loss": "nll"},
    "forget_Q_A_ROUGE": {"rougeL_recall": "rouge_l", "ground_truth": "answer", "generation": "generation"},
    "exact_memorization": {"score": "exact_memorisation"}, "extraction_strength": {"score": "extraction_strength"},
    "forget_truth_ratio": {"score": "truth_ratio"},
}


def metric(value: float, by_index: dict[str, Any] | None = None) -> dict[str, Any]:
    result: dict[str, Any] = {"agg_value": float(value)} if np.isfinite(value) else missing(f"the result is {NOT_FINITE}")
    return result if by_index is None else result | {"value_by_index": by_index}


def missing(reason: str) -> dict[str, Any]:
    return {"agg_value": NOT_COMPUTED + reason}


def needs(*things: str) -> dict[str, Any]:
    return missing(f"needs {' and '.join(things)}")


def by_index(table: pd.DataFrame, columns: dict[str, str], reason: str = NOT_FINITE) -> dict[str, dict[str, Any]]:
    """Values of each sample by its row in the file; `columns` maps open-unlearning's key to the table's column."""
    entries = {}
    for record in table.to_dict("records"):
        values = {key: _plain(record[column]) for key, column in columns.items()}
        entries[str(record["row"])] = values | ({"reason": reason} if None in values.values() else {})
    return entries


def _plain(value: Any) -> str | float | None:
    return value if isinstance(value, str) else float(value) if np.isfinite(value) else None


def mean(table: pd.DataFrame, column: str, columns: dict[str, str], reason: str = NOT_FINITE) -> dict[str, Any]:
    """Mean over the samples that have a value; `reason` is why others have none."""
    values, entries = table[column].dropna(), by_index(table, columns, reason)
    return metric(values.mean(), entries) if len(values) else missing(reason) | {"value_by_index": entries}


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """The SUMMARY file: the figure, or why there is none, of each metric."""
    return {name: found["agg_value"] for name, found in result.items()}
