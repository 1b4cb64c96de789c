"""Files that are refused, each in one line that names the file, what is wrong and how to mend."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.errors import InputError
from gradion.graph import capture
from gradion.graph.definition import GraphDef, Limits, from_bytes, load, to_bytes
from gradion.graph.definition.archive import pack
from gradion.graph.definition.manifest import Part


@pytest.fixture(scope="module")
def whole():
    def function(x, i):
        y = x.at[i].add(1.5)[::2] - jnp.arange(2.0)
        return jnp.split(y.reshape(2, 1), 2), x.astype(jnp.float32)

    graph = capture(function, np.arange(4.0), np.array([1, 9], np.int32))
    return to_bytes(GraphDef.of(graph))


def _parts(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _changed(content, change):
    """The file with graph.json changed by a function of its JSON, and right sums."""
    parts = _parts(content)
    manifest, text = json.loads(parts.pop("manifest.json")), json.loads(parts["graph.json"])
    change(text)
    parts["graph.json"] = json.dumps(text).encode()
    part = Part.of(parts["graph.json"])
    manifest["parts"]["graph.json"] = {"bytes": part.n_bytes, "sha256": part.sha256}
    return pack({"manifest.json": json.dumps(manifest).encode(), **parts})


def _operation(text, kind):
    return next(o for o in text["graph"]["operations"] if o["kind"] == kind)


def _refused(content, match, **limits):
    with pytest.raises(InputError, match=match) as error:
        from_bytes(content, limits=Limits(**limits))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.gradion: no such file"):
        load(tmp_path / "gone.gradion")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_the_path_is_in_the_message(tmp_path, whole):
    path = tmp_path / "cut.gradion"
    path.write_bytes(whole[:-10])
    with pytest.raises(InputError, match=r"cut\.gradion: is no zip, or is cut off; .*get it again"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100, b'{"graph": 1}' * 9])
def test_what_is_no_zip_is_refused(content):
    _refused(content, "is no zip")


def test_every_cut_is_refused(whole):
    for end in range(0, len(whole), 37):
        _refused(whole[:end], "is no zip")
    _refused(whole + b"\0", "is no zip")
    _refused(b"#!/bin/sh\n" + whole, "is no zip")
    _refused(whole[:4] + b"\0" + whole[4:], "between its parts")


def test_a_changed_part_has_another_checksum(whole):
    parts = _parts(whole)
    parts["constants.safetensors"] = parts["constants.safetensors"][:-1] + b"\x07"
    _refused(pack(parts), "constants.safetensors has another checksum")
    parts["constants.safetensors"] += b"\x07"
    _refused(pack(parts), "constants.safetensors has .* bytes, not")


@pytest.mark.parametrize("name", ["graph.json", "constants.safetensors", "manifest.json"])
def test_a_missing_part_is_named(name, whole):
    parts = _parts(whole)
    del parts[name]
    _refused(pack(parts), name)


def test_a_part_that_no_manifest_names_is_refused(whole):
    _refused(pack({**_parts(whole), "extra.bin": b"1"}), "extra.bin is not in the manifest")


@pytest.mark.parametrize(
    "name", ["../graph.json", "/graph.json", "a/b.json", "GRAPH.json", "x" * 99]
)
def test_a_member_that_is_a_path_is_refused(name, whole):
    _refused(pack({**_parts(whole), name: b"1"}), "expected the plain name")


def test_a_member_that_is_there_twice_is_refused(whole):
    buffer = io.BytesIO(whole)
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("graph.json", b"{}")
    _refused(buffer.getvalue(), r"graph\.json is there twice")


def test_many_members_are_refused():
    _refused(pack({f"a{i}.bin": b"" for i in range(33)}), "33 members, at most 32")


def test_a_bomb_is_refused_before_it_is_unpacked(whole):
    """17 MB of blanks are 17 kB in the file."""
    parts = _parts(whole)
    parts["graph.json"] = b" " * (17 * 2**20)
    content = pack(parts)
    assert len(content) < 40_000
    _refused(content, "graph.json has 17825792 bytes")
    parts = _parts(whole)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    _refused(buffer.getvalue(), "constants.safetensors is compressed")


def test_a_size_that_lies_is_refused(whole):
    """The directory says that a member is larger than it is."""
    place = whole.index(b"PK\x01\x02")
    size = struct.unpack_from("<L", whole, place + 24)[0]
    content = bytearray(whole)
    struct.pack_into("<L", content, place + 24, size + 1)
    _refused(bytes(content), r"manifest\.json")


def test_limits_are_of_the_caller(whole):
    _refused(whole, "has .* bytes, at most 100", file_bytes=100)
    _refused(whole, "graph.json has .* bytes unpacked", text_bytes=1000)
    _refused(whole, "has more than 16 bytes; give Limits", tensor_bytes=16)


@pytest.mark.parametrize(
    ("version", "match"),
    [([2, 0], "format version 2.0.*update gradion"), ([0, 9], "0.9.*save it again")],
)
def test_another_major_version_is_refused(version, match, whole):
    parts = _parts(whole)
    manifest = json.loads(parts["manifest.json"])
    manifest["version"] = version
    manifest["something"] = "new"
    _refused(pack({**parts, "manifest.json": json.dumps(manifest).encode()}), match)


def test_a_newer_minor_version_is_read_if_its_kinds_are_known(whole):
    parts = _parts(whole)
    manifest = json.loads(parts["manifest.json"])
    manifest["something"] = "new"
    known = pack({**parts, "manifest.json": json.dumps(manifest).encode()})
    _refused(known, "unknown entry 'something'")
    manifest["version"] = [1, 7]
    newer = pack({**parts, "manifest.json": json.dumps(manifest).encode()})
    assert len(from_bytes(newer).graph) == len(from_bytes(whole).graph)
    unknown = _changed(newer, lambda text: _operation(text, "reshape").update(kind="fold"))
    _refused(unknown, r"operation 'reshape_1': the kind 'fold' is not known; .*update gradion")


def test_an_operator_that_is_not_installed_is_named(whole):
    parts = _parts(whole)
    manifest = json.loads(parts["manifest.json"])
    manifest["operators"] = {"spin": "some.package"}
    content = pack({**parts, "manifest.json": json.dumps(manifest).encode()})
    _refused(content, r"needs the operator 'spin' of some\.package, .*import the package")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"\xff{}", "no JSON: Unicode"),
        (b"[" * 100_000, "no JSON: RecursionError"),
        (b'{"graph": NaN}', "NaN is no JSON number"),
        (b'{"graph": 1, "graph": 2}', "stands twice"),
        (b"9" * 5000, "no JSON: ValueError"),
        (b"[]", "expected an object, got an array"),
        (b'{"graph": {}}', "has no 'signatures'"),
    ],
)
def test_what_is_no_json_is_refused(text, match, whole):
    parts = {**_parts(whole), "graph.json": text}
    manifest = json.loads(parts["manifest.json"])
    part = Part.of(text)
    manifest["parts"]["graph.json"] = {"bytes": part.n_bytes, "sha256": part.sha256}
    _refused(pack({**parts, "manifest.json": json.dumps(manifest).encode()}), match)


def _nested(text, depth):
    graph = {"operations": [], "inputs": [], "outputs": []}
    for _ in range(depth):
        inner = {"kind": "cond", "name": "c", "subgraphs": [graph]}
        graph = {"operations": [inner], "inputs": [], "outputs": []}
    text["graph"]["operations"].append(graph["operations"][0])


# What is done to the first operation of a kind, and what is said.
_CHANGES = {
    "unknown_input": ("sub", {"inputs": ["gone:0", "iota_1:0"]}, "no operation 'gone'"),
    "later_input": ("scatter_add", {"inputs": ["sub_1:0"] * 3}, "no operation 'sub_1' before"),
    "itself": ("sub", {"inputs": ["sub_1:0", "sub_1:0"]}, "no operation 'sub_1' before"),
    "no_such_result": ("reshape", {"inputs": ["sub_1:1"]}, "no tensor 'sub_1:1'"),
    "negative_result": ("reshape", {"inputs": ["sub_1:-1"]}, "no tensor 'sub_1:-1'"),
    "odd_digits": ("reshape", {"inputs": ["sub_1:00"]}, "no tensor 'sub_1:00'"),
    "a_number": ("reshape", {"inputs": [0]}, "expected a text, got an integer"),
    "two_names": ("reshape", {"name": "sub_1"}, "two operations 'sub_1'"),
    "no_name": ("reshape", {"name": ""}, "expected a name"),
    "a_colon": ("reshape", {"name": "a:0"}, "without ':'"),
    "two_lines": ("reshape", {"name": "a\nb"}, "expected a name on one line"),
    "hidden_line": ("reshape", {"scope": "a\\"}, "expected a name on one line"),
    "half_a_letter": ("reshape", {"name": "\ud800"}, "no text in UTF-8"),
    "arity": ("sub", {"inputs": ["iota_1:0"]}, "has 1 inputs, expected 2"),
    "no_result": ("sub", {"types": []}, "has 0 outputs, expected 1"),
    "no_input_result": ("placeholder", {"types": []}, "has 0 outputs, expected 1"),
    "dtype": ("sub", {"types": [["float32", [2]]]}, r"is said to be float32\[2\].*float64\[2\]"),
    "shape": ("sub", {"types": [["float64", [3]]]}, r"is said to be float64\[3\].*float64\[2\]"),
    "no_dtype": ("sub", {"types": [["object", [2]]]}, "expected one of bool,"),
    "negative": ("sub", {"types": [["float64", [-2]]]}, "integer from 0"),
    "overflow": ("sub", {"types": [["float64", [2**33, 2**33]]]}, "more than .* bytes"),
    "empty_and_huge": ("sub", {"types": [["float64", [0, 2**34, 9]]]}, "more than .* bytes"),
    "truth_size": ("sub", {"types": [["float64", [True]]]}, "expected an integer, got True"),
    "no_unknown": ("sub", {"types": [["float64", ["n"]]]}, "no input has it"),
    "long_size": ("sub", {"types": [["float64", ["n" * 300]]]}, "300 characters"),
    "power_of_power": ("sub", {"types": [["float64", ["(n^9)^9"]]]}, "power of more than a name"),
    "code_as_size": ("sub", {"types": [["float64", ["print(n)"]]]}, "no expression of sizes"),
    "no_attribute": ("reshape", {"attributes": {}}, "'new_sizes' is missing"),
    "attribute": ("sub", {"attributes": {"axis": 0}}, "sub has no attribute 'axis'"),
    "sizes": ("reshape", {"attributes": {"new_sizes": [-1]}}, "expected sizes"),
    "text_sizes": ("reshape", {"attributes": {"new_sizes": ["2"]}}, "expected sizes"),
    "axis": ("split", {"attributes": {"sizes": [1, 1], "axis": -1}}, "expected an axis"),
    "pieces": ("split", {"attributes": {"sizes": [2], "axis": 0}}, "another number of outputs"),
    "new_dtype": ("convert_element_type", {"attributes": {"new_dtype": "int4"}}, "name of a dtype"),
    "no_mode": ("scatter_add", {"attributes": {"mode": "CLIP"}}, "'dimension_numbers' is missing"),
    "subgraphs": (
        "sub",
        {"subgraphs": [{"operations": [], "inputs": [], "outputs": []}]},
        "sub has no subgraphs",
    ),
    "value": ("sub", {"value": "0"}, "a constant has a value"),
    "no_constant": ("constant", {"value": "99"}, "no constant '99'"),
    "constant_type": ("constant", {"types": [["int64", [7]]]}, "another dtype or shape"),
    "source": ("sub", {"source": ["file.py", -1]}, "integer from 0"),
    "no_path": ("sub", {"source": ["a\nb", 1]}, "expected a name on one line"),
    "unknown_entry": ("sub", {"device": "cpu"}, "unknown entry 'device'"),
    "after_itself": ("sub", {"after": ["sub_1"]}, "no operation 'sub_1' before it"),
    "no_variable": (
        "iota",
        {"kind": "read_variable", "attributes": {"variable": "v"}},
        "no variable",
    ),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_an_operation_that_makes_no_sense_is_named(name, whole):
    kind, change, match = _CHANGES[name]
    _refused(_changed(whole, lambda text: _operation(text, kind).update(change)), match)


def test_outputs_and_inputs_have_to_be_there(whole):
    def change(key, value):
        return _changed(whole, lambda text: text["graph"].update({key: value}))

    _refused(change("outputs", ["gone:0"]), "no operation 'gone'")
    _refused(change("inputs", ["x"]), "the inputs of a graph are its placeholders")
    _refused(change("inputs", ["x", "x"]), "the inputs of a graph are its placeholders")
    _refused(change("operations", {}), "expected an array, got an object")


def test_deep_subgraphs_are_refused(whole):
    _refused(_changed(whole, lambda text: _nested(text, 40)), "more than 32 deep")


def test_a_signature_has_to_fit_the_graph(whole):
    def change(key, value):
        return _changed(whole, lambda text: text["signatures"]["default"].update({key: value}))

    _refused(change("inputs", [["x", "gone:0"], ["i", "i:0"]]), "no tensor 'gone:0'")
    _refused(change("inputs", [["x", "x:0"], ["i", "x:0"]]), "feeds one tensor twice")
    _refused(change("inputs", [["x", "x:0"]]), "got 1 names, the tree has 2 leaves")
    _refused(change("arguments", "leaf"), "the arguments of a call are a tuple")
    _refused(change("arguments", {"spiral": []}), "'spiral' is no kind of a node")
    deep = "leaf"
    for _ in range(40):
        deep = {"tuple": [deep]}
    _refused(change("result", deep), "nested more than 32 deep")


def test_truth_values_are_0_or_1():
    graph = capture(lambda b: b & jnp.array([True, False]), np.array([True, True]))
    parts = _parts(to_bytes(GraphDef.of(graph)))
    manifest = json.loads(parts.pop("manifest.json"))
    parts["constants.safetensors"] = parts["constants.safetensors"][:-2] + b"\x02\x00"
    part = Part.of(parts["constants.safetensors"])
    manifest["parts"]["constants.safetensors"] = {"bytes": part.n_bytes, "sha256": part.sha256}
    content = pack({"manifest.json": json.dumps(manifest).encode(), **parts})
    _refused(content, "truth values that are not 0 or 1")


def test_a_value_that_no_variable_holds_is_refused():
    graph = capture(lambda w, x: w * x, np.ones(2), np.ones(2))
    definition = GraphDef.of(graph, held={0: np.ones(2)})
    with pytest.raises(InputError, match="unknown variable 'v'"):
        GraphDef(definition.graph, {"v": np.ones(2)})
    with pytest.raises(InputError, match=r"holds float64\[2\], got float32\[2\]"):
        GraphDef(definition.graph, {"w": np.ones(2, np.float32)})
