"""The command `conflicts`: which heads and MLPs must change to forget, which must stay, and which are wanted by both."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from analysis import atomic, config_file, conflict_map
from analysis.command import AblationName, ChatTemplate, Device, Dtype, File, Model, Output, Seed, bad_input_exits, load, say
from analysis.conflict_words import cautions, solved

app = typer.Typer(rich_markup_mode=None)


@app.command()
def conflicts(
    ctx: config_file.Context, model: Model, forget: File, output: Output,
    retain: Annotated[list[Path], typer.Option(help="retain set, a file as the forget set's; repeatable")],
    discovery: Annotated[Literal["greedy", "edge-pruning"], typer.Option(help="circuits by score, or by trained masks")] = "greedy",
    ablation: AblationName = "mean",
    target: Annotated[float, typer.Option(help="share of a set's answers that its circuits keep, and break")] = 0.9,
    n_samples: Annotated[int, typer.Option(help="samples of each set on which that share is measured; scores are of all")] = 32,
    time_limit: Annotated[float, typer.Option(help="seconds for the solver, and as many for the reasons")] = 60.0,
    limit: Annotated[int | None, typer.Option(help="read so many samples of each file")] = None,
    seed: Seed = 0, device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
) -> None:
    """Heads and MLPs to forget, to retain and in conflict, as CLUE finds them: conflicts.json, circuit.cnf (DIMACS, satisfiable if
    nothing is in conflict) and masks.safetensors (the weights of forget and of conflict nodes)."""
    with bad_input_exits(), atomic.output_folder(output, conflict_map.FILE) as folder:
        from analysis.conflict_search import search
        from analysis.dataset import load_samples
        from analysis.logical_circuits import DiscoveryConfig

        config = DiscoveryConfig(discovery, ablation, target, n_samples, seed)
        if not time_limit > 0:
            raise ValueError(f"--time-limit: expected seconds above 0, got {time_limit}")
        sets = [(file, load_samples(file, limit=limit)) for file in (forget, *retain)]
        _check_apart(*sets)
        handle = load(model, device, dtype, chat_template)
        found = search(handle, sets[0], sets[1:], config, time_limit, say)
        config_file.write(folder, ctx, model=handle.name)
        _write(folder, handle, found)
    unproven = [] if found.status == "optimal" else [f"{solved(found)} Give a longer --time-limit."]
    for text in (*unproven, *cautions(found)):
        typer.echo(f"warning: {text}", err=True)
    share = found.masks["clue"]["touched"] / found.n_parameters if found.masks else 0.0
    counts = ", ".join(f"{n} {label}" for label, n in found.n_labelled().items())
    typer.echo(f"{counts}; the masks touch {share:.1%} of the parameters; map in {output}")


def _check_apart(forget: tuple[Path, list], *retains: tuple[Path, list]) -> None:
    """What is to be forgotten and kept at once would only put its whole circuit into conflict."""
    known = {sample.id for sample in forget[1]}
    for file, samples in retains:
        if both := [sample for sample in samples if sample.id in known]:
            first = f"{len(both)}, the first in row {both[0].row + 1}: {both[0].question!r:.80}"
            raise ValueError(f"--retain {file}: expected no sample of {forget[0]}, which is to be forgotten; got {first}")


def _write(folder: Path, handle, found: conflict_map.ConflictMap) -> None:
    from safetensors.torch import save

    from analysis.cnf import dimacs
    from analysis.node_masks import mask_of

    parts = {where: mask_of(handle, found.assigned(where)) for where in ("forget", "conflict")}
    masks = {f"{where}/{name}": free for where, mask in parts.items() for name, free in mask.items()}
    atomic.write_json(folder / conflict_map.FILE, conflict_map.to_json(found))
    atomic.write_bytes(folder / "circuit.cnf", dimacs(found.forget, found.retains).encode())
    atomic.write_bytes(folder / "masks.safetensors", save(masks))
