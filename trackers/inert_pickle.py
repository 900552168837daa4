"""A pickle read without running anything: its operations are followed here, and what they ask for is written down.

An unpickler builds what a file names, and whoever wrote the file chooses both name and arguments. Here a name stays
a `Global`, an object a `Recorded` with its state. No class of the file is imported, no function of it called.
"""

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

BYTES_MAX = 4 * 2**20  # the largest published pose networks take 0.3 MB
OPERATIONS_MAX = 1_000_000

CLASSES = re.compile(r"(ultralytics\.(nn|utils|yolo)|torch\.nn\.modules)(\.\w+)* \w+")
"""Objects that a network is made of, or that trainings leave beside it. Of these only the state is taken."""

VALUES = re.compile(
    r"numpy(\.core|\._core)?(\.multiarray)? (scalar|dtype|float64|float32)|_codecs encode|torch device"
    r"|pathlib(\._local)? \w*Path|datetime (date|datetime|timedelta|timezone)|collections defaultdict"
)
"""Calls that make plain values, such as measured scores. They are written down; nobody here needs the value."""

NAMES = re.compile(
    r"torch (\w+Storage|b?float\d+|u?int\d+|bool|complex\d+|Size)|torch\._utils _rebuild_(tensor_v2|parameter)"
    r"|collections OrderedDict|(__builtin__|builtins) set"
)


class PickleError(ValueError):
    """What a pickle asks for that is not done, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function by name, never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module} {self.name}"


@dataclass(slots=True, eq=False)
class Recorded:
    """An object: its class, what it was to be made with, its attributes."""

    made_from: Global
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:  # the state may be deep, or hold itself
        return f"<{self.made_from}>"


@dataclass(frozen=True, slots=True)
class StoredStorage:
    """Numbers in a record of the file."""

    kind: str  # as "HalfStorage"
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A view of a storage, in counts of its numbers."""

    storage: StoredStorage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where the items of a list, tuple or dictionary begin on the stack."""


def read_inert(data: bytes) -> Any:
    """Return what a pickle of PyTorch holds: plain values, `Recorded`, `StoredTensor` and `Global`.

    Sets become lists, so that nothing is hashed but keys, which are numbers or text.

    Raises:
        PickleError: too large, cut, damaged, or it asks for something that no network needs; names it.
    """
    if len(data) > BYTES_MAX:
        raise PickleError(f"its pickle has {len(data)} bytes, at most {BYTES_MAX} are read")
    machine = _Machine()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
            if count >= OPERATIONS_MAX:
                raise PickleError(f"its pickle has more than {OPERATIONS_MAX} operations")
            if operation.name == "STOP":
                return machine.pop()
            machine.do(operation.name, argument)
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise PickleError(f"its pickle is damaged ({type(error).__name__})") from error
    raise PickleError("its pickle ends early")


class _Machine:
    """The stack and the memo of one reading."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        return self._stack.pop()

    def do(self, name: str, argument: Any) -> None:
        """Follow one operation."""
        stack = self._stack
        if name in _PUSHED:
            stack.append(_PUSHED[name]())
        elif name in _LITERAL:
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name == "APPEND":
            item = stack.pop()
            _as(list, stack[-1]).append(item)
        elif name in ("APPENDS", "ADDITEMS"):
            items = self._since_mark()
            _as(list, stack[-1]).extend(items)
        elif name == "SETITEM":
            key, value = stack[-2:]
            del stack[-2:]
            _put(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = self._since_mark()
            _put(stack[-1], items)
        elif name == "GLOBAL":
            stack.append(_global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            module, attribute = stack[-2:]
            stack[-2:] = [_global(module, attribute)]
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "NEWOBJ":
            made_from, arguments = stack[-2:]
            stack[-2:] = [_object(made_from, arguments)]
        elif name == "REDUCE":
            function, arguments = stack[-2:]
            stack[-2:] = [_called(function, arguments)]
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Recorded) and isinstance(state, dict):
                stack[-1].state.update(state)
            elif not isinstance(stack[-1], (Recorded, dict)):
                raise PickleError(f"its pickle gives a state to a {type(stack[-1]).__name__}")
        elif name not in ("PROTO", "FRAME"):
            raise PickleError(f"its pickle asks for the operation {name}, which no network needs")

    def _since_mark(self) -> list[Any]:
        place = len(self._stack) - 1
        while not isinstance(self._stack[place], _Mark):
            place -= 1
            if place < 0:
                raise PickleError("its pickle is damaged (no mark)")
        items = self._stack[place + 1 :]
        del self._stack[place:]
        return items


_PUSHED: dict[str, Callable[[], Any]] = {
    "MARK": _Mark,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
}
_LITERAL = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
    | {"BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINSTRING", "SHORT_BINSTRING"}
)


def _as(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise PickleError(f"its pickle fills a {type(value).__name__} like a {kind.__name__}")
    return value


def _put(target: Any, items: list[Any]) -> None:
    if isinstance(target, Recorded):  # as a defaultdict; only its owner would read it
        return
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int | float | bool | None):
            raise PickleError(f"its pickle has a {type(key).__name__} for a key")
        _as(dict, target)[key] = value


def _global(module: Any, name: Any) -> Global:
    found = Global(str(module), str(name))
    if not any(known.fullmatch(str(found)) for known in (CLASSES, VALUES, NAMES)):
        raise PickleError(f"its pickle asks for {found.module[:80]}.{found.name[:80]}, which no network needs")
    return found


def _storage(value: Any) -> StoredStorage:
    _, kind, key, _, count = value
    if not isinstance(kind, Global) or not isinstance(key, str) or type(count) is not int or count < 0:
        raise PickleError("its pickle names an invalid storage")
    return StoredStorage(kind.name, key, count)


def _object(made_from: Any, arguments: Any) -> Recorded:
    if arguments != () or not isinstance(made_from, Global) or not CLASSES.fullmatch(str(made_from)):
        raise PickleError(f"its pickle asks to make a {str(made_from)[:160]} with arguments; only states are read")
    return Recorded(made_from)


def _called(function: Any, arguments: Any) -> Any:
    name = str(function) if isinstance(function, Global) else ""
    if name == "torch._utils _rebuild_tensor_v2":
        storage, offset, shape, strides = arguments[:4]
        counts = (offset, *_as(tuple, shape), *_as(tuple, strides))
        if not isinstance(storage, StoredStorage) or any(type(count) is not int or count < 0 for count in counts):
            raise PickleError("its pickle has an invalid tensor")
        return StoredTensor(storage, offset, shape, strides)
    if name == "torch._utils _rebuild_parameter":
        return _as(StoredTensor, arguments[0])
    if name == "torch Size":
        return tuple(_as(tuple, arguments[0]))
    if name == "collections OrderedDict" and arguments == ():
        return {}
    if name in ("__builtin__ set", "builtins set"):
        return list(_as(list, arguments[0])) if arguments else []
    if VALUES.fullmatch(name) or (CLASSES.fullmatch(name) and arguments == ()):
        return Recorded(function, _as(tuple, arguments))
    raise PickleError(f"its pickle asks to call {name[:160] or type(function).__name__}; nothing of it is called")
