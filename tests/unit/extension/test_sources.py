"""Sources: paths, included files, digests."""

from __future__ import annotations

import pytest

from gradion.extension.sources import digest_of_files, included_files, source_paths
from gradion.foundation.errors import InputError


def _write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.h").write_text(text, encoding="ascii")
    return folder / f"{next(iter(texts))}.h"


def test_one_path_and_several_are_taken(tmp_path):
    path = tmp_path / "a.cc"
    path.touch()
    assert source_paths(path, where="w", argument="sources") == (path,)
    assert source_paths([str(path)], where="w", argument="sources") == (path,)


def test_a_missing_source_names_its_neighbours(tmp_path):
    (tmp_path / "kernel.cc").touch()
    with pytest.raises(InputError, match=r"no file .*kernle\.cc.* did you mean kernel\.cc"):
        source_paths(tmp_path / "kernle.cc", where="w", argument="sources")


def test_a_source_in_a_folder_that_does_not_exist_says_so(tmp_path):
    with pytest.raises(InputError, match="nor a folder"):
        source_paths(tmp_path / "none" / "a.cc", where="w", argument="sources")


def test_what_is_no_path_is_a_type_error():
    with pytest.raises(TypeError, match="got 3, expected paths"):
        source_paths([3], where="w", argument="sources")


def test_headers_are_followed_to_the_end(tmp_path):
    top = _write(tmp_path, a='#include "b.h"\n', b='  #  include "c.h" // see\n', c="int c;")
    assert [path.name for path in included_files([top], [])] == ["b.h", "c.h"]


def test_headers_that_include_each_other_end(tmp_path):
    top = _write(tmp_path, a='#include "b.h"\n', b='#include "a.h"\n')
    assert [path.name for path in included_files([top], [])] == ["b.h"]


def test_headers_in_folders_of_flags_are_found(tmp_path):
    folder = tmp_path / "include" / "mine"
    folder.mkdir(parents=True)
    _write(folder, deep="int d;")
    top = _write(tmp_path, a="#include <mine/deep.h>\n#include <vector>\n")
    assert included_files([top], [tmp_path / "include"]) == (folder / "deep.h",)


def test_a_header_in_angle_brackets_is_not_looked_for_beside_the_file(tmp_path):
    top = _write(tmp_path, a="#include <b.h>\n", b="int b;")
    assert included_files([top], []) == ()


def test_the_digest_sees_contents_and_not_folders(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = digest_of_files([_write(one, a="int a;")])
    assert digest_of_files([_write(two, a="int a;")]) == first
    assert digest_of_files([_write(two, a="int b;")]) != first


def test_the_digest_sees_where_one_file_ends(tmp_path):
    _write(tmp_path, a="xy", b="z")
    first = digest_of_files([tmp_path / "a.h", tmp_path / "b.h"])
    _write(tmp_path, a="x", b="yz")
    assert digest_of_files([tmp_path / "a.h", tmp_path / "b.h"]) != first
