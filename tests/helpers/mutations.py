"""Good files made bad, step by step, so that what is found can be shrunk."""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]
DEEP: Any = None
for _ in range(300):
    DEEP = [DEEP]

BAD_VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e300, -1e300, 5e-324, 2**31, 2**63, -(2**63), 10**25, 10**400),
    *(float("nan"), float("inf"), float("-inf"), "", "a", "0", "1e9", "../../x", "/etc/passwd", "\u0000", "\udc80"),
    *("[bold]x[/bold]", "\x1b[31m", "line\nbreak", "x" * 5000, [], {}, [[]], [None], {"a": {}}, [0] * 51, DEEP),
]


@st.composite
def bad_json(draw: Draw, good: Any) -> bytes:
    """Return JSON text of a value in which up to five places were changed; sometimes its bytes as well."""
    value = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 5))):
        value = _changed(draw, value)
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32", "latin-1"]))
    data = _dump(value).encode(encoding, "replace")
    return draw(bad_bytes(data)) if draw(st.integers(0, 4)) == 0 else data


@st.composite
def bad_bytes(draw: Draw, good: bytes, *, head: int = 256) -> bytes:
    """Return bytes with up to six changes: set, cut out, put in, cut off, repeated; half of them near the beginning."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        size = len(data)
        reach = min(head, size) if draw(st.booleans()) else size
        at = draw(st.integers(0, max(0, reach - 1)))
        kind = draw(st.sampled_from(["set", "set", "set", "remove", "insert", "cut", "repeat", "fill"]))
        if kind == "set" and size:
            data[at] = draw(st.integers(0, 255))
        elif kind == "remove":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=32))
        elif kind == "cut":
            del data[at:]
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 256))]
        else:
            count = draw(st.sampled_from([2, 4, 8]))
            data[at : at + count] = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80"])) * count
    return bytes(data)


def _changed(draw: Draw, value: Any) -> Any:
    """Return a value with one place in it changed."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 9)) > 0:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[draw(st.integers(0, len(keys) - 1))]
        action = draw(st.sampled_from(["enter"] * 6 + ["delete", "repeat", "rename"]))
        if action == "enter":
            value[key] = _changed(draw, value[key])
        elif action == "delete":
            del value[key]
        elif isinstance(value, list):
            value.extend([value[key]] * draw(st.sampled_from([1, 2, 200])))
        elif action == "rename":
            value[draw(st.sampled_from(["a", "", "id", "__class__", str(key).upper()]))] = value.pop(key)
        return value
    return copy.deepcopy(draw(st.sampled_from(BAD_VALUES)))


def _dump(value: Any) -> str:
    """Return JSON text; an integer of 400 digits is more than Python writes by itself."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {_dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_dump, value)) + "]"
    return "1" + "0" * 400 if value == 10**400 and value is not True else json.dumps(value)
