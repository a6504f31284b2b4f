"""Objects of JSON and YAML files, and what is refused, by one line that names the file."""

import pytest

from analysis.plain_files import json_object, yaml_object


def test_objects_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, null, "\\u00e9"]}', encoding="utf-8")
    (tmp_path / "a.yaml").write_text("method: NPO\nseed: 0\n")
    (tmp_path / "b.yaml").write_text("")
    assert json_object(tmp_path / "a.json") == {"a": [1, None, "é"]}
    assert yaml_object(tmp_path / "a.yaml") == {"method": "NPO", "seed": 0}
    assert yaml_object(tmp_path / "b.yaml") == {}


@pytest.mark.parametrize(("content", "said"), [
    (b"[1]", "got list"), (b"{", "Expecting"), (b"\xff", "utf-8"), (b"[" * 100_000, "recursion"), (b'{"a": "\\ud800"}', "surrogates"),
    (b"", "Expecting value"), (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
])
def test_a_file_without_a_json_object_is_named(content, said, tmp_path):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s)^{tmp_path}/x.json: expected a.* object[^\n]*{said}[^\n]*$"):
        json_object(tmp_path / "x.json")


BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(("content", "said"), [
    (BOMB, "anchor"), ("a: !!python/object/apply:os.system [x]\n", "tag"), ("- a\n", "got list"), ("a: [\n", "while parsing"),
    ("a: " + "[" * 50_000, "20 deep"), ("a: 2026-13-45\n", "month"), ('a: "\\ud800"\n', "."), ("? [a]\n: b\n", "."),
])
def test_a_file_without_a_plain_yaml_object_is_named(content, said, tmp_path):
    (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(ValueError, match=f"^{tmp_path}/x.yaml: expected a[^\n]*{said}[^\n]*$"):
        yaml_object(tmp_path / "x.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read in (json_object, yaml_object):
        with pytest.raises(ValueError, match=f"^{tmp_path}/none: expected"):
            read(tmp_path / "none")
