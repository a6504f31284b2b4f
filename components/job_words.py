"""What a job is called, which study it belongs to, and how far it is, in words."""

from analysis import jobs, place, progress
from components.formats import duration, escape

KINDS = {"scores": "Scores", "circuits": "Circuits", "conflicts": "Conflict map", "unlearn": "Run", "evaluate": "Evaluation"}
OF_STUDIES = ("studies", "runs", "conflicts")  # folders of the workspace whose folders are named by studies


def kind(job: jobs.Job) -> str:
    return KINDS.get(job.kind, job.kind.capitalize())


def name(job: jobs.Job) -> str:
    """The run that a job makes, or the run that it evaluates; else its kind."""
    if job.kind == "evaluate":
        return f"{job.output.parent.name}, evaluation"
    if job.kind == "circuits" and job.output.parent.parent.parent.name == "runs":
        return f"{job.output.parent.name}, circuits"
    return job.output.name if job.kind == "unlearn" else kind(job)


def study(job: jobs.Job) -> str | None:
    """The slug of the study whose results a job makes; None where its place says none."""
    parts = job.output.relative_to(place.workspace()).parts
    return parts[1] if len(parts) > 1 and parts[0] in OF_STUDIES else None


def state(job: jobs.Job) -> str:
    return f"queued, position {job.position} on {job.device}" if job.position else job.state


def how_far(job: jobs.Job) -> tuple[float, str]:
    """The share of the present phase that is done, and in Markdown what is being done, since when, and for how long still."""
    if job.position:
        why = f": {escape(job.cause)}" if job.cause else ""
        return 0.0, f"Waiting for {escape(job.device)}, position {job.position}{why}"
    said, so_far = progress.read(job.id), f"{duration(job.seconds or 0)} so far"
    if said is None:
        return 0.0, f"Starting · {so_far}"
    number, left = said.phase_number(job.arguments[0]) if job.arguments else None, said.remaining()
    last = number is None or number[0] == number[1]
    phase = escape(_phase(said))
    words = [f"Phase {number[0]} of {number[1]}: {phase}" if number else f"{phase[:1].upper()}{phase[1:]}", so_far]
    if left is not None:
        words.append(f"about {duration(max(1, left))} left" if last else f"about {duration(max(1, left))} left in this phase")
    elif last and said.done >= said.total:
        words.append("measuring and saving")
    return min(1.0, said.done / max(1, said.total)), " · ".join(words)


def reached(job: jobs.Job) -> str:
    """Where a job that ended early was, in Markdown: ' after step 1 of 4'."""
    said = progress.read(job.id)
    return f" after {escape(_phase(said))}" if said else ""


def _phase(said: progress.Progress) -> str:
    colon = ":" if said.phase[-1:].isdigit() else ""
    return f"{said.phase}{colon} {said.done} of {said.total}"
