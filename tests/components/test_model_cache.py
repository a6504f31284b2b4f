"""A model that cannot be loaded is not asked for at every touch of a slider; one that can is loaded once."""

import pytest

from analysis import model
from components import cached


def test_a_failure_is_kept_for_a_while_and_a_model_for_good(monkeypatch):
    asked = []

    def load(name):
        asked.append(name)
        if name == "nowhere":
            raise model.ModelError("nowhere: out of reach")
        return object()

    monkeypatch.setattr(model, "load_model", load)
    for cache in (cached._why_not, cached._model):
        cache.clear()
    for _ in range(3):
        with pytest.raises(ValueError, match="nowhere: out of reach"):
            cached.model("nowhere")
    assert asked == ["nowhere"]
    assert cached.model("here") is cached.model("here") and asked == ["nowhere", "here"]
    for cache in (cached._why_not, cached._model):
        cache.clear()  # what is made up here is no model for other tests
