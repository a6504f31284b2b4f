"""Whatever stands in a file, its reader returns, or says in one line that names the file what is wrong (see benchmarks/fuzz.py)."""

import json
import os
from random import Random
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzzed_readers import READERS, damage, made, outcome, restore
from tests.mutations import STRUCTURES, damaged

QUICK = [name for name in READERS if name not in ("model", "memory estimate", "workspace", "mask of weights", "checkpoint")]
SILENT = ("validity", "progress of a job", "table of jobs", "address")  # they do without what cannot be read


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with mock.patch.dict(os.environ, LETHE_WORKSPACE=str(folder)):
        made(folder, model=False)
        yield folder


def tried(name, root, seed) -> str:
    reader = READERS[name]
    whole = {file: (root / file).read_bytes() for file in reader.files}
    damage(reader, root, whole, Random(seed))
    try:
        return outcome(reader, root)
    finally:
        restore(root, whole)


@pytest.mark.parametrize("name", QUICK)
def test_a_reader_never_fails_otherwise_than_in_one_line(name, root):
    assert outcome(READERS[name], root) == "ok"  # the control

    @settings(max_examples=12, derandomize=True, deadline=None, database=None)
    @given(st.integers(0, 2**32))
    def check(seed):
        tried(name, root, seed)

    check()
    assert outcome(READERS[name], root) == "ok"  # what was damaged is whole again


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in QUICK if name not in SILENT])
def test_damage_is_noticed(name, root):
    """Of 60 damaged files some are refused, so the damage is real."""
    assert {tried(name, root, seed) for seed in range(60)} >= {"error"}


@pytest.mark.parametrize("kind", [*STRUCTURES, "parquet"])
def test_a_case_is_made_again_from_its_number(kind):
    content = json.dumps({"a": [1, {"b": None}]}).encode()
    assert [damaged(content, kind, Random(seed)) for seed in range(20)] == [damaged(content, kind, Random(seed)) for seed in range(20)]
    assert len({damaged(content, kind, Random(seed)) for seed in range(20)}) > 10


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("set.csv: two\nlines"), ValueError("of which file?"), ValueError("")])
def test_an_unclear_error_is_a_fault(error, root, monkeypatch):
    """The judge itself."""
    def fails(_):
        raise error

    with pytest.raises((AssertionError, KeyError)):
        outcome(READERS["set, CSV"]._replace(read=fails), root)
