"""The sample card's facts in words, as Markdown of our own with data escaped."""

from analysis.sample_record import Place, SampleRecord
from components.formats import escape, hardest, needs

CAUSES = {"n_private": "Private words in its answer", "exposure": "Times seen in an epoch",
          "ending_shared_with": "Retained answers with its ending"}
DEPTHS = {"late_share": ("late share", "{:.0%}"), "mean_layer": ("mean layer", "{:.1f}"), "mean_path": ("mean path", "{:.1f} edges"),
          "longest_path": ("longest path", "{:.0f} edges"), "n_edges": ("edges", "{:.0f}")}


def what(record: SampleRecord, cohort: str | None, rule: str) -> str:
    """The row, its template, its cohort by a rule in words, and what is known of causes."""
    lines = [f"Row {record.row + 1} of the forget set"]
    lines += [f"Template: {escape(record.template)}"] if record.template else []
    lines += [f"Cohort: **{cohort}**, {escape(rule)}"] if cohort else []
    lines += [f"Answer tokens: {record.n_answer_tokens}"] if record.n_answer_tokens is not None else []
    lines += [f"{said}: {escape(str(record.causes[name]))}" for name, said in CAUSES.items() if name in record.causes]
    return _listed("The memory", lines)


def difficulty(record: SampleRecord) -> str:
    """CUD, MRD and base NLL with their ranks."""
    title, found = "How hard it is said to be", record.scores
    if not found:
        return _listed(title, [needs("scores")])
    lines = []
    if "cud" in found:
        lines += [f"CUD **{found['cud'].value:.3f}**, {_rank(record.rank_cud, found['cud'].n)}", _half(record)]
    if "mrd" in found:
        error = "" if record.mrd_stderr is None else f" ± {record.mrd_stderr:.1g}"
        lines.append(f"MRD **{found['mrd'].value:.3g}**{error}, {_rank(record.rank_mrd, found['mrd'].n)}")
    if "base_nll" in found:
        lines.append(f"NLL before **{found['base_nll'].value:.2g}** nats a token, {_above(found['base_nll'])}")
    return _listed(title, lines)


def _half(record: SampleRecord) -> str:
    """Which samples its CUD was read off, and what it was itself to the others."""
    half = "the other half's" if record.fold is None else f"half {2 - record.fold}'s"
    role = {"anchor_easy": "; an easy anchor for them", "anchor_hard": "; a hard anchor for them"}.get(record.cud_role or "", "")
    return f"Held out: scored by {half} anchors{role}"


def circuit(record: SampleRecord, boundary: int) -> str:
    """Depth read-outs with their places, and which nodes the conflict map calls in conflict."""
    if not record.depths:
        return _listed("Its circuit", [needs("circuits")])
    lines = [f"{name} **{form.format(record.depths[key].value)}**, {_above(record.depths[key])}"
             for key, (name, form) in DEPTHS.items() if key in record.depths]
    lines = [line[0].upper() + line[1:] for line in lines] + [f"Late from layer {boundary}"]
    return _listed("Its circuit", [*lines, _conflicts(record)])


def outcome(record: SampleRecord) -> str:
    """What runs did to it, all together and alone."""
    if record.observed_rank is None:
        lines = [f"Observed difficulty {needs('an unlearning run that forgot')}"]
    else:
        lines = [f"Observed: **{_rank(record.observed_rank, record.n_observed)}** over {record.n_runs_observed} runs that count"]
    if record.alone is None:
        lines.append(f"Unlearned alone: {needs('the command `alone`')}")
    else:
        rows = record.alone.itertuples()
        taken = [f"{escape(row.method)} {row.updates}{'' if row.forgotten else ' (not forgotten)'}" for row in rows]
        lines.append(f"Unlearned alone, updates until forgotten: {', '.join(taken)}")
    if record.runs.empty:
        lines.append(f"Runs: {needs('an unlearning run of this study')}")
    return _listed("What unlearning did to it", lines)


def _conflicts(record: SampleRecord) -> str:
    if record.conflict_nodes is None:
        return f"Nodes in conflict {needs('a conflict map')}"
    names = f": {', '.join(record.conflict_nodes)}" if record.conflict_nodes else ""
    return f"**{len(record.conflict_nodes)} of {record.n_nodes}** nodes in conflict{names}"


def _rank(rank: float | None, n: int) -> str:
    return "no rank" if rank is None else hardest(rank, n)


def _above(place: Place) -> str:
    return "the only one" if place.n < 2 else f"above {place.below:.0%} of samples"


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)])
