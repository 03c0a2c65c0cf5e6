"""Keys: how they are hashed, and which may be brought along."""

import pytest

from opensmm.domain.api_keys import digest, is_importable


def test_a_key_is_hashed_with_the_pepper():
    assert 32 == len(digest(b"pepper", "key"))
    assert digest(b"pepper", "key") == digest(b"pepper", "key")
    assert 3 == len({digest(b"pepper", "key"), digest(b"paprika", "key"), digest(b"pepper", "kez")})


@pytest.mark.parametrize("key", ["a" * 32, "Z" * 64, "!\"#$%&'()*+,-./0123456789:;<=>?@[]~"])
def test_keys_of_32_to_64_visible_characters_may_be_imported(key):
    assert is_importable(key)


@pytest.mark.parametrize(
    "key", ["", "a" * 31, "a" * 65, "a" * 31 + " ", "a" * 31 + "é", "a" * 31 + "\n", "a" * 31 + "\x7f"]
)
def test_other_keys_may_not(key):
    assert not is_importable(key)
