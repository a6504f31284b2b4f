"""The commands `study make | list | remove`."""

from typing import Annotated

import typer

from analysis import config_file
from analysis.command import ChatTemplate, Dtype, Model, bad_input_exits

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, cls=config_file.Commands)
Set = Annotated[str, typer.Option(help="JSONL, JSON, CSV, TSV or Parquet, or hf://datasets/OWNER/NAME[@REVISION]/PATH")]
COLUMN = "column; if not given, known shapes are recognised: TOFU, MUSE, WMDP, WHP, PKU-SafeRLHF and others"
Column = Annotated[str, typer.Option(help=COLUMN)]
RetainColumn = Annotated[str | None, typer.Option(help="the same for the retain set, where it differs")]


@app.command()
def make(
    name: Annotated[str, typer.Option(help="title of the study; its folder is named after it")],
    model: Model, forget: Set, retain: Set, dtype: Dtype = "float32", chat_template: ChatTemplate = True,
    question_key: Column = "question", answer_key: Column = "answer",
    retain_question_key: RetainColumn = None, retain_answer_key: RetainColumn = None,
    corrupt: Annotated[bool, typer.Option(help="make corrupted questions and false answers where the sets lack them")] = False,
) -> None:
    """Keep a model's name and both sets as a study in the workspace. Rows that cannot be used are left out and listed."""
    with bad_input_exits():
        from analysis import study_making, token_lengths

        study_making.free_slug(name)
        files = {
            "forget": study_making.named_file(forget, question_key, answer_key),
            "retain": study_making.named_file(retain, retain_question_key or question_key, retain_answer_key or answer_key),
        }
        recorded = study_making.checked_model(model)
        by = token_lengths.reader(recorded, chat_template)
        sets = {role: study_making.fitted(study_making.read(file, role), by, corrupt) for role, file in files.items()}
        sets["retain"] = study_making.without_forgotten(sets["retain"], sets["forget"])
        made = study_making.make(name, recorded, {role: file.name for role, file in files.items()}, sets, dtype, chat_template)
        for role, found in sets.items():
            for error in found.errors:
                typer.echo(f"{files[role].name}: {error}", err=True)
            typer.echo(f"{role}: {study_making.said(found)}")
    if by.tokenizer is None:
        typer.echo("lengths were not checked: this model's tokenizer.json is not on this machine", err=True)
    typer.echo(f"study {made.slug} in {made.forget.parent}")


@app.command("list")
def show() -> None:
    """Every study: its name, title, model and sets."""
    from analysis import studies

    for study in studies.known():
        typer.echo(f"{study.slug}  {study.title!r}  model {study.model}  forget {study.forget}  retain {study.retain}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="as `study list` has it")]) -> None:
    """Remove a study of your own with its results. Refused while a job needs it."""
    with bad_input_exits():
        from analysis import studies, workspace_items

        study = studies.named(name)
        if study == studies.embedded():
            raise ValueError("'embedded' comes with Lethe; only studies of your own can be removed")
        workspace_items.remove(f"studies/{study.slug}")
    typer.echo(f"{name} removed; its runs, if any, stay in the workspace")
