"""The circuit explorer on a made-up study: choosing, moving the boundary, filtering, and saying what is missing."""


def metric(page, label: str) -> str:
    return next(m.value for m in page.metric if m.label == label)


def test_without_results_it_says_what_to_run(made_up_study, open_page):
    page = open_page("circuits")
    assert not page.exception and "Not computed yet" in page.info[0].value
    assert "analysis circuits --model nowhere" in page.code[0].value


def test_the_boundary_of_a_deeper_study_is_brought_into_range(scored_study, open_page):
    page = open_page("circuits", late_from="11", edges="900")
    assert not page.exception
    assert 1 <= page.slider(key="late_from").value <= 3 and page.slider(key="edges").value <= page.slider(key="edges").max


def test_it_opens_on_the_hardest_sample_in_words(scored_study, open_page):
    page = open_page("circuits")
    assert not page.exception
    assert page.selectbox(key="sample_choice").value == "sample23"
    assert any("CUD: hardest 1 of 24" in caption.value for caption in page.caption)


def test_answers_are_shown_as_text_never_as_markup(scored_study, open_page):
    page = open_page("circuits", sample="sample03")
    assert "<b>Answer</b> 3" in [text.value for text in page.text]
    assert not any("<b>" in element.value for element in page.markdown)


def test_a_choice_goes_to_the_address(scored_study, open_page):
    page = open_page("circuits")
    page.selectbox(key="sample_choice").set_value("sample05").run()
    assert page.query_params["sample"] in ("sample05", ["sample05"])
    assert any("easiest 6 of 24" in caption.value for caption in page.caption)


def test_an_unknown_sample_in_the_address_falls_back(scored_study, open_page):
    page = open_page("circuits", sample="nobody")
    assert not page.exception and page.selectbox(key="sample_choice").value == "sample23"


def test_moving_the_boundary_moves_shares_and_table_together(scored_study, open_page):
    page = open_page("circuits", sample="sample10")
    shares = {}
    for boundary in (1, 2, 3):
        page.slider(key="late_from").set_value(boundary).run()
        table = page.dataframe[0].value
        late = table.loc[table["side"] == "late", "share"].sum()
        assert metric(page, "Late share") == f"{late:.0%}"
        shares[boundary] = late
    assert shares[1] > shares[2] > shares[3]


def test_the_edge_budget_limits_the_table(scored_study, open_page):
    page = open_page("circuits")
    page.slider(key="edges").set_value(10).run()
    table = page.dataframe[0].value
    assert 0 < len(table) <= 10 and metric(page, "Edges") == str(len(table))
    assert table["share"].is_monotonic_decreasing


def test_filters_hide_edges_and_leave_the_readouts(scored_study, open_page):
    page = open_page("circuits")
    before = metric(page, "Edges"), metric(page, "Late share")
    page.segmented_control(key="edge_sign").set_value("suppresses").run()
    assert (page.dataframe[0].value["score"] < 0).all()
    assert (metric(page, "Edges"), metric(page, "Late share")) == before


def test_a_selected_node_lists_its_own_edges(scored_study, open_page):
    page = open_page("circuits")
    page.session_state["carried_node"] = "logits"
    page.run()
    assert all("->logits" in edge for edge in page.dataframe[0].value["edge"])
    page.session_state["carried_node"] = "a99.h0"  # of another model
    page.run()
    assert not page.exception and len(page.dataframe[0].value) > 1
