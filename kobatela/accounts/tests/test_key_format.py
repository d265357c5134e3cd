"""The shape of a key."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kobatela.accounts.key_format import (
    LIVE_PREFIX,
    TEST_PREFIX,
    installation_prefix,
    key_digest,
    make_key,
    parse_key,
)

KEY = "koba_test_Ab3dEf9h_0123456789ABCDEFGHIJKLMNOPQRSTUV0GgSI2"


def test_a_key_has_prefix_public_id_secret_and_checksum() -> None:
    key = make_key(TEST_PREFIX)

    found = re.fullmatch(r"koba_test_([0-9A-Za-z]{8})_[0-9A-Za-z]{38}", key)
    assert found is not None
    parts = parse_key(key)
    assert parts is not None
    assert (parts.prefix, parts.public_id) == ("koba_test_", found[1])


def test_two_keys_share_nothing() -> None:
    keys = {make_key(LIVE_PREFIX) for _ in range(200)}

    assert len(keys) == 200
    assert len({key[10:18] for key in keys}) == 200
    assert len({key[19:51] for key in keys}) == 200


def test_the_checksum_never_changes_its_meaning() -> None:
    assert parse_key(KEY) is not None


@given(index=st.integers(0, len(KEY) - 1), character=st.characters())
def test_one_changed_character_is_noticed(index: int, character: str) -> None:
    changed = KEY[:index] + character + KEY[index + 1 :]

    assert (parse_key(changed) is None) == (changed != KEY)


@pytest.mark.parametrize(
    "junk",
    ["", "koba_test_", KEY[:-1], KEY + "0", " " + KEY, KEY + "\n", KEY.lower(), "dev-secret-key"],
)
def test_junk_is_no_key(junk: str) -> None:
    assert parse_key(junk) is None


@pytest.mark.parametrize(
    ("environment", "prefix"),
    [("production", "koba_live_"), ("test", "koba_test_"), ("dev", "koba_test_")],
)
def test_only_production_issues_live_keys(environment: str, prefix: str) -> None:
    assert installation_prefix(environment) == prefix


def test_the_digest_depends_on_key_and_pepper() -> None:
    assert len(key_digest(KEY, "pepper")) == 64
    assert key_digest(KEY, "pepper") != key_digest(KEY, "other")
    assert key_digest(KEY, "pepper") != key_digest(KEY + "x", "pepper")
