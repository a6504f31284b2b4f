"""The commands `demo build` and `demo results`: the embedded model with its data, and everything that is shown about it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from analysis import atomic, circuits_after, store
from analysis.circuit import Circuit
from analysis.command import Seed

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

METHODS = ("GradAscent", "GradDiff", "NPO", "SimNPO", "RMU", "UNDIAL", "IdkDPO")
TWO_METHODS = ("--method", "NPO", "--method", "GradDiff")  # of the comparisons over seeds
AFTER = ("NPO", "GradDiff")  # methods after whose first run circuits are looked at again
N_ENDS = 12  # samples at either end of CUD whose circuits those are; all of them would be as large as all other results
N_SEEDS = 3  # of each shipped run; one leaves observed difficulty too noisy to judge a score by


@app.command()
def build(output: Path = store.DATA, seed: Seed = 0) -> None:
    """Train the embedded model and its retain-only reference, and write their data (about 8 minutes on 2 cores)."""
    from analysis import demo

    demo.build(output, seed, report=typer.echo)


@app.command()
def results(
    part: Annotated[list[str] | None, typer.Argument(
        help="made anew: scores, circuits, sensitivity, evaluation, conflicts, masks, runs, after, alone, curricula, validity; "
             "default: all, in this order"
    )] = None,
    data: Path = store.DATA,
) -> None:
    """Score the embedded set, run and evaluate every method on it with three seeds, and all else that the pages show of it, by the
    commands that a user has; written to DATA/results. About an hour on 2 cores."""
    steps: dict[str, Callable[[Path], None]] = {
        "scores": _scores, "circuits": _circuits, "sensitivity": _sensitivity, "evaluation": _evaluation,
        "conflicts": _conflicts, "masks": _masks, "runs": _runs, "after": _after, "alone": _alone, "curricula": _curricula,
        "validity": _validity,
    }
    if unknown := [name for name in part or () if name not in steps]:
        raise typer.BadParameter(f"expected some of {', '.join(steps)}, got {unknown[0]!r}")
    for name, step in steps.items():
        if not part or name in part:
            step(data)


def _scores(data: Path) -> None:
    _run("score", *_sets(data), "--preset", "embedded", "--no-reuse", "--output", str(data / "results" / "scores"))


def _circuits(data: Path) -> None:
    folder = data / "results" / "circuits"
    _run("circuits", *_sets(data)[:2], "--data", str(data / "forget.jsonl"), "--no-reuse", "--output", str(folder))
    atomic.remove(folder / "eap-ig")


def _sensitivity(data: Path) -> None:
    _run("sensitivity", *_sets(data)[:4], "--output", str(data / "results" / "sensitivity"))


def _evaluation(data: Path) -> None:
    """Of the model before unlearning, to compare with."""
    _evaluate(data, data / "model", data / "results" / "evaluation")


def _conflicts(data: Path) -> None:
    """Without the masks, which can be made again of the map and are as large as the model. From a target of 0.5 on nearly all of this
    model's 40 nodes are in conflict, so that a map would tell nothing; no run was looked at when 0.3 was chosen."""
    folder = data / "results" / "conflicts"
    _run("conflicts", *_sets(data), "--ablation", "patching", "--target", "0.3", "--output", str(folder))
    (folder / "masks.safetensors").unlink()


def _masks(data: Path) -> None:
    target = data / "results"
    given = [*TWO_METHODS, "--preset", "embedded", "--n-seeds", "5", "--conflicts", str(target / "conflicts")]
    _run("compare-masks", *_sets(data), *given, "--output", str(target / "masks"))


def _runs(data: Path) -> None:
    """As many runs at a time as there are cores, one thread each: a model this small gains little from a second thread."""
    atomic.remove(data / "results" / "runs")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(lambda chosen: _one_run(data, *chosen), product(range(N_SEEDS), METHODS)))


def _one_run(data: Path, seed: int, method: str) -> None:
    """Without its weights, which can be made again."""
    folder = data / "results" / "runs" / f"{method.lower()}-seed{seed}"
    _unlearn(data, method, seed, folder)
    _evaluate(data, folder / "model", folder / "evaluation")
    atomic.remove(folder / "model")


def _unlearn(data: Path, method: str, seed: int, folder: Path) -> None:
    given = ["--method", method, "--preset", "embedded", "--seed", str(seed)]
    _run("unlearn", *_sets(data), *given, "--output", str(folder), threads=1)


def _after(data: Path) -> None:
    """Circuits of the samples at either end of CUD in unlearned models, which are made again for it."""
    with tempfile.TemporaryDirectory() as temporary:
        ends = Path(temporary, "ends.jsonl")
        ends.write_text("".join(_ends(data)), encoding="utf-8")
        before = _kept(data, data / "model", Path(temporary, "before"))
        for method in AFTER:
            again = Path(temporary, f"{method.lower()}-seed0")
            _unlearn(data, method, 0, again)
            folder = data / "results" / "runs" / again.name / "circuits"
            _run("circuits", "--model", str(again / "model"), "--data", str(ends), "--no-reuse", "--output", str(folder), threads=1)
            atomic.remove(folder / "eap-ig")
            table = circuits_after.kept(before, _kept(data, again / "model", again / "kept"))
            atomic.write_csv(folder / circuits_after.KEPT, table.rename_axis("sample_id").reset_index())


def _kept(data: Path, model: Path, folder: Path) -> dict[str, Circuit]:
    """Circuits of as many samples of the retain set: of these only what is said of them is kept."""
    given = ["--model", str(model), "--data", str(data / "retain.jsonl"), "--limit", str(2 * N_ENDS)]
    _run("circuits", *given, "--no-reuse", "--output", str(folder), threads=1)
    found = store.read_circuits(folder)
    assert found is not None  # the command has just written them
    return found[0]


def _ends(data: Path) -> list[str]:
    """The forget set's lines of the hardest and the easiest samples by CUD, hardest first."""
    found = store.read_scores(data / "results" / "scores")
    if found is None:
        raise typer.BadParameter("the part `after` needs the scores; make them first: demo results scores")
    rows = found[0].sort_values("rank_cud", kind="stable")["row"].tolist()
    lines = (data / "forget.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    return [lines[row] for row in rows[:N_ENDS] + rows[-N_ENDS:]]


def _evaluate(data: Path, model: Path, output: Path) -> None:
    """Without the long form, which the tables hold too."""
    others = ["--original", str(data / "model"), "--retain-model", str(data / "retain_model"), "--holdout", str(data / "holdout.jsonl")]
    _run("evaluate", "--model", str(model), *_sets(data)[2:], *others, "--output", str(output), threads=1)
    (output / "LETHE_EVAL.json").unlink()


def _alone(data: Path) -> None:
    """By the four methods that need the fewest updates for a sample; RMU and IdkDPO need about three times as many."""
    chosen = [word for method in ("GradDiff", "NPO", "SimNPO", "UNDIAL") for word in ("--method", method)]
    _run("alone", *_sets(data), *chosen, "--preset", "embedded", "--output", str(data / "results" / "alone"))


def _curricula(data: Path) -> None:
    target = data / "results"
    given = [*TWO_METHODS, "--preset", "embedded", "--scores", str(target / "scores")]
    _run("compare-curricula", *_sets(data), *given, "--output", str(target / "curricula"))


def _validity(data: Path) -> None:
    target = data / "results"
    counted = [f"{method.lower()}-seed{seed}" for seed, method in product(range(N_SEEDS), METHODS[1:])]
    runs = [word for name in counted for word in ("--run", str(target / "runs" / name))]
    folders = ["--scores", str(target / "scores"), "--circuits", str(target / "circuits"), "--alone", str(target / "alone")]
    _run("validity", *folders, *runs, "--output", str(target / "validity.csv"))


def _sets(data: Path) -> list[str]:
    return ["--model", str(data / "model"), "--forget", str(data / "forget.jsonl"), "--retain", str(data / "retain.jsonl")]


def _run(*arguments: str, threads: int | None = None) -> None:
    typer.echo("python -m analysis " + " ".join(arguments))
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-m", "analysis", *arguments], env=os.environ | limits)
    if done.returncode:
        raise typer.Exit(done.returncode)  # the command has said why
