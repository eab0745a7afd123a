"""Scripts as they are called."""

import hashlib

from lukhas.storage.redis_commands import pack
from lukhas.storage.redis_scripts import Script


def test_a_script_is_named_by_its_digest() -> None:
    """As the server names it: SHA-1 of the source."""
    script = Script("return 1")
    assert script.digest.decode() == hashlib.sha1(b"return 1").hexdigest()


def test_a_call_is_packed_as_any_command() -> None:
    """With any number of keys and arguments, time after time."""
    script = Script("return 1")
    calls: list[tuple[list[bytes], list[bytes | int]]] = [
        ([], []),
        ([b"k"], [1, b"x"]),
        ([b"k", b""], [-5]),
        ([b"k"], [7, b"y"]),
    ]
    for keys, args in calls:
        wanted = pack("EVALSHA", script.digest, len(keys), *keys, *args)
        assert script.packed(keys, args) == wanted


def test_shapes_are_not_kept_without_bound() -> None:
    """Whoever calls with ever other numbers of arguments does not fill the memory."""
    script = Script("return 1")
    for count in range(200):
        assert script.packed([], [0] * count) == pack("EVALSHA", script.digest, 0, *([0] * count))
    assert len(script._heads) == 64
