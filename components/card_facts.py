"""The sample card's facts in words, as Markdown of our own with data escaped."""

from typing import NamedTuple

from analysis.runs import FORGOTTEN_BELOW
from analysis.sample_record import Place, SampleRecord
from components.formats import escape, hardest, needs

CAUSES = {"n_private": "private words in its answer", "exposure": "times seen in an epoch",
          "ending_shared_with": "retained answers with its ending"}
DEPTHS = {"mean_layer": ("mean layer", "{:.1f}"), "mean_path": ("mean path", "{:.1f} edges"),
          "longest_path": ("longest path", "{:.0f} edges")}
NAMED = 6  # nodes in conflict; the Conflict map has all of them


class Headline(NamedTuple):
    """A figure at the head of the card: what it is, the figure, what it means. Markdown, all of it our own."""

    label: str
    value: str
    meaning: str


def what(record: SampleRecord) -> str:
    """Its row, its template, and what is known of causes, in one line."""
    said = [f"Row {record.row + 1} of the forget set"]
    said += [f"template {escape(record.template)}"] if record.template else []
    said += [f"answer tokens: {record.n_answer_tokens}"] if record.n_answer_tokens is not None else []
    return "; ".join([*said, *(f"{name}: {escape(str(record.causes[key]))}" for key, name in CAUSES.items() if key in record.causes)])


def headlines(record: SampleRecord, cohort: str | None, rule: str) -> list[Headline]:
    """What is known of how hard it is and was, shortest first: its cohort by a rule in words, ranks, and in how many runs it went."""
    found, lines = record.scores, []
    if cohort:
        lines.append(Headline("Cohort", cohort, f"Cohorts: {escape(rule)}."))
    if "cud" in found:
        rank = _rank(record.rank_cud, found["cud"].n)
        lines.append(Headline(f"CUD {found['cud'].value:.3f}", rank, f"High CUD = hard. {_half(record)}"))
    if "mrd" in found:
        error = "" if record.mrd_stderr is None else f" ± {record.mrd_stderr:.1g}"
        rank = _rank(record.rank_mrd, found["mrd"].n)
        lines.append(Headline(f"MRD {found['mrd'].value:.3g}{error}", rank, "Low MRD = hard; ± is its standard error."))
    if record.observed_rank is not None:
        lines.append(Headline("Observed", _rank(record.observed_rank, record.n_observed),
                              f"By the loss that {record.n_runs_observed} runs left, all methods alike."))
    if len(record.runs):
        gone = int((record.runs["after"] < FORGOTTEN_BELOW).sum())
        meaning = f"Probability below {FORGOTTEN_BELOW} after the run."
        lines.append(Headline("Forgotten", f"in {gone} of {len(record.runs)} runs", meaning))
    return lines


def difficulty(record: SampleRecord) -> str:
    """What stands below the places of CUD and MRD."""
    found = record.scores
    if not found:
        return needs("scores").capitalize()
    if "base_nll" not in found:
        return ""
    return f"NLL before unlearning **{found['base_nll'].value:.2g}** nats a token, {_above(found['base_nll'])}."


def _half(record: SampleRecord) -> str:
    """Which samples its CUD was read off, and what it was itself to the others."""
    half = "the other half's" if record.fold is None else f"half {2 - record.fold}'s"
    role = {"anchor_easy": "; an easy anchor for them", "anchor_hard": "; a hard anchor for them"}.get(record.cud_role or "", "")
    return f"Held out: scored by {half} anchors{role}."


def circuit(record: SampleRecord, boundary: int) -> str:
    """Depth read-outs with their places, and which nodes the conflict map calls in conflict."""
    if not record.depths:
        return needs("circuits").capitalize()
    lines = []
    if late := record.depths.get("late_share"):
        lines.append(f"**{late.value:.0%}** of its score mass ends late, from layer {boundary} on: {_above(late)}.")
    others = [f"{name} {form.format(place.value)}, {_above(place)}" for key, (name, form) in DEPTHS.items()
              if (place := record.depths.get(key))]
    lines += [f"{words[0].upper()}{words[1:]}." for words in others]
    return "  \n".join([*lines, _conflicts(record)])


def outcome(record: SampleRecord) -> str:
    """What runs did to it, all together and alone."""
    lines = []
    if record.runs.empty:
        lines.append(f"Runs: {needs('an unlearning run of this study')}.")
    if record.observed_rank is None:
        lines.append(f"Observed difficulty: {needs('an unlearning run that forgot')}.")
    if record.alone is None:
        lines.append(f"Unlearned alone: {needs('the command `alone`')}.")
    else:
        rows = record.alone.itertuples()
        taken = [f"{escape(row.method)} {row.updates}{'' if row.forgotten else ' (not forgotten)'}" for row in rows]
        lines.append(f"Unlearned alone, updates until forgotten: {', '.join(taken)}.")
    if len(record.runs) and record.runs["relearnt"].isna().all():
        lines.append(f"After relearning others: {needs('`evaluate` on a run kept here')} (for means see Outcomes, Durability).")
    changed = record.runs[record.runs["in_common"].notna()]
    if len(changed):
        shares = (f"{escape(row.run)} {row.in_common:.0%}" for row in changed.itertuples())
        lines.append(f"Edges that its circuits before and after a run share: {', '.join(shares)}.")
    return "  \n".join(lines)


def _conflicts(record: SampleRecord) -> str:
    if record.conflict_nodes is None:
        return f"Nodes in conflict: {needs('a conflict map')}."
    more = len(record.conflict_nodes) - NAMED
    names = ", ".join(record.conflict_nodes[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{len(record.conflict_nodes)} of {record.n_nodes} nodes in conflict{f': {names}' if names else ''}."


def _rank(rank: float | None, n: int) -> str:
    return "no rank" if rank is None else hardest(rank, n)


def _above(place: Place) -> str:
    return "the only one" if place.n < 2 else f"above {place.below:.0%} of samples"
