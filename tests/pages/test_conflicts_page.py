"""The Conflict map page: the map, one node's reasons and clauses, what was proven, masks handed over, and maps to be computed."""

import subprocess
import sys
from dataclasses import replace

import pytest
import streamlit as st
from typer.testing import CliRunner

from analysis import jobs, store, studies
from analysis.__main__ import app
from analysis.dataset import read_samples, samples_hash
from components import conflict_form, conflict_masks, conflict_plot, conflict_rows, layout, overview, run_options
from tests.pages.conflict_fixture import made_map, write_map
from tests.pages.test_own_pages import markup, words


@pytest.fixture
def mapped_study(made_up_study) -> studies.Study:
    write_map(made_up_study.results / "conflicts")
    return made_up_study


@pytest.fixture
def links(monkeypatch, open_page):
    """The query parameters that links to each page carry."""
    carried: dict[str, dict] = {}
    monkeypatch.setattr(st, "page_link", lambda page, *, label, query_params: carried.__setitem__(page, query_params))
    return carried


@pytest.fixture
def patient(monkeypatch):
    """Jobs wait until the test ends."""
    monkeypatch.setattr(jobs, "COMMAND", [sys.executable, "-c", "import time; time.sleep(60)"])
    yield
    for job in jobs.jobs():
        if job.active:
            jobs.cancel(job.id)


def names_by_look(figure) -> dict[str, list[str]]:
    return {trace.name: list(trace.customdata) for trace in figure.data if trace.customdata is not None}


def test_every_node_stands_once_on_the_map_by_what_is_known_of_it():
    found = made_map()
    looks = names_by_look(conflict_plot.map_figure(found, "m3", {}))
    assert looks == {
        "conflict (1)": ["m3"], "conflict, varies (1)": ["m2"], "forget (1)": ["a2.h1"], "free (forget) (1)": ["a1.h0"],
        "free (retain) (1)": ["a1.h1"], "retain (2)": ["m1", "a3.h0"], "in no circuit (5)": ["a0.h0", "a0.h1", "m0", "a2.h0", "a3.h1"],
    }
    shapes = [(symbol, colour) for symbol, _, colour in conflict_plot.LOOKS.values()]
    assert len({symbol for symbol, _ in shapes if symbol != "circle"}) == 5, "colour never tells labels apart alone"
    sizes = {name: size for name, (_, size, _) in conflict_plot.LOOKS.items()}
    assert all(sizes["conflict"] > size for name, size in sizes.items() if "conflict" not in name)


def test_marks_of_a_large_model_do_not_touch_each_other():
    head = made_map().nodes["a2.h1"]
    wide = made_map(nodes={f"a{layer}.h{n}": replace(head, layer=layer) for layer in range(32) for n in range(32)})
    figure = conflict_plot.map_figure(wide, "a0.h0", dict.fromkeys(wide.nodes, "stage 1"))
    lane = (figure.layout.height - 120) / 33.25
    assert all(trace.marker.size <= min(lane, conflict_plot.WIDTH / 32) for trace in figure.data)


def test_the_page_counts_labels_and_says_what_was_proven(mapped_study, open_page):
    page = open_page("conflicts")
    assert not page.exception and [m.value for m in page.metric] == ["1 of 12", "7 of 12", "2 of 12", "2 of 12"]
    assert "no way of forgetting and keeping has fewer than 2 conflicts" in words(page) and "0.25 s, 31 variables" in words(page)
    assert "1 of them in every optimum" in words(page) and "in the masks: 1 forget, 1 retain" in words(page)
    layers = conflict_rows.layers(made_map())
    assert layers.loc[3].to_dict() == {"forget": 0, "retain": 2, "conflict": 1, "free": 0} and layers.sum().sum() == 12


@pytest.mark.parametrize(("status", "at_least", "said"), [
    ("timeout", 1, "Not proven: between 1 and 2 conflicts"),
    ("optimal, backbone incomplete", 2, "Not proven: which nodes are the same in every optimum"),
])
def test_what_was_not_proven_is_said_plainly(made_up_study, open_page, status, at_least, said):
    write_map(made_up_study.results / "conflicts", made_map(status=status, at_least=at_least))
    page = open_page("conflicts")
    assert not page.exception and said in page.warning[0].value.replace("\\", "")


def test_a_map_that_says_little_says_so(made_up_study, open_page):
    found = made_map()
    everything = {name: replace(node, label="conflict", assigned="conflict") for name, node in found.nodes.items()}
    reached = tuple(replace(circuit, reached=True) for circuit in found.circuits)
    write_map(made_up_study.results / "conflicts", replace(found, nodes=everything, n_conflicts=12, at_least=12, circuits=reached))
    page = open_page("conflicts")
    assert not page.exception and len(page.warning) == 1 and "Every head and MLP is in conflict" in page.warning[0].value
    assert "with a lower target" in page.warning[0].value and page.number_input(key="conflict_target").min < 0.1
    kept = {name: replace(node, label="retain", assigned="retain") for name, node in found.nodes.items()}
    write_map(made_up_study.results / "conflicts", replace(found, nodes=kept, n_conflicts=0, at_least=0, circuits=reached))
    page = open_page("conflicts")
    assert not page.exception and "no forget and no conflict node," in page.warning[0].value
    assert "no node is in conflict" in words(page) and "fewer than 0" not in words(page)
    write_map(made_up_study.results / "conflicts")
    assert [warning.value for warning in open_page("conflicts").warning] == [
        "The circuits of retain set did not reach the target, so their gates may be wrong."
    ]


def test_a_node_shows_its_reasons_and_its_clauses_as_text(mapped_study, open_page):
    page = open_page("conflicts", node="m3")
    said = words(page).replace("\\", "")
    assert "m3 must be kept because <b>logits</b> needs it." in [text.value for text in page.text]
    assert "**conflict**" in said and "The same in every optimum" in said and "400 parameters (8.00% of the model)" in said
    assert [line for line in said.splitlines() if line.startswith("- ")] == [
        "- m3 = any of a2.h1, m2 (OR, forget set)", "- m3 = m2 (ADDER, retain set)",
        "- logits = m3 (ADDER, forget set)", "- logits = all of a3.h0, m3 (AND, retain set)",
    ]
    assert "<b>" not in markup(page)


def test_an_adder_of_several_inputs_is_read_by_its_side():
    gate = made_map().forget.gates[0].__class__("m3", "ADDER", ("m1", "m2"))
    assert conflict_rows.clause(gate, "forget", "forget set") == "m3 = any of m1, m2 (ADDER, forget set)"
    assert conflict_rows.clause(gate, "retain", "retain set 2") == "m3 = all of m1, m2 (ADDER, retain set 2)"


def test_choosing_a_node_puts_it_into_the_address(mapped_study, open_page):
    page = open_page("conflicts")
    assert page.selectbox(key="conflict_node").value == "m3", "at first a conflict of every optimum"
    page.selectbox(key="conflict_node").set_value("a1.h0").run()
    assert page.query_params["node"] in ("a1.h0", ["a1.h0"]) and "masks take it as forget" in words(page)
    assert "is in no circuit" in words(open_page("conflicts", node="a0.h1"))


@pytest.mark.slow
def test_tables_say_how_circuits_were_found_and_what_masks_change(mapped_study, open_page):
    tabs = ("The map as a table", "Masks", "Circuits it is read off")
    nodes, masks, circuits = (open_page("conflicts", conflict_show=tab).dataframe[0].value for tab in tabs)
    assert nodes["node"].tolist()[:4] == ["m2", "m3", "a1.h0", "a1.h1"] and len(nodes) == 12
    assert circuits["file"].tolist() == ["forget.jsonl", "<b>retain</b>.jsonl"] and circuits["reached"].tolist() == ["yes", "no"]
    assert circuits[["AND", "OR", "ADDER"]].to_numpy().tolist() == [[0, 1, 2], [2, 0, 1]]
    clue = masks.set_index("mask").loc["CLUE"]
    assert (clue["stage1"], clue["stage2"], clue["touched"], clue["share"]) == (200, 800, 1000, 20.0)


def test_what_ifs_are_those_that_there_are():
    from analysis.what_if import WHAT_IFS

    assert tuple(run_options.WHAT_IFS) == tuple(WHAT_IFS)


def test_a_what_if_shows_the_nodes_that_it_trains():
    found = made_map()
    assert conflict_masks.opened(found, "clue") == {"a1.h0": "stage 1", "a2.h1": "stage 1", "m2": "stage 2", "m3": "stage 2"}
    assert conflict_masks.opened(found, "conflict-only") == {"m2": "all epochs", "m3": "all epochs"}
    everything = conflict_masks.opened(found, "conflict-as-everything")
    assert set(everything) == set(found.nodes) and everything["a1.h0"] == "stages 1 and 2" and everything["m0"] == "stage 2"
    assert not conflict_masks.opened(found, "random") and not conflict_masks.opened(found, None)
    shaded = conflict_plot.map_figure(found, "m3", conflict_masks.opened(found, "clue")).data[:2]
    assert {trace.name: len(trace.x) for trace in shaded} == {"stage 1 (2)": 2, "stage 2 (2)": 2}
    said = conflict_masks.training(found, "m2")
    assert said == ("Masks that would train it: CLUE (stage 2), conflict nodes only (all epochs), "
                    "forget nodes, then everything (stage 2).")
    assert "No mask that is made of labels" in conflict_masks.training(made_map(masks={"clue": found.masks["clue"]}), "m0")


def test_the_map_in_a_sentence():
    found = made_map()
    assert conflict_rows.takeaway(found) == (
        "**Forgetting and keeping clash in 2 of 12 nodes.** Only 2 nodes with 4.0% of the parameters can change for forgetting without "
        "touching what must be kept, as far as these circuits tell, which explain 71% to 93% of the answers."
    )
    unknown = tuple(replace(circuit, faithfulness=float("nan")) for circuit in found.circuits)
    assert conflict_rows.takeaway(replace(found, circuits=unknown)).endswith("as far as these circuits tell.")
    assert conflict_rows.depth(found, 2) == (
        "In conflict are **0 of 6** nodes of the early layers (0 to 1) and **2 of 6** of the late ones; 0 early and 1 late ones are "
        "only to be forgotten."
    )
    none = {name: replace(node, label="retain", assigned="retain") for name, node in found.nodes.items()}
    assert "do not clash in any of 12 nodes" in conflict_rows.takeaway(replace(found, nodes=none))
    unsure = conflict_rows.takeaway(replace(found, status="timeout"))
    assert unsure.endswith("This is the best map found, not one that is proven.")


def test_masks_have_the_same_words_where_they_are_chosen_listed_and_compared():
    from components import masks_plot

    assert all(conflict_masks.label(name) == masks_plot.ARMS[name][0] for name in run_options.WHAT_IFS)


def test_the_demo_computes_no_map(mapped_study, open_page, monkeypatch):
    assert open_page("conflicts").button(key="conflict_compute")
    monkeypatch.setenv("LETHE_DEMO", "1")
    page = open_page("conflicts")
    assert not page.exception and "computing a conflict map is switched off" in words(page)
    assert not [button for button in page.button if button.key == "conflict_compute"]


def test_use_in_a_run_hands_the_mask_to_the_unlearn_page(mapped_study, open_page, links):
    page = open_page("conflicts", what_if="forget-only")
    assert not page.exception and "It may change 200 parameters, 4.0% of the model" in words(page)
    assert links[layout.PAGES["Unlearn"]] == {"study": "made", "weights": "conflict map: forget nodes only"}
    page = open_page("unlearn", **links[layout.PAGES["Unlearn"]])
    assert page.selectbox(key="weights").value == "conflict map: forget nodes only"
    assert "**Under a mask** (forget nodes only)" in words(page), "beside Start, as the field may be out of sight"
    assert f"--mask {mapped_study.results / 'conflicts'} --what-if forget-only" in page.code[0].value


def test_a_mask_that_changes_nothing_starts_no_run(made_up_study, open_page, links):
    nothing = dict.fromkeys(("stage1", "stage2", "touched"), 0)
    write_map(made_up_study.results / "conflicts", made_map(masks={"clue": nothing}))
    page = open_page("conflicts", what_if="clue")
    assert not page.exception and "It changes nothing" in words(page)
    assert "weights" not in links.get(layout.PAGES["Unlearn"], {})


def test_without_a_map_the_page_starts_its_computation(made_up_study, open_page, patient):
    page = open_page("conflicts")
    assert "Not computed yet: the conflict map of this study." in page.info[0].value
    page.selectbox(key="conflict_discovery").set_value("edge-pruning")
    page.number_input(key="conflict_target").set_value(0.8).run()
    page.button(key="conflict_compute").click().run()
    assert not page.exception and page.button(key="conflict_compute").disabled
    job, = jobs.jobs()
    assert job.kind == "conflicts" and job.output == made_up_study.results / "conflicts" and job.command == page.code[0].value
    assert "--discovery edge-pruning --ablation mean --target 0.8 --n-samples 32 --output" in job.command
    assert "Conflict map of made" in [button.label for button in page.button]
    page.button(key=f"conflict_cancel_{job.id}").click().run()
    assert not page.exception


def test_the_command_line_understands_what_the_form_asks(made_up_study):
    arguments = conflict_form.command(made_up_study, "greedy", "zero", 0.85, 8)
    made_up_study.forget.unlink()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and "no such file" in result.output


def test_computing_again_offers_the_settings_of_the_map_that_is_shown(made_up_study, open_page):
    write_map(made_up_study.results / "conflicts", made_map(config={"method": "greedy", "ablation": "patching", "target": 0.3}))
    assert "--ablation patching --target 0.3 --n-samples 32" in "\n".join(code.value for code in open_page("conflicts").code)
    assert conflict_form.settings_of(None) == conflict_form.SETTINGS
    odd = {"method": ["greedy"], "ablation": ["zero"], "target": float("nan"), "n_samples": 10**9}
    assert conflict_form.settings_of(made_map(config=odd)) == conflict_form.SETTINGS, "what cannot be offered is not"


@pytest.mark.parametrize("content", ["not json <b>", "{}", '{"status": 1}'])
def test_a_damaged_map_is_said_to_be_damaged_and_can_be_computed_again(mapped_study, open_page, content):
    (mapped_study.results / "conflicts" / "conflicts.json").write_text(content)
    page = open_page("conflicts")
    assert not page.exception and page.error[0].value == "The conflict map is not shown."
    assert any("conflicts.json" in text.value for text in page.text) and page.button(key="conflict_compute").label == "Compute again"


def test_a_map_of_the_embedded_study_is_computed_into_the_workspace(made_up_study, open_page, monkeypatch, tmp_path):
    monkeypatch.setattr(store, "DATA", tmp_path / "data")
    study = studies.embedded()
    own = store.workspace() / "conflicts" / "embedded"
    assert open_page("conflicts", study="embedded").code[0].value.endswith(f"--output {own}")
    write_map(study.results / "conflicts")
    write_map(own, made_map(n_parameters=10_000))
    page = open_page("conflicts", study="embedded", what_if="clue")
    assert "20.0% of the model" in words(page)
    page.segmented_control(key="map").set_value("own").run()
    assert not page.exception and "10.0% of the model" in words(page)


def test_a_map_of_other_data_is_not_shown(made_up_study, open_page):
    samples = read_samples(made_up_study.forget)[0]
    for known, shown in ((samples, True), (samples[::-1], False)):
        about = {"data": {"forget": {"n": len(known), "hash": samples_hash(known)}}}
        write_map(made_up_study.results / "conflicts", made_map(provenance={"fingerprint": "f" * 64} | about))
        assert (overview.collect(made_up_study).conflicts == "2 of 12 nodes") is shown
    page = open_page("conflicts")
    assert not page.exception and page.error[0].value == "The conflict map is not shown."
    assert "the forget set has changed since" in words(page) and page.button(key="conflict_compute").label == "Compute again"


def test_the_overview_counts_conflicts(made_up_study):
    assert overview.collect(made_up_study).conflicts == "not computed"
    write_map(made_up_study.results / "conflicts")
    assert overview.collect(made_up_study).conflicts == "2 of 12 nodes"
    (made_up_study.results / "conflicts" / "conflicts.json").write_text("damaged, and longer than it was")
    assert overview.collect(made_up_study).conflicts == "not shown"


@pytest.mark.slow
def test_the_page_opens_without_torch_and_without_the_solver():
    files = "conflict_form, conflict_masks, conflict_panel, conflict_source, conflict_tables, masks_panel"
    code = f"import sys; from components import {files}; print([name for name in ('torch', 'pysat') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=store.PROJECT, capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "[]", result.stderr
