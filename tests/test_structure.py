"""The house keeps its shape: who may import whom, and what is never written."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "app.py", *(f for room in ("pages", "components", "analysis") for f in sorted((ROOT / room).glob("*.py")))]
MAY_IMPORT = {  # rooms of the house that a room may import from
    "analysis": {"analysis"}, "components": {"analysis", "components"}, "pages": {"analysis", "components"},
    "app.py": {"analysis", "components"},
}
INTERFACE = {"streamlit", "plotly", "pyvis"}
# Within analysis: a file may import files of its own storey or of those below, never of one above.
STOREYS = [
    {"rows", "hub_data", "data_shapes", "dataset", "graph", "cohorts", "similarity", "templates", "statistics", "precision", "gates",
     "figures", "read_only", "place", "links_out", "plain_files", "atomic", "index", "objects", "architectures", "hub"},
    {"tokens", "circuit", "blocks", "world", "interpolation", "corruption", "membership", "evaluation_metrics", "open_unlearning",
     "cnf", "sat", "model_source", "chat"},
    {"losses", "depth", "exchange", "model", "model_files", "token_lengths", "model_memory", "maxsat", "proofs", "conflict", "reasons"},
    {"evaluation", "logit_record", "store", "studies", "ablation", "provenance", "writes", "memory", "perturbation",
     "study_making", "facts", "workspace", "belonging", "conflict_map", "conflict_words", "node_masks", "run_memory", "processes"},
    {"attribution", "taps", "exact", "faithfulness", "curves", "methods", "anchors", "difficulty", "mrd", "comparison", "runs", "jobs",
     "job_table", "job_logs", "job_queue", "progress",
     "edge_frequency", "run_comparison", "observed", "course", "estimators", "sweep", "sensitivity", "cross_fitting", "outcomes",
     "answer_tokens", "generation",
     "truth_ratio",
     "parameter_change", "measure", "utility", "durability", "logical_circuits", "growth",
     "edge_pruning", "logit_lens", "paths"},
    {"reuse",
     "sample_record", "unlearning", "training", "stages", "what_if", "sampling", "lora", "checkpoint", "predictors", "validity",
     "protocols",
     "stability", "worker", "memorisation", "demo", "conflict_search"},
    {"workspace_items", "workspace_check", "circuits_after", "findings",
     "scoring", "record", "run_files", "anchor_runs", "presets", "arms", "curricula", "alone", "evaluate", "mask_comparison",
     "report", "report_data", "report_tables", "report_words", "report_svg", "report_charts", "report_graphs", "report_runs",
     "report_rerun", "eval_import"},
    {"command", "workspace_command",
     "config_file", "unlearn_command", "conversion", "sensitivity_command", "curricula_command", "alone_command", "demo_command",
     "evaluate_command", "conflicts_command", "masks_command", "report_command", "import_command", "study_command"},
    {"__main__", "__init__"},
]


@cache
def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_downwards(room):
    wrong = (set(MAY_IMPORT) - MAY_IMPORT[room]) | (INTERFACE if room == "analysis" else set())
    tops = {file: {name.split(".")[0] for name in imports(file)} for file in SOURCES if file.relative_to(ROOT).parts[0] == room}
    assert tops and {str(file.relative_to(ROOT)): names & wrong for file, names in tops.items() if names & wrong} == {}


def test_files_of_analysis_import_only_their_own_storey_and_those_below():
    level = {name: storey for storey, names in enumerate(STOREYS) for name in names}
    files = {f.stem: f for f in (ROOT / "analysis").glob("*.py")}
    assert set(files) <= set(level), "say in STOREYS where the new file stands"
    for name, file in files.items():
        for target in {i.split(".")[1] for i in imports(file) if i.startswith("analysis.")} & set(files):
            assert level[target] <= level[name], f"{name} imports {target}"


@pytest.mark.parametrize("forbidden", [
    r"^\s*import pickle", r"torch\.load\(", r"trust_remote_code=True", r"unsafe_allow_html=True", r"(?<![.\w])eval\(",
])
def test_nothing_unsafe_is_written(forbidden):
    assert [str(file.relative_to(ROOT)) for file in SOURCES if re.search(forbidden, file.read_text(), re.M)] == []


def test_files_stay_short():
    long = {str(f.relative_to(ROOT)): n for f in SOURCES if (n := len(f.read_text().splitlines())) > 250}
    assert not long
