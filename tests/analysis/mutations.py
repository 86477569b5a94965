"""Inputs broken at random, by structure and by byte, the same ones each time."""

import copy

DEEP: list = []
for _ in range(60):
    DEEP = [DEEP]
STRANGE = [None, True, -1, 0, 1e300, float("nan"), float("inf"), 10**30, 10**400, "", "x", "\x00", "\x1b[2J", "\ud800", "=cmd()", "../../x", [], {}, [[]], [None],
           {"a": 1}, {"name": 1}, DEEP, "a" * 5000, "noop:x", "native", "null", "nan", "1e999", "²"]  # fmt: skip
TOKENS = [b"{", b"}", b"[", b"\x00", b"\xff", b"\xed\xa0\x80", b": ", b"- ", b"1e999", b"NaN", b'"', b"\\ud800", b",,", b"\n", b"\n\n", b";", b"\t", b"9" * 400,
          b" " * 400, b"x3x", b"-1", b"=", b"ms", b"\x80" * 40]  # fmt: skip


def places(value, path=()):
    """Every place in a tree, as a path of keys."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value[:20]) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def tree(value, rng):
    """A copy of a tree with some values replaced, removed, renamed or nested in themselves."""
    value = copy.deepcopy(value)
    for _ in range(rng.randrange(1, 4)):
        found = places(value)
        if not found:
            break
        *above, key = rng.choice(found)
        place = value
        for step in above:
            place = place[step]
        action = rng.choice(("replace", "replace", "replace", "remove", "rename", "copy"))
        if action == "replace":
            place[key] = copy.deepcopy(rng.choice(STRANGE))
        elif action == "remove":
            del place[key]
        elif action == "rename" and isinstance(place, dict):
            place[rng.choice(("", "x", "name", "__class__", "schema_version"))] = place.pop(key)
        else:
            place[key] = copy.deepcopy(place)
    return value


def data(content, rng):
    """Bytes with one to four places overwritten, cut, doubled or filled with noise; at times cut short or blown up."""
    content = bytearray(content)
    for _ in range(rng.randrange(1, 5)):
        at, length = rng.randrange(len(content) + 1), rng.randrange(1, 30)
        noise = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 8)))
        put = rng.choice((b"", noise, rng.choice(TOKENS), bytes(content[at : at + length]) * rng.choice((2, 2, 500))))
        content[at : at + rng.choice((0, length))] = put
    if rng.random() < 0.1:
        del content[rng.randrange(len(content) + 1) :]
    return bytes(content)
