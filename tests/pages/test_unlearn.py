"""The Unlearn page: the form, its refusals, a job that is shown, cancelled and found again."""

import time

import pytest
from typer.testing import CliRunner

from analysis import atomic, jobs, runs, studies
from analysis.__main__ import app
from analysis.dataset import load_samples
from analysis.methods import METHODS
from analysis.presets import preset
from components import conflict_source, run_estimate, run_form, run_like, run_options
from components.run_options import MORE
from tests.pages.conflict_fixture import made_map, write_map
from tests.pages.runs_fixture import made_up_study, open_page, own_folder, texts, write_run  # noqa: F401


def press(at, label: str):
    return next(button for button in at.button if button.label == label).click().run()


def wait_for_state(job_id: str, state: str) -> None:
    end = time.monotonic() + 10
    while jobs.status(job_id).state != state:
        assert time.monotonic() < end, jobs.status(job_id)
        time.sleep(0.05)


def wait_for_start(job_id: str) -> None:
    end = time.monotonic() + 10
    while "started" not in jobs.tail(job_id):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_empty_page_offers_a_start_and_the_command_line(study):
    at = open_page("unlearn")
    assert not at.exception and "No run is going" in texts(at) and "not known yet" in texts(at)
    command = next(code.value for code in at.code)
    assert command.startswith(".venv/bin/python -m analysis unlearn --model ") and "--method NPO --preset embedded --seed 0" in command
    assert command.endswith("/npo-seed0")


def test_before_a_run_the_last_one_of_the_method_is_shown_and_said_to_be_that(study):
    write_run(own_folder(study, "mine"), study, "NPO", "mask: null\n")
    write_run(study.results / "runs" / "old", study, "NPO")  # a newer file, as after a fresh checkout: shipped is earlier all the same
    write_run(own_folder(study, "other"), study, "RMU")
    said = texts(open_page("unlearn"))
    assert "**An earlier run, for comparison:** mine, the last of NPO" in said
    assert "5 of 8 memories forgotten after 2 epochs at rate 1.0e-4, retain probability 0.90" in said and "Press Start" in said
    atomic.write_bytes(own_folder(study, "other") / "samples.csv", b"damaged")
    assert "none of RMU has finished in this study" in texts(open_page("unlearn", unlearn_method="RMU"))


def test_an_empty_field_shows_what_the_preset_or_the_default_has(study):
    write_run(study.results / "runs" / "another", study, "RMU", "learning_rate: 0.5\nn_epochs: 7\n")
    write_run(study.results / "runs" / "old", study, "NPO")
    for given, said in (("true", ["preset: 1.0e-4", "preset: 2"]), ("false", ["default: 1.0e-5", "default: 10"])):
        at = open_page("unlearn", unlearn_preset=given)
        assert [at.number_input(key=f"unlearn_{name}").placeholder for name in ("rate", "epochs")] == said


def test_settings_reach_the_command(study):
    at = open_page("unlearn")
    at.number_input(key="unlearn_rate").set_value(5e-5)
    at.number_input(key="unlearn_epochs").set_value(4)
    at.text_input(key="unlearn_name").set_value("mine").run()
    assert "--learning-rate 5e-05 --n-epochs 4 --output" in at.code[0].value and at.code[0].value.endswith("/mine")


def test_the_command_line_understands_what_the_form_asks(study):
    """The files are gone, so a command that is understood ends with that, and not with a usage error."""
    request = run_form.build(study, "NPO", "mine", 1, True, {"learning-rate": "5e-05", "n-epochs": "4"})
    study.forget.unlink()
    result = CliRunner().invoke(app, request.arguments)
    assert result.exit_code == 2 and "no such file" in result.output


def test_every_setting_reaches_the_command_and_only_those_that_were_given(study):
    at = open_page("unlearn")
    assert not any(f"--{flag}" in at.code[0].value for flag in ("sampling", "retain-loss", "batch-size", "precision", "retain-floor"))
    for name, value in (("batch-size", 4), ("accumulate", 2), ("lora-rank", 8), ("evaluate-every", 5), ("floor", 0.85)):
        at.number_input(key=f"unlearn_{name}").set_value(value)
    at.selectbox(key="unlearn_precision").set_value("bf16")
    at.selectbox(key="unlearn_loss").set_value("KL")
    at.selectbox(key="unlearn_sampling").set_value("hard-first").run()
    words = at.code[0].value.split()
    given = dict(zip(words, words[1:], strict=False))
    expected = {"--batch-size": "4", "--accumulate": "2", "--lora-rank": "8", "--evaluate-every": "5", "--retain-floor": "0.85",
                "--precision": "bf16", "--retain-loss": "KL", "--sampling": "hard-first", "--scores": str(study.results / "scores")}
    assert {flag: given.get(flag) for flag in expected} == expected and words[-1].endswith("/npo-hard-first-seed0")


def test_every_option_of_the_form_is_one_of_the_command_line(study):
    options = {"sampling": "cga-released", "retain-loss": "KL", "precision": "fp32", "retain-floor": "0.8", **dict.fromkeys(MORE, "1")}
    request = run_form.build(study, "UNDIAL", "mine", 1, False, options)
    study.forget.unlink()
    result = CliRunner().invoke(app, request.arguments)
    assert result.exit_code == 2 and "no such file" in result.output


def test_methods_and_their_retain_losses_are_those_that_there_are(study):
    assert list(run_form.METHODS) == list(METHODS)
    assert {name for name, kind in METHODS.items() if not hasattr(kind(), "retain_loss")} == set(run_options.WITHOUT_RETAIN_LOSS)


def test_a_method_without_a_retain_loss_offers_none_and_forgets_what_was_chosen_before(study):
    at = open_page("unlearn")
    at.selectbox(key="unlearn_loss").set_value("KL").run()
    at.segmented_control(key="unlearn_method").set_value("GradAscent").run()
    assert "control that destroys" in texts(at) and "--retain-loss" not in at.code[0].value
    assert at.selectbox(key="unlearn_no_loss").disabled and not at.exception


def test_curricula_are_offered_only_where_there_are_scores(study):
    assert len(open_page("unlearn").selectbox(key="unlearn_sampling").options) == 5
    (study.results / "scores" / "scores.csv").unlink()
    at = open_page("unlearn")
    assert at.selectbox(key="unlearn_sampling").options == ["Uniform", "CGA", "CGA as released"]
    assert "need this study's scores" in texts(at)


def test_without_a_conflict_map_all_weights_may_change(study):
    assert not [box for box in open_page("unlearn").selectbox if box.key == "weights"]


def test_a_mask_reaches_the_command_and_the_name_and_leaves_no_lora(study):
    write_map(study.results / "conflicts")
    at = open_page("unlearn")
    assert at.selectbox(key="weights").value == "all" and "--mask" not in at.code[0].value
    at.number_input(key="unlearn_lora-rank").set_value(8)
    at.selectbox(key="weights").set_value("conflict map: conflict nodes only").run()
    words = at.code[0].value.split()
    given = dict(zip(words, words[1:], strict=False))
    assert given["--mask"] == str(study.results / "conflicts") and given["--what-if"] == "conflict-only"
    assert words[-1].endswith("/npo-conflict-only-seed0")
    assert "--lora-rank" not in words and at.number_input(key="unlearn_no_lora-rank").disabled
    assert "LoRA does not go with a mask" in texts(at) and not at.exception


@pytest.mark.parametrize(("what_if", "n_epochs", "warned"), [("clue", 1, True), ("clue", 2, False), ("important", 1, False)])
def test_a_mask_of_two_stages_asks_for_two_epochs(study, what_if, n_epochs, warned):
    write_map(study.results / "conflicts")
    at = open_page("unlearn", weights=run_options.mask_label("shipped", what_if))
    at.number_input(key="unlearn_epochs").set_value(n_epochs).run()
    assert not at.exception and [warning.value for warning in at.warning] == [
        "This mask trains in two stages, which need at least 2 epochs."
    ] * warned


def test_a_map_computed_here_is_offered_beside_the_shipped_one(study):
    write_map(study.results / "conflicts")
    write_map(conflict_source.own_folder(study))
    at = open_page("unlearn", weights="own conflict map: CLUE")
    assert len(at.selectbox(key="weights").options) == 1 + 2 * len(run_options.WHAT_IFS)
    assert f"--mask {conflict_source.own_folder(study)} --what-if clue" in at.code[0].value


def test_only_masks_that_the_map_has_are_offered(study):
    write_map(study.results / "conflicts", made_map(masks={"clue": made_map().masks["clue"]}))
    assert open_page("unlearn").selectbox(key="weights").options == ["all", "conflict map: CLUE"]
    (study.results / "conflicts" / "conflicts.json").write_text("damaged")
    at = open_page("unlearn")
    assert not at.exception and not [box for box in at.selectbox if box.key == "weights"]


def test_the_command_line_understands_the_mask_of_the_form(study):
    write_map(study.results / "conflicts")
    options = {"mask": str(study.results / "conflicts"), "what-if": "conflict-as-everything"}
    request = run_form.build(study, "NPO", "mine", 1, False, options)
    study.forget.unlink()
    result = CliRunner().invoke(app, request.arguments)
    assert result.exit_code == 2 and "no such file" in result.output


def test_time_is_estimated_from_earlier_runs(study):
    write_run(own_folder(study, "old"), study, "NPO")
    at = open_page("unlearn")
    at.number_input(key="unlearn_epochs").set_value(4).run()
    assert "about 1 min 00 s of training, as measured on 1 earlier run" in texts(at)


def test_bad_and_taken_names_are_refused(study):
    write_run(own_folder(study, "old"), study, "NPO")
    at = open_page("unlearn")
    for name, said in (("../up", "expected a name of 1-64 characters"), ("old", "already a run 'old'"), ("a.partial", "marks")):
        at.text_input(key="unlearn_name").set_value(name).run()
        assert said in texts(at) and "cannot have this name" in at.error[0].value and not at.exception
        assert next(b for b in at.button if b.label == "Start").disabled


@pytest.mark.slow
def test_memory_is_estimated_before_the_start_and_said_to_be_unknown_without_weights(study, monkeypatch):
    assert "Memory: not known" in texts(open_page("unlearn"))
    header = b'{"x": {"dtype": "F16", "shape": [1000, 1000], "data_offsets": [0, 2000000]}}'
    (study.forget.parent / "model").mkdir()
    (study.forget.parent / "model" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(2 * 10**6))
    assert "Memory: about 0.62 GB" in texts(open_page("unlearn"))  # 20 MB of weights and their like, 0.6 GB of libraries
    assert "Memory: about 0.62 GB" in texts(open_page("unlearn", unlearn_method="RMU"))
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Free", (), {"available": 10**8}))
    assert "the run will end early" in open_page("unlearn").warning[0].value


def test_the_defaults_that_the_form_names_are_those_of_the_presets():
    default = preset("default", "NPO")
    assert (default.learning_rate, default.n_epochs) == (run_options.DEFAULT_RATE, run_options.DEFAULT_EPOCHS)


def test_shipped_runs_are_those_of_the_preset_that_the_form_reads_off_them():
    made = {r.method: (r.learning_rate, r.n_epochs) for r in runs.list_runs(studies.embedded()) if r.shipped}
    assert made == {name: (preset("embedded", name).learning_rate, preset("embedded", name).n_epochs) for name in METHODS}


def test_batch_sizes_that_the_estimate_assumes_are_those_of_the_presets():
    assert {preset("embedded", method).batch_size for method in METHODS} == {run_estimate.BATCH[True]}
    assert {preset("default", method).batch_size for method in METHODS} == {run_estimate.BATCH[False]}


def test_an_order_that_needs_two_epochs_is_not_started_with_one(study):
    at = open_page("unlearn", unlearn_sampling="Easy first", unlearn_epochs="1")
    assert "needs at least 2 epochs" in at.warning[0].value and next(b for b in at.button if b.label == "Start").disabled
    at.number_input(key="unlearn_epochs").set_value(2).run()
    assert not at.warning and not next(b for b in at.button if b.label == "Start").disabled


def test_a_demo_shows_the_form_and_starts_nothing(study, monkeypatch):
    monkeypatch.setenv("LETHE_DEMO", "1")
    at = open_page("unlearn")
    assert not at.exception and not any(b.label == "Start" for b in at.button)
    assert "starting runs is switched off" in texts(at) and "--method NPO" in at.code[0].value


def test_a_runs_settings_are_filled_in_again_and_the_address_then_has_them(study):
    settings = "batch_size: 4\nretain_floor: 0.85\nsampling: CGA\nsampling_args: {}\nseed: 7\n"
    write_run(study.results / "runs" / "old", study, "SimNPO", settings)
    at = open_page("unlearn", like="old")
    words = at.code[0].value.split()
    given = dict(zip(words, words[1:], strict=False))
    expected = {"--method": "SimNPO", "--learning-rate": "0.0001", "--n-epochs": "2", "--seed": "7", "--batch-size": "4",
                "--retain-floor": "0.85", "--sampling": "cga", "--preset": "embedded"}
    assert {flag: given.get(flag) for flag in expected} == expected
    assert "settings of old" in texts(at)
    at.number_input(key="unlearn_epochs").set_value(5).run()
    assert "like" not in at.query_params and "--n-epochs 5" in at.code[0].value and "--batch-size 4" in at.code[0].value


def test_settings_of_a_run_that_is_gone_are_an_error_and_leave_the_form(study):
    at = open_page("unlearn", like="gone")
    assert "cannot be filled in" in at.error[0].value and "--method NPO" in at.code[0].value and not at.exception


def test_the_arguments_of_a_job_are_read_back_as_they_were_given(study):
    options = {"learning-rate": "5e-05", "sampling": "hard-first", "lora-rank": "8"}
    request = run_form.build(study, "RMU", "mine", 3, True, options)
    expected = options | {"method": "RMU", "seed": "3", "preset": "embedded"}
    assert run_like.of_arguments(tuple(request.arguments)).items() >= expected.items()


@pytest.mark.slow
def test_a_started_job_is_in_the_address_and_another_tab_can_cancel_it(study, monkeypatch):
    at = press(open_page("unlearn"), "Start")
    assert not at.exception
    job_id = at.query_params["job"]
    wait_for_start(job_id)
    monkeypatch.setenv("LETHE_DEMO", "1")
    assert [b.label for b in open_page("unlearn", job=job_id).button if b.label in ("Cancel", "Duplicate")] == ["Duplicate"]
    monkeypatch.delenv("LETHE_DEMO")
    other = open_page("unlearn", job=job_id)
    assert "**npo-seed0**  ·  running" in texts(other)
    press(other, "Cancel")
    wait_for_state(job_id, "cancelled")
    ended = open_page("unlearn", job=job_id)
    assert "Cancelled after epoch 1, step 1 of 4" in texts(ended) and "It left no checkpoint" in texts(ended) and not ended.exception
    assert not any(button.label == "Resume" for button in ended.button)


@pytest.mark.slow
def test_a_cancelled_run_with_a_checkpoint_is_resumed_by_the_same_command_and_resume_once(study):
    at = open_page("unlearn")
    at.segmented_control(key="unlearn_method").set_value("SimNPO").run()
    ids = [press(at, "Start").query_params["job"]]
    for _ in range(2):
        wait_for_start(ids[-1])
        jobs.cancel(ids[-1])
        wait_for_state(ids[-1], "cancelled")
        ended = open_page("unlearn", job=ids[-1])
        assert "Resume goes on from its last checkpoint" in texts(ended)
        ids.append(press(ended, "Resume").query_params["job"])
    first, second, third = (jobs.status(job_id).arguments for job_id in ids)
    assert second == third == (*first, "--resume")
    jobs.cancel(ids[-1])
    wait_for_state(ids[-1], "cancelled")
    again = press(open_page("unlearn", job=ids[-1]), "Run again").query_params["job"]
    assert jobs.status(again).arguments == first


@pytest.mark.slow
def test_a_second_job_is_queued_and_a_failure_says_why(study):
    first = press(open_page("unlearn"), "Start").query_params["job"]
    at = open_page("unlearn")
    at.segmented_control(key="unlearn_method").set_value("RMU").run()
    second = press(at, "Start").query_params["job"]
    assert "Waiting for cpu, position 1" in texts(open_page("unlearn", job=second))
    jobs.cancel(first)
    wait_for_state(second, "failed")
    failed = open_page("unlearn", job=second)
    assert "Cause:" in failed.error[0].value and "RMU: layer must be 0 to 3 for this model, got 7" in texts(failed)


def test_an_unknown_job_is_said_to_be_unknown(study):
    at = open_page("unlearn", job="![x](http://a/b.png)")
    assert "cannot be shown" in at.error[0].value and not at.exception
    assert "there is no job '![x](http://a/b.png)'" in "\n".join(text.value for text in at.text)
    assert not any("b.png" in e.value for e in [*at.error, *at.markdown, *at.caption])


def test_an_unreadable_forget_set_is_an_error_not_a_traceback(study):
    study.forget.write_text("{")
    at = open_page("unlearn")
    assert "forget set cannot be read" in at.error[0].value and not at.exception


@pytest.mark.slow
def test_curves_say_which_cohorts_they_are_of(study):
    at = press(open_page("unlearn"), "Start")
    wait_for_start(at.query_params["job"])
    partial = own_folder(study, "npo-seed0.partial")
    (partial / "trajectories.csv").write_text(f"sample_id,split,epoch,nll\n{load_samples(study.forget)[0].id},forget,0,0.1\n")
    said = texts(open_page("unlearn", job=at.query_params["job"], cohort_by="MRD", cohort_percent="50"))
    assert "Hard and easy are halves by MRD rank" in said
