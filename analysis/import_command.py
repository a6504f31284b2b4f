"""The command `import-eval`: an evaluation that open-unlearning made, beside a study's runs."""

from pathlib import Path
from typing import Annotated

import typer

from analysis import eval_import, studies
from analysis.command import bad_input_exits

app = typer.Typer(rich_markup_mode=None)


@app.command("import-eval")
def import_eval(
    file: Annotated[list[Path], typer.Option(help="EVAL or SUMMARY file of open-unlearning, of one evaluation; repeatable")],
    name: Annotated[str, typer.Option(help="what Outcomes calls it; an earlier import of that name is replaced")],
    study: Annotated[str, typer.Option(help="name of the study: embedded, or one of the workspace's")] = "embedded",
) -> None:
    """Keep an evaluation that open-unlearning wrote, of this study's forget set, to compare runs with on the Outcomes page."""
    with bad_input_exits():
        if large := next((path for path in file if path.stat().st_size > eval_import.LARGEST), None):
            raise ValueError(f"{large}: expected at most {eval_import.LARGEST // 10**6} MB")
        of = studies.named(study)
        said = eval_import.bring_in(of, name, {str(path): path.read_bytes() for path in file})
    typer.echo(f"{said}; kept in {eval_import.folder(of) / name}")
