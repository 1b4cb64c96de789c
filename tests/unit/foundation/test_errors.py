"""Errors in one line, and near names."""

import pickle

import pytest

from gradion.foundation.errors import InputError, near_names, unknown_name


@pytest.mark.parametrize(
    ("where", "mend", "expected"),
    [
        (None, None, "value is negative"),
        ("cell.toml: negative.D_s", None, "cell.toml: negative.D_s: value is negative"),
        (None, "give a positive one", "value is negative; give a positive one"),
        ("cell.toml", "give a positive one", "cell.toml: value is negative; give a positive one"),
    ],
)
def test_message_leaves_missing_parts_out(where, mend, expected):
    assert str(InputError("value is negative", where=where, mend=mend)) == expected


def test_message_is_one_line():
    error = InputError("first\n  second", where="a\nb", mend="c\r\nd")
    assert str(error) == "a b: first second; c d"


def test_is_a_value_error_with_its_parts():
    error = InputError("what", where="where", mend="mend")
    assert isinstance(error, ValueError)
    assert (error.what, error.where, error.mend) == ("what", "where", "mend")


def test_survives_a_copy_to_another_process():
    error = pickle.loads(pickle.dumps(InputError("what", where="where", mend="mend")))
    assert str(error) == "where: what; mend"


KNOWN = ("negative.D_s", "negative.k", "positive.D_s", "positive.k", "electrolyte.kappa")


def test_near_names_puts_the_nearest_first():
    assert near_names("negative.Ds", KNOWN)[0] == "negative.D_s"
    assert near_names("NEGATIVE.D_S", KNOWN)[0] == "negative.D_s"


def test_near_names_finds_beginnings():
    assert near_names("electro", KNOWN) == ("electrolyte.kappa",)


def test_near_names_limit_and_none():
    assert len(near_names("negative.D", KNOWN, limit=1)) == 1
    assert near_names("negative.D", KNOWN, limit=0) == ()
    assert near_names("zzzz", KNOWN) == ()
    assert near_names("", KNOWN) == ()
    with pytest.raises(ValueError, match="limit: got -1"):
        near_names("x", KNOWN, limit=-1)


def test_unknown_name_lists_near_names():
    error = unknown_name("parameter", "negative.Ds", KNOWN, where="fit.toml")
    assert str(error).startswith(
        "fit.toml: unknown parameter 'negative.Ds'; did you mean 'negative."
    )


def test_unknown_name_without_a_near_one_lists_the_known():
    assert str(unknown_name("set", "zzzz", ["ai2020", "chen2020"])) == (
        "unknown set 'zzzz'; expected one of 'ai2020', 'chen2020'"
    )
    many = [f"name_{i:02d}" for i in range(20)]
    assert str(unknown_name("set", "zzzz", many)).endswith("'name_09', ...")
    assert str(unknown_name("set", "zzzz", [])) == "unknown set 'zzzz'; none is known here"
