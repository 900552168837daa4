"""Build an Ultralytics pose network from what a checkpoint says about it, once that is known to be harmless.

Ultralytics makes layers by their names, with the arguments given: any class of torch, at any size, some of which
download. So only the layers of its own pose networks pass, sizes are bounded, and before anything takes memory the
parameters' shapes must be those in the file.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from configs.errors import WeightsError
from trackers.inert_pickle import Recorded
from trackers.pose_checkpoint import ADVICE, PoseCheckpoint

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.overrides import TorchFunctionMode

ROWS_MAX = 100
REPEATS_MAX = 12
CHANNELS_MAX = 2048
KERNEL_MAX = 13
CLASSES_MAX = 1000
AREA_MAX = 500.0
"""Channels of all layers' outputs per pixel of the image; yolov8x-pose-p6 has 113 (bounds the memory of a look)."""
SCALED = ("Conv", "C2", "C2f", "C3", "C3k2", "SPPF", "C2PSA", "A2C2f")
HEADS = ("Pose", "Pose26")
ACTIVATIONS = ("nn.SiLU()", "nn.ReLU()", "nn.LeakyReLU(0.1)", "nn.Hardswish()", "nn.Identity()")
REPLACED = ("SiLU", "ReLU", "Identity")
"""Activations: versions of Ultralytics differ in where they put one, so that of the file is taken."""
COMPARED = frozenset(
    {"kernel_size", "stride", "padding", "dilation", "groups", "padding_mode", "eps", "scale_factor", "mode", "f"}
    | {"add", "d", "c", "n", "nc", "nl", "nk", "reg_max", "num_heads", "key_dim", "head_dim", "area", "negative_slope"}
)
"""Attributes, not in the parameters, on which a layer's result depends."""


def build_network(checkpoint: PoseCheckpoint) -> "Module":
    """Return the checkpoint's network in float32, for inference, on the CPU.

    Raises:
        WeightsError: its layers are not those of a pose network of Ultralytics, are too large, or are not built by
            the installed version as they were by the one that wrote the file.
    """
    import torch
    from ultralytics.nn import tasks

    architecture = check_architecture(checkpoint)
    stored = checkpoint.stored_tensors()
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"), _counting_on_the_cpu():  # shapes without memory
                plan, _ = tasks.parse_model(deepcopy(architecture), ch=3, verbose=False)
            needed = {f"model.{name}": tuple(value.shape) for name, value in plan.state_dict().items()}
            _check_shapes(checkpoint, needed, {name: tensor.shape for name, tensor in stored.items()})
            network = tasks.PoseModel(deepcopy(architecture), ch=3, verbose=False)
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError, AssertionError) as error:
            raise _unfit(checkpoint, f"Ultralytics cannot build it: {' '.join(str(error).split())[:120]}") from error
    _check_layers(checkpoint, network)
    network.load_state_dict(_numbers(checkpoint))
    network.names = dict(checkpoint.names)
    network.kpt_shape = architecture["kpt_shape"]  # which the lowest version allowed does not set
    network.task = "pose"  # type: ignore[assignment]
    return network.float().eval()


def _counting_on_the_cpu() -> "TorchFunctionMode":
    """Return a mode in which `torch.arange` is on the CPU: on the device "meta" it loads torch's compiler, a second."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Counting(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            device = {"device": "cpu"} if func is torch.arange else {}
            return func(*args, **{**(kwargs or {}), **device})

    return Counting()


def check_architecture(checkpoint: PoseCheckpoint) -> dict[str, Any]:
    """Return the description of the network, made anew of what was checked.

    Raises:
        WeightsError: it holds a layer, an argument or a size that no pose network has; names it.
    """
    try:
        return _architecture(checkpoint.architecture)
    except _NotKnownError as error:
        raise _unfit(checkpoint, str(error)) from error


class _NotKnownError(ValueError):
    """What in a description no pose network has."""


def _architecture(given: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "nc": _whole("nc", given.get("nc"), 1, CLASSES_MAX),
        "kpt_shape": _keypoint_shape(given.get("kpt_shape")),
    }
    for name in ("channels", "ch"):
        if given.get(name, 3) != 3:
            raise _NotKnownError(f"its input has {str(given[name])[:20]} channels, not 3")
    if "reg_max" in given:
        made["reg_max"] = _whole("reg_max", given["reg_max"], 1, 64)
    if "end2end" in given:
        made["end2end"] = _one_of("end2end", given["end2end"], (True, False, None))
    if given.get("activation") is not None:
        made["activation"] = _one_of("activation", given["activation"], ACTIVATIONS)
    scales, width, channels_max = given.get("scales"), 1.0, CHANNELS_MAX
    if scales:
        if not isinstance(scales, dict):
            raise _NotKnownError("its scales are invalid")
        scale = given.get("scale") or next(iter(scales))
        row = scales.get(scale) if isinstance(scale, str) and len(scale) <= 8 else None
        if not isinstance(row, list | tuple) or len(row) != 3:
            raise _NotKnownError(f"its scale {str(scale)[:20]} is invalid")
        depth, width = _number("depth", row[0], 2.0), _number("width", row[1], 2.0)
        channels_max = _whole("channels", row[2], 8, CHANNELS_MAX)
        made |= {"scale": scale, "scales": {scale: [depth, width, channels_max]}}
    else:
        for name in ("depth_multiple", "width_multiple"):
            if name in given:
                made[name] = _number(name, given[name], 2.0)
        width = made.get("width_multiple", 1.0)
    parts = [given.get(name) or () for name in ("backbone", "head")]
    if not all(isinstance(part, list) for part in parts) or len(parts[0]) + len(parts[1]) > ROWS_MAX:
        raise _NotKnownError(f"it has no backbone or head, or over {ROWS_MAX} rows")
    rows = [_row(place, row) for place, row in enumerate([*parts[0], *parts[1]])]
    if [row[2] in HEADS for row in rows] != [False] * (len(rows) - 1) + [True]:
        raise _NotKnownError(f"its last row, and only that, must be one of {', '.join(HEADS)}")
    _check_area(rows, width, channels_max)
    return made | {"backbone": rows[: len(parts[0])], "head": rows[len(parts[0]) :]}


def _row(place: int, row: Any) -> list[Any]:
    """Return a row of the description: from where, how often, which layer, with which arguments."""
    if not isinstance(row, list | tuple) or len(row) != 4 or not isinstance(row[3], list | tuple):
        raise _NotKnownError(f"row {place} is invalid")
    sources, repeats, layer, arguments = row
    several = isinstance(sources, list | tuple)
    if several and not 1 <= len(sources) <= 8:
        raise _NotKnownError(f"row {place} takes from {len(sources)} rows")
    taken = [
        _whole("a row's source", source, -max(place, 1), place - 1) for source in (sources if several else [sources])
    ]
    repeats = _whole("repeats", repeats, 1, REPEATS_MAX)
    if several is not (layer == "Concat" or layer in HEADS):
        raise _NotKnownError(f"row {place} ({str(layer)[:40]}) takes from several rows, or should")
    if layer == "nn.Upsample":
        fits = len(arguments) == 3 and arguments[0] in (None, "None") and list(arguments[1:]) == [2, "nearest"]
    elif layer == "Concat":
        fits = list(arguments) == [1]
    elif layer in HEADS:
        fits = list(arguments) == ["nc", "kpt_shape"]
    elif layer in SCALED:
        fits = 1 <= len(arguments) <= 6 and all(_is_plain(argument) for argument in arguments[1:])
        _whole("channels", arguments[0] if arguments else None, 1, CHANNELS_MAX)
    else:
        raise _NotKnownError(f"row {place} is a {str(layer)[:40]}, which no pose network has")
    if not fits or (repeats > 1 and layer not in SCALED):
        raise _NotKnownError(f"row {place} ({layer}) has arguments that no pose network has")
    return [taken if several else taken[0], repeats, layer, list(arguments)]


def _is_plain(argument: Any) -> bool:
    """Whether an argument behind the channels is a size of a kernel or stride, a share, or a switch."""
    if isinstance(argument, bool):
        return True
    return isinstance(argument, int | float) and -1 <= argument <= KERNEL_MAX


def _check_area(rows: list[list[Any]], width: float, channels_max: int) -> None:
    """Refuse a network whose layers' outputs together take more memory than that of any pose network."""
    outputs: list[tuple[float, float]] = []  # channels, share of the image's side
    area = 0.0
    for sources, _, layer, arguments in rows[:-1]:
        taken = [outputs[source] if outputs else (3.0, 1.0) for source in (sources if layer == "Concat" else [sources])]
        if len({side for _, side in taken}) != 1:
            raise _NotKnownError("it joins layers of different sizes")
        channels, side = sum(count for count, _ in taken), taken[0][1]
        if layer == "nn.Upsample":
            side *= 2
        elif layer in SCALED:
            channels = min(arguments[0], channels_max) * width + 8
            step = arguments[2] if layer == "Conv" and len(arguments) > 2 else 1
            side /= _whole("a stride", step, 1, 2)
        outputs.append((channels, side))
        area += channels * side * side
    if area > AREA_MAX:
        raise _NotKnownError(f"its layers have {area:.0f} numbers per pixel, over {AREA_MAX:.0f}")


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _NotKnownError(f"{name} is {str(value)[:40]}, not from {low} to {high}")
    return value


def _number(name: str, value: Any, high: float) -> float:
    if type(value) not in (int, float) or not 0 < value <= high:
        raise _NotKnownError(f"{name} is {str(value)[:40]}, not above 0 and up to {high:g}")
    return float(value)


def _one_of(name: str, value: Any, known: tuple[Any, ...]) -> Any:
    if not isinstance(value, str | bool | None) or value not in known:
        raise _NotKnownError(f"{name} is {str(value)[:40]}")
    return value


def _keypoint_shape(value: Any) -> list[int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _NotKnownError("its keypoint shape is invalid")
    return [_whole("keypoints", value[0], 1, 200), _whole("numbers of a keypoint", value[1], 2, 3)]


def _check_shapes(
    checkpoint: PoseCheckpoint, needed: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    for name in sorted(needed.keys() | found.keys()):
        if needed.get(name) != found.get(name):
            theirs, ours = found.get(name, "absent"), needed.get(name, "absent")
            raise _unfit(checkpoint, f"{name} is {theirs} in it, {ours} in the network it describes")


def _check_layers(checkpoint: PoseCheckpoint, network: "Module") -> None:
    """Take the file's activations, and refuse a network that else does not compute what the stored one did."""
    import torch

    built = dict(network.named_modules(remove_duplicate=False))
    stored = dict(checkpoint.layers())
    if built.keys() != stored.keys():
        name = min(built.keys() ^ stored.keys())
        raise _unfit(checkpoint, f"the installed Ultralytics builds it with other layers ({name[:80]})")
    for name, layer in stored.items():
        activation = layer.made_from.name
        if activation in REPLACED and type(built[name]).__name__ in REPLACED:
            parent, _, child = name.rpartition(".")
            setattr(built[parent], child, getattr(torch.nn, activation)())
            continue
        _check_layer(checkpoint, name, layer, built[name])


def _check_layer(checkpoint: PoseCheckpoint, name: str, stored: Recorded, built: "Module") -> None:
    theirs, ours = stored.made_from.name, type(built).__name__
    if theirs != ours:
        raise _unfit(checkpoint, f"its layer {name} is a {theirs}, with the installed Ultralytics a {ours}")
    for key in COMPARED & stored.state.keys():
        if not hasattr(built, key):
            continue
        one, other = _plain(stored.state[key]), _plain(getattr(built, key))
        if one is not None and other is not None and one != other:
            raise _unfit(
                checkpoint, f"its layer {name} has {key} {one[:40]}, with the installed Ultralytics {other[:40]}"
            )


def _plain(value: Any) -> str | None:
    """Return a number, text or row of numbers as text to compare, or None for anything else."""
    if isinstance(value, list | tuple) and len(value) <= 8 and all(isinstance(item, int | float) for item in value):
        return str([float(item) for item in value])
    if isinstance(value, bool | str):
        return str(value)
    return str(float(value)) if isinstance(value, int | float) else None


def _numbers(checkpoint: PoseCheckpoint) -> "dict[str, Tensor]":
    numbers = checkpoint.read_tensors()
    for name, values in numbers.items():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            raise _unfit(checkpoint, f"{name} holds numbers that are not finite")
    return numbers


def _unfit(checkpoint: PoseCheckpoint, reason: str) -> WeightsError:
    return WeightsError(f"{checkpoint.path}: cannot be loaded as a detector ({reason}); {ADVICE}")
