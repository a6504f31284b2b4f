"""The controls of a circuit on models too shallow to choose anything."""

import pytest
from streamlit.testing.v1 import AppTest

from components import state


@pytest.mark.parametrize(("said", "expected"), [("3", 3), ("99", 7), ("0", 1), ("9" * 5000, 4), ("-1", 4), ("²", 4), ("", 4)])
def test_any_address_gives_a_boundary(said, expected, monkeypatch):
    monkeypatch.setattr(state.st, "query_params", {"late_from": said})
    assert state.boundary(8) == expected


@pytest.mark.parametrize(("n_layers", "kept", "expected"), [(1, 9, 1), (2, 9, 1), (3, 9, 2), (12, 9, 9), (12, None, 6), (12, -1, 1)])
def test_the_boundary_fits_the_model(n_layers, kept, expected):
    def script(n_layers):
        import streamlit as st

        from components import circuit_panel

        st.text(circuit_panel.boundary_slider(n_layers))

    page = AppTest.from_function(script, args=(n_layers,))
    if kept is not None:
        page.session_state["late_from"] = kept
    page.run()
    assert not page.exception and page.text[0].value == str(expected)
    assert bool(page.slider) == (n_layers > 2)


def test_values_kept_from_a_larger_study_are_brought_into_range():
    def script():
        import streamlit as st

        from components import circuit_panel

        small = st.session_state.get("small")
        st.text(circuit_panel.boundary_slider(4 if small else 12))
        st.text(circuit_panel.edges_slider(30 if small else 200))

    page = AppTest.from_function(script).run()
    page.slider(key="late_from").set_value(11)
    page.slider(key="edges").set_value(150).run()
    assert [text.value for text in page.text] == ["11", "150"]
    page.session_state["small"] = True
    page.run()
    assert not page.exception and [text.value for text in page.text] == ["3", "30"]
