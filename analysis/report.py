"""The report of a study: one HTML page that needs nothing else, its tables, its runs as open-unlearning has them, how to run it again.

The same results and the same program give the same bytes: dates come from the records, never from the clock.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from analysis import atomic, report_charts, report_graphs, report_rerun, report_runs, report_words, runs, studies
from analysis.dataset import samples_hash
from analysis.figures import interval
from analysis.observed import CONTROL
from analysis.report_data import Collected, collect, commit, parts
from analysis.report_tables import ALL_COUNTED, extremes, memories, tables
from analysis.validity import readable

TEMPLATE = Path(__file__).with_name("report.html.j2")
PAGE, TABLES, RUNS, SCRIPT, SETTINGS, SUMS = "report.html", "tables.zip", "open-unlearning.zip", "rerun.sh", "config.json", "SHA256SUMS"
MINUS = ("minus", "minus_low", "minus_high")  # of a comparison's arm and its control
N_LISTED = 10  # of the hardest memories, and of the easiest


def build(found: Collected, made: dict[str, pd.DataFrame]) -> dict[str, bytes]:
    """Every file of the report by name; `made` are its `tables`. Raises ValueError if a run's files cannot be read."""
    files = {
        PAGE: page(found, made).encode(), TABLES: packed(_table_files(found, made)), RUNS: packed(report_runs.files(found)),
        SCRIPT: report_rerun.script(found), SETTINGS: _json(report_rerun.settings(found)),
    }
    return files | {SUMS: sums(files)}


def write(study: studies.Study, output: Path) -> list[str]:
    """The report in a folder that appears whole or not at all; returns the names of its files. Raises ValueError if the study's sets
    cannot be read or something else is in the way."""
    found = collect(study)
    files = build(found, tables(found))
    with atomic.output_folder(output, PAGE) as folder:
        for name, content in files.items():
            atomic.write_bytes(folder / name, content)
    return list(files)


def page(found: Collected, made: dict[str, pd.DataFrame]) -> str:
    """The HTML. Everything in it but our own drawings is escaped by the template."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "share": lambda value: f"{value:.0%}", "interval": interval}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(**_context(found, made))


def _context(found: Collected, made: dict[str, pd.DataFrame]) -> dict[str, Any]:
    about = memories(found)
    return {
        "study": found.study, "model": Path(found.study.model).name, "created": _when(found.newest), "parts": parts(found),
        "sets": [("forget", len(found.forget), samples_hash(found.forget)), ("retain", len(found.retain), samples_hash(found.retain))],
        "findings": report_words.found_sentences(found, made), "not_claimed": report_words.not_claimed(found),
        "mismatches": report_words.mismatches(found), "records": _records(found), "commit": commit(), "counted": found.counted,
        "forgotten_below": runs.FORGOTTEN_BELOW, "graph": found.circuits_record.get("graph"),
        "circuits_config": found.circuits_record.get("config", {}), "readouts": report_words.READOUTS,
        "predictors": [] if found.main is None else readable(found.main).to_dict("records"),
        "compared": made["circuits_by_cohort"].to_dict("records") if "circuits_by_cohort" in made else [],
        "methods": report_words.methods_left(found).to_dict("records"), "runs": [run.record for run in found.runs],
        "by_cohort": _by_cohort(made), "after": made["circuits_after"].to_dict("records") if "circuits_after" in made else [],
        "comparisons": _comparisons(found), "conflicts": found.conflicts, "evaluation": _evaluation(made), "memories": _ends(about),
        "commands": report_rerun.script(found).decode(), "link": lambda page, **more: report_words.permalink(page, found, **more),
        "left_out": _left_out(found), "charts": _charts(found, made, about), "ends": _graphs(found),
    }


def _left_out(found: Collected) -> str:
    """What the chart of runs does not show."""
    controls = {run.record.method == CONTROL for run in found.runs}
    return f" The control {CONTROL} is in the table only." if len(controls) == 2 else ""


def _charts(found: Collected, made: dict[str, pd.DataFrame], about: pd.DataFrame) -> dict[str, Markup | None]:
    rows = made["outcomes_by_cohort"] if "outcomes_by_cohort" in made else pd.DataFrame({"run": []})
    rows = rows[rows["run"] == ALL_COUNTED]
    return {
        "runs": report_charts.runs_chart([run.record for run in found.runs]), "ranks": report_charts.ranks_chart(about),
        "cohorts": report_charts.cohort_chart(rows) if len(rows) else None,
        "forest": None if found.main is None else report_charts.forest_chart(found.main),
        "profile": report_charts.profile_chart(made["layer_profile"]) if "layer_profile" in made else None,
        "effects": _effects(made),
        "conflicts": None if found.conflicts is None else report_graphs.conflict_graph(found.conflicts),
    }


def _effects(made: dict[str, pd.DataFrame]) -> Markup | None:
    """Of the quarters that come last: by outcome, where runs tell it."""
    if "circuits_by_cohort" not in made:
        return None
    rows = made["circuits_by_cohort"]
    return report_charts.effects_chart(rows[rows["cohorts_by"] == rows["cohorts_by"].iloc[-1]], report_words.READOUTS)


def _graphs(found: Collected) -> list[dict[str, Any]]:
    """The hardest and the easiest memory with its circuit."""
    texts = {sample.id: (sample.question, sample.answer) for sample in found.forget}
    made = []
    for name, circuit in (extremes(found) or {}).items():
        question, answer = texts.get(circuit.sample_id, ("", ""))
        boundary = max(1, circuit.index.n_layers // 2)
        made.append({"name": name, "id": circuit.sample_id, "question": question, "answer": answer, "boundary": boundary,
                     "graph": report_graphs.circuit_graph(circuit, boundary) if circuit.n_edges else None})
    return made


def _ends(about: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    """The hardest and the easiest memories, by the observed rank where there is one, else by CUD."""
    by = next((column for column in ("observed_rank", "rank_cud") if column in about and about[column].notna().any()), None)
    if by is None:
        return []
    order = about.dropna(subset=[by]).sort_values(by, kind="stable")
    n_each = min(N_LISTED, len(order) // 2)
    ends = (("Hardest", order.head(n_each)), ("Easiest", order.tail(n_each)[::-1]))
    return [(f"{name} {n_each}", rows.to_dict("records")) for name, rows in ends if n_each]


def _by_cohort(made: dict[str, pd.DataFrame]) -> list[tuple[str, dict[str, dict[str, Any]]]]:
    """Per run (first their mean) its outcome by cohort."""
    rows = made["outcomes_by_cohort"] if "outcomes_by_cohort" in made else pd.DataFrame({"run": []})
    return [(str(run), part.set_index("cohort").to_dict("index")) for run, part in rows.groupby("run", sort=False)]


def _comparisons(found: Collected) -> list[tuple[str, list[dict[str, Any]]]]:
    """Means over seeds of arms that differ in one thing, and the difference to the control that shares the seed."""
    kinds = (
        ("How samples are drawn, against uniform sampling", "curricula_summary",
         ("forget_minus_uniform", "forget_minus_low", "forget_minus_high")),
        ("Which weights may change, against no mask", "masks_summary",
         ("forget_minus_unmasked", "forget_minus_unmasked_low", "forget_minus_unmasked_high")),
    )
    return [
        (title, found.comparisons[name].rename(columns=dict(zip(columns, MINUS, strict=True))).to_dict("records"))
        for title, name, columns in kinds if name in found.comparisons
    ]


def _evaluation(made: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Mean of each metric over the evaluated runs of each method: a row per metric, a column per method."""
    if "evaluation" not in made:
        return []
    methods = made["runs"].set_index("name")["method"]
    rows = made["evaluation"].assign(method=made["evaluation"]["run"].map(methods))
    means = rows.groupby(["label", "method"], sort=False)["value"].mean().unstack()
    return [{"label": label, "values": values} for label, values in means.astype(object).to_dict("index").items()]


def _records(found: Collected) -> list[dict[str, Any]]:
    """What each result was made from, with versions and seed where they are known."""
    rows = []
    for name, record in found.records.items():
        config = record.get("config") or {}
        rows.append({
            "name": name, "created": _when(record.get("created", "")), "fingerprint": record.get("fingerprint", ""),
            "device": record.get("device", ""), "seed": config.get("seed", ""),
            "versions": ", ".join(f"{package} {version}" for package, version in (record.get("versions") or {}).items()),
        })
    return rows


def _table_files(found: Collected, made: dict[str, pd.DataFrame]) -> dict[str, bytes]:
    """tables.zip: each table as CSV and JSON, the settings, what is there and what is not, and the checksums of them all."""
    files = {f"csv/{name}.csv": atomic.csv_bytes(table) for name, table in made.items()}
    for name, table in made.items():
        files[f"json/{name}.json"] = table.to_json(orient="records", indent=1, force_ascii=False).encode()
    files["json/provenance.json"] = _json(found.records)
    files["json/parts.json"] = _json([part._asdict() for part in parts(found)])
    files["json/findings.json"] = _json([said._asdict() for said in report_words.found_sentences(found, made)])
    return files | {SUMS: sums(files)}


def packed(files: dict[str, bytes]) -> bytes:
    """A zip file whose bytes depend on names and contents alone."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, files[name])
    return target.getvalue()


def sums(files: dict[str, bytes]) -> bytes:
    """As `sha256sum --check` reads it."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())).encode()


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n").encode()


def _when(created: Any) -> str:
    """2026-11-21 18:12 of a record's time, which is UTC."""
    return str(created)[:16].replace("T", " ")


def _number(value: Any, digits: int = 2) -> str:
    """Rounded; `not computed` where there is none."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return f"{value:.{digits}f}" if known else "not computed"
