"""Good files made bad, step by step, so that what is found can be shrunk."""

import copy
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from fuzz_seeds import npz, repacked
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


@st.composite
def bad_text(draw: Draw, good: str) -> bytes:
    """Return a text in which up to five of its words are others."""
    words = good.split(" ")
    for _ in range(draw(st.integers(1, 5))):
        words[draw(st.integers(0, len(words) - 1))] = str(draw(st.sampled_from(BAD_VALUES[:30])))
    return " ".join(words).encode("utf-8", "replace")


@st.composite
def bad_member(draw: Draw, good: bytes, *, name: str = "", head: int = 256) -> bytes:
    """Return a zip archive in which one member, whose name ends in `name`, has bad bytes and a right checksum."""
    with zipfile.ZipFile(BytesIO(good)) as archive:
        names = sorted(item for item in archive.namelist() if item.endswith(name))
        chosen = draw(st.sampled_from(names))
        content = archive.read(chosen)
    data = draw(bad_pickle(content) if chosen.endswith(".pkl") else bad_bytes(content, head=head))
    return repacked(good, {chosen: data}, compression=draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])))


PICKLE_PIECES = [
    *(b"cos\nsystem\n", b"cbuiltins\neval\n", b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"."),
    *(b"\x80\x02", b"(", b")", b"t", b"R", b"b", b"d", b"l", b"N", b"0", b"}", b"]", b"\x93", b"\x81", b"Q", b"\x88"),
    *(
        b"I99999999999999\n",
        b"K\xff",
        b"J\xff\xff\xff\x7f",
        b"J\xff\xff\xff\xff",
        b"\x8a\xff" + b"\x7f" * 255,
        b"Nan\n",
    ),
    *(b"B\xff\xff\xff\x7f", b"X\xff\xff\xff\x7f", b"\x8e" + b"\xff" * 7 + b"\x7f", b"j\xff\xff\xff\x7f", b"(" * 3000),
    *(b"r\xff\xff\xff\x7f", b"G\x7f\xf8" + b"\x00" * 6, b"X\x01\x00\x00\x00a", b"]" * 2000 + b"a" * 1999),
]


@st.composite
def bad_pickle(draw: Draw, good: bytes) -> bytes:
    """Return a pickle with bad bytes, or with operations put in."""
    if draw(st.integers(0, 1)) == 0:
        return draw(bad_bytes(good, head=2048))
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.sampled_from(PICKLE_PIECES))
        data[at : at + draw(st.sampled_from([0, len(piece)]))] = piece
    return bytes(data)


@st.composite
def bad_safetensors(draw: Draw, good: bytes) -> bytes:
    """Return a file of safetensors with a bad header, a bad length of it, or a body that does not fit."""
    length = int.from_bytes(good[:8], "little")
    header, body = good[8 : 8 + length], good[8 + length :]
    kind = draw(st.sampled_from(["json", "json", "bytes", "length", "body"]))
    if kind == "json":
        header = draw(bad_json(json.loads(header)))
    elif kind == "bytes":
        header = draw(bad_bytes(header))
    elif kind == "body":
        body = draw(st.sampled_from([b"", body[:-1], body + b"\0", body[: len(body) // 2], b"\xff" * len(body)]))
    declared = len(header)
    if kind == "length":
        declared = draw(st.sampled_from([0, 1, declared - 1, declared + 1, 2**31, 2**40, 2**63, 2**64 - 1]))
    return declared.to_bytes(8, "little") + header + body


@st.composite
def bad_arrays(draw: Draw, good: dict[str, np.ndarray], *, keep: dict[str, np.ndarray] | None = None) -> bytes:
    """Return an `.npz` whose arrays have other shapes, types or numbers, or are missing; `keep` stays as given."""
    arrays = dict(good)
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(arrays) or [""]))
        if name == "":
            break
        kind = draw(st.sampled_from(["drop", *ARRAY_CHANGES]))
        if kind == "drop":
            del arrays[name]
        else:
            with np.errstate(all="ignore"):
                arrays[name] = ARRAY_CHANGES[kind](draw, arrays[name])
    return npz(arrays | (keep or {}))


def _filled(draw: Draw, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f":
        return np.full_like(array, draw(st.sampled_from([np.nan, np.inf, -1e30, 0.0, 1e30])))
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        return np.full_like(array, draw(st.sampled_from([limits.min, limits.max, 0, 1])))
    return array


def _one_changed(draw: Draw, array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    if array.dtype.kind in "fiu" and array.size:
        at = draw(st.integers(0, array.size - 1))
        changed.reshape(-1)[at] = _filled(draw, array.reshape(-1)[:1])[0]
    return changed


def _retyped(draw: Draw, array: np.ndarray) -> np.ndarray:
    dtype = draw(st.sampled_from(["f2", ">f8", "i1", "u8", "?", "c16", "S3", "U5", "M8[s]"]))
    return array.astype(dtype) if array.dtype.kind in "iub" or (array.dtype.kind == "f" and dtype != "M8[s]") else array


ARRAY_CHANGES: dict[str, Callable[[Draw, np.ndarray], np.ndarray]] = {
    "flat": lambda _draw, array: array.reshape(-1),
    "empty": lambda _draw, array: np.atleast_1d(array)[:0],
    "fill": _filled,
    "one": _one_changed,
    "type": _retyped,
    "cut": lambda _draw, array: array[..., :-1] if array.ndim else array,
    "short": lambda _draw, array: array[:-1] if array.ndim else array,
    "twice": lambda _draw, array: np.concatenate([array, array]) if array.ndim else array,
    "more": lambda _draw, array: np.stack([array, array]),
    "scalar": lambda draw, _array: np.array(draw(st.sampled_from([0, -1, 1e300, np.nan]))),
    "structured": lambda _draw, _array: np.zeros(3, [("a", "f4"), ("b", "i2")]),
    "text": lambda draw, _array: np.array(draw(st.sampled_from(["", "female", "[x]", "\x1b[31m", "{}", "[" * 9999]))),
    "fortran": lambda _draw, array: np.asfortranarray(array),
}


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
            is_short = len(repr(value[key])) < 4000  # a file of many megabytes only takes time
            value.extend([value[key]] * (draw(st.sampled_from([1, 2, 200])) if is_short else 1))
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
