"""The command `unlearn`: one run, from its settings to its folder."""

from dataclasses import fields, replace
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from analysis import atomic, config_file, store
from analysis.command import ChatTemplate, Device, Dtype, File, Limit, Model, Output, PresetName, Seed, bad_input_exits, load, say
from analysis.plain_files import one_line

app = typer.Typer(rich_markup_mode=None)

Arguments = Annotated[str | None, typer.Option(help="NAME=VALUE,...: the method's gamma, alpha, beta, ...; default: the preset's")]
MethodName = Literal["GradAscent", "GradDiff", "NPO", "SimNPO", "RMU", "UNDIAL", "IdkDPO"]
SamplingName = Literal["uniform", "cga", "cga-released", "easy-first", "hard-first"]
WhatIf = Literal["clue", "forget-only", "conflict-only", "conflict-as-everything", "random", "important", "gradient"]
CURRICULA = {"easy-first": "easy_first", "hard-first": "hard_first"}
Steps = Annotated[int | None, typer.Option(min=1, help="evaluate after so many steps too; default: after each epoch only")]
Rate = Annotated[int | None, typer.Option(min=1, help="steps between checkpoints; default: an epoch, or more if that costs over 5%")]


@app.command()
def unlearn(
    ctx: config_file.Context, model: Model, forget: File, retain: File, output: Output, method: Annotated[MethodName, typer.Option()],
    preset: PresetName = "default", learning_rate: float | None = None, n_epochs: int | None = None, seed: Seed = 0,
    method_args: Arguments = None,
    retain_loss: Annotated[Literal["NLL", "KL"] | None, typer.Option(help="default: the preset's")] = None,
    weight_decay: float | None = None, limit: Limit = None,
    sampling: Annotated[SamplingName, typer.Option(help="how an epoch's samples are drawn")] = "uniform",
    scores: Annotated[Path | None, typer.Option(help="folder with scores.csv: CUD orders easy-first and hard-first")] = None,
    cga_refresh: Annotated[int | None, typer.Option(help="epochs between two measurements of MRD, for cga; default: 1")] = None,
    batch_size: Annotated[int | None, typer.Option(help="samples of each set in a forward pass")] = None,
    accumulate: Annotated[int | None, typer.Option(help="batches per optimiser step")] = None,
    precision: Annotated[Literal["fp32", "bf16"] | None, typer.Option(help="of the forward pass; weights stay fp32")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="train adapters of this rank; the saved model has them merged")] = None,
    retain_floor: Annotated[float | None, typer.Option(help="stop when the retain probability falls below this")] = None,
    evaluate_every: Steps = None, checkpoint_every: Rate = None,
    mask: Annotated[Path | None, typer.Option(help="weights that may change: safetensors of bools, or a folder of conflicts")] = None,
    what_if: Annotated[WhatIf | None, typer.Option(help="which masks of a folder of conflicts; default: clue")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on where a killed run of this output was; without it, anew")] = False,
    device: Device = None, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
) -> None:
    """Unlearn the forget set: the model, steps.csv, samples.csv, trajectories.csv, config.yaml and manifest.json. A run that was killed
    goes on bit for bit with --resume; the same command without it starts anew and replaces what there is."""
    with bad_input_exits(), atomic.claim(output), atomic.room_for(output):
        from analysis.dataset import load_samples
        from analysis.presets import preset as preset_config
        from analysis.record import check_new, record_run

        check_new(output)
        given = {"learning_rate": learning_rate, "n_epochs": n_epochs, "seed": seed, "batch_size": batch_size, "precision": precision,
                 "n_accumulation": accumulate, "lora_rank": lora_rank, "retain_floor": retain_floor, "evaluate_every": evaluate_every,
                 "weight_decay": weight_decay}
        config = preset_config(preset, method)
        config = replace(config, sampling=_sampling(sampling, cga_refresh), **{k: v for k, v in given.items() if v is not None},
                         method=_retaining(_argued(config.method, method_args), retain_loss))
        if mask is not None and lora_rank is not None:
            raise ValueError("expected --mask or --lora-rank, not both: a mask frees weights, LoRA freezes them all")
        sets = load_samples(forget, limit=limit), load_samples(retain)
        masks = _masks(mask, what_if)
        options = {"difficulty": _difficulty(sampling, scores, sets[0]), "resume": _found(output, resume),
                   "checkpoint_every": checkpoint_every}
        handle = load(model, device, dtype, chat_template)
        options |= {"again": _again(ctx, config) | {"model": handle.name}}
        options |= _staged(masks, what_if or "clue", handle, sets[0], config)
        summary = record_run(handle, *sets, config, output, _say, **options)
    if summary["stopped_early"]:
        steps = f"stopped at step {summary['stopped_step']}, with the weights of step {summary['kept_step']}"
        typer.echo(f"the retain probability fell below the floor of {retain_floor}: {steps}")
    typer.echo(f"forget probability {summary['forget_probability']}, retain {summary['retain_probability']}; run in {output}")


def _sampling(name: str, refresh: int | None) -> Any:
    from analysis.sampling import CGA, CGATwoLevel, Curriculum, Uniform

    if refresh is not None and name != "cga":
        raise ValueError(f"--cga-refresh: expected with --sampling cga only, got --sampling {name}")
    if name in CURRICULA:
        return Curriculum(CURRICULA[name])
    return {"uniform": Uniform(), "cga": CGA(refresh=1 if refresh is None else refresh), "cga-released": CGATwoLevel()}[name]


def _argued(method: Any, given: str | None) -> Any:
    """The method with arguments given as NAME=VALUE,NAME=VALUE. Raises ValueError for one that it has not, or that is no number."""
    known = {field.name: getattr(method, field.name) for field in fields(method) if not field.name.startswith("_")}
    values: dict[str, Any] = {}
    for name, _, text in (pair.strip().partition("=") for pair in given.split(",")) if given else ():
        if name not in known:
            has = f"some of {', '.join(known)}" if known else "none"
            raise ValueError(f"--method-args: {type(method).__name__} takes {has}, got {name[:40]!r}")
        if isinstance(known[name], str):
            values[name] = text
            continue
        try:
            values[name] = int(text) if name == "layer" else float(text)
        except ValueError as error:
            raise ValueError(f"--method-args: expected {name}=NUMBER, got {name}={text[:40]}") from error
        if not isfinite(values[name]):
            raise ValueError(f"--method-args: expected a finite {name}, got {text}")
    return replace(method, **values)


def _again(ctx: config_file.Context, config: Any) -> dict[str, Any]:
    """What config.yaml says: what the command was given, and what it took from the preset."""
    from analysis.record import describe

    took = describe(config)
    names = ("learning_rate", "n_epochs", "batch_size", "weight_decay", "precision", "lora_rank", "retain_floor", "evaluate_every")
    found = {name: took[name] for name in names} | {"accumulate": config.n_accumulation, "method_args": took["method_args"] or None}
    given = config_file.settings(ctx) | found | {"retain_loss": None}  # one of the method's arguments
    return {name: value for name, value in given.items() if value is not None}


def _retaining(method: Any, retain_loss: str | None) -> Any:
    if retain_loss is None:
        return method
    if not hasattr(method, "retain_loss"):
        raise ValueError(f"--retain-loss: {type(method).__name__} has no language-model loss on the retain set to choose; leave it out")
    return replace(method, retain_loss=retain_loss)


def _difficulty(sampling: str, scores: Path | None, samples: list) -> Any:
    if (scores is not None) != (sampling in CURRICULA):
        raise ValueError("expected --scores with --sampling easy-first or hard-first, and only there")
    if scores is None:
        return None
    from analysis.difficulty import hardness

    found = store.read_scores(scores)
    return hardness(found and found[0], [sample.id for sample in samples])


def _masks(path: Path | None, what_if: str | None) -> Any:
    """The masks of a file, or the conflict map of a folder; None without either."""
    if what_if is not None and not (path is not None and path.is_dir()):
        raise ValueError(f"--what-if: expected with the folder of a conflict map as --mask only, got --mask {path}")
    if path is None:
        return None
    if path.is_dir():
        from analysis import conflict_map

        return conflict_map.read(path)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: expected a safetensors file of bool tensors by parameter name: {one_line(error)}") from error
    if any(name.startswith(("forget/", "conflict/")) for name in found):
        raise ValueError(f"{path}: expected one mask, got the two of a conflict map: give its folder, --mask {path.parent}")
    return found


def _staged(masks: Any, what_if: str, handle: Any, forget: list, config: Any) -> dict[str, Any]:
    """What `record_run` is told of masks. Raises ValueError if the conflict map is of another model."""
    from analysis.stages import Stage

    if masks is None:
        return {}
    if isinstance(masks, dict):
        return {"stages": (Stage("mask", config.n_epochs, masks),)}
    from analysis.tokens import tokenize
    from analysis.what_if import stages_of

    if masks.fingerprint != handle.fingerprint:
        models = f"weights with fingerprint {masks.fingerprint}, got a model with {handle.fingerprint}"
        raise ValueError(f"--mask: the conflict map is of {models}; make one of this model by the command `conflicts`")
    batch = tokenize(forget, handle.tokenizer, max_length=handle.max_length)
    return {"stages": stages_of(handle, masks, what_if, config.n_epochs, seed=config.seed, forget=batch), "what_if": what_if}


def _say(record: Any) -> None:
    where = "" if record.stage is None else f"stage {record.stage}, "
    say(f"{where}epoch {record.epoch}, step", record.step, record.n_steps)


def _found(output: Path, resume: bool) -> bool:
    """Says what happens to an interrupted run of this output; returns whether it goes on."""
    from analysis.run_files import checkpoint_file

    file = checkpoint_file(output)
    if resume and not file.is_file():
        typer.echo(f"no checkpoint in {file.parent}: the run starts anew", err=True)
    if file.is_file() and not resume:
        typer.echo(f"{file.parents[1]} is replaced by a new run; --resume would have gone on with it", err=True)
    return resume
