"""The state of a run on disk, so that one that was killed goes on as if it had not been: one safetensors file, its facts in the header.

Held are the weights that any stage trains, which stage is under way and its AdamW's state, both random generators, the rows of the
epoch under way with the probabilities they were drawn by, the evaluations and the weights kept for the retain floor. What a method
prepares is not: it is prepared again from the same seed and the same model, whose identity is compared. Nor are masks: they come
again, and what they freeze has in the trained weights the values that it had when the stage began.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from analysis import atomic
from analysis.plain_files import one_line
from analysis.unlearning import Evaluation, Run


@dataclass(frozen=True)
class Checkpoint:
    """`facts` are plain data: step, stage (its place), seconds, identity (what decides the run's numbers), sizes (bytes of each table
    at that step)."""

    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def evaluations(self) -> list[Evaluation]:
        return [
            Evaluation(step, epoch, self.tensors[f"evaluation/{i}/forget"].numpy(), self.tensors[f"evaluation/{i}/retain"].numpy())
            for i, (step, epoch) in enumerate(self.facts["evaluations"])
        ]


def write(file: Path, run: Run, identity: dict[str, Any], sizes: dict[str, int]) -> None:
    """Write the file whole or leave the earlier one. Raises DiskFull."""
    from safetensors.torch import save_file

    facts = {"step": run.step, "stage": run.trainer.place, "seconds": run.seconds, "identity": identity, "sizes": sizes,
             "generator": run.rng.bit_generator.state, "evaluations": [(e.step, e.epoch) for e in run.evaluations]}
    with atomic.output_file(file) as new:
        save_file({k: v.detach().cpu().contiguous() for k, v in _tensors(run).items()}, new, {"facts": json.dumps(facts)})


def _tensors(run: Run) -> dict[str, Tensor]:
    found = {f"weight/{name}": weight for name, weight in run.trainer.trained.items()}
    for i, state in run.trainer.optimiser.state_dict()["state"].items():
        found |= {f"optimiser/{i}/{key}": value for key, value in state.items()}
    found |= {f"kept/{name}": weight for name, weight in (run.kept or {}).items()}
    for i, evaluation in enumerate(run.evaluations):
        found[f"evaluation/{i}/forget"] = torch.from_numpy(evaluation.forget_nll)
        found[f"evaluation/{i}/retain"] = torch.from_numpy(evaluation.retain_nll)
    if run.draws.probabilities is not None:
        found["probabilities"] = torch.from_numpy(run.draws.probabilities)
    if next(iter(run.trainer.trained.values())).is_cuda:
        found["cuda"] = torch.cuda.get_rng_state()
    return found | {"order": torch.from_numpy(run.order), "torch": torch.get_rng_state()}


def read(file: Path, identity: dict[str, Any]) -> Checkpoint | None:
    """The checkpoint in this file, None if there is no file. Raises ValueError if it is damaged, or of a run with another identity."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        return None
    try:
        with safe_open(file, "pt") as content:
            facts = json.loads(content.metadata()["facts"])
            tensors = {name: content.get_tensor(name).clone() for name in content.keys()}  # noqa: SIM118 it is no dict
        _check(facts, tensors)
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{file}: expected a checkpoint, cannot read it ({one_line(error)}); start anew without --resume") from error
    now = json.loads(json.dumps(identity))
    if differing := [key for key in now | facts["identity"] if now.get(key) != facts["identity"].get(key)]:
        said = "; ".join(f"{key} was {facts['identity'].get(key)} and is {now.get(key)}" for key in differing)
        raise ValueError(f"cannot resume {file.parents[1]}: {said}. Give what it was started with, or start anew without --resume")
    return Checkpoint(facts, tensors)


def _check(facts: Any, tensors: dict[str, Tensor]) -> None:
    """Raises ValueError, LookupError or TypeError unless all is there that `restore` takes."""
    kinds = {"step": int, "seconds": int | float, "identity": dict, "sizes": dict, "generator": dict, "evaluations": list}
    if wrong := [name for name, kind in kinds.items() if not isinstance(facts[name], kind)]:
        raise ValueError(f"{wrong[0]}: got {facts[wrong[0]]!r:.40}")
    for i, (step, epoch) in enumerate(facts["evaluations"]):
        _ = int(step), int(epoch), tensors[f"evaluation/{i}/forget"], tensors[f"evaluation/{i}/retain"]
    _ = tensors["order"], tensors["torch"]


def restore(run: Run, checkpoint: Checkpoint) -> None:
    """Put a freshly prepared run into the state of the checkpoint, which then gives up its tensors: three times the weights."""
    facts, tensors = checkpoint.facts, checkpoint.tensors
    run.trainer.load(_under("weight/", tensors))
    run.trainer.begin(facts.get("stage", 0))  # after the weights: it takes down what it freezes; older checkpoints have no stages
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimiser/", tensors).items():
        i, _, key = name.partition("/")
        state.setdefault(int(i), {})[key] = value
    optimiser = run.trainer.optimiser
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    run.kept = _under("kept/", tensors) or None
    run.order, run.evaluations = tensors["order"].numpy(), checkpoint.evaluations
    run.draws.probabilities = tensors["probabilities"].numpy() if "probabilities" in tensors else None
    run.rng.bit_generator.state = facts["generator"]
    torch.set_rng_state(tensors["torch"])
    if "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"])
    run.step, run.seconds = facts["step"], facts["seconds"]
    tensors.clear()


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
