import io
import os
import pickle
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from configs.errors import WeightsError
from trackers.inert_pickle import PickleError, read_inert
from trackers.pose_checkpoint import read_pose_checkpoint
from trackers.pose_network import build_network, check_architecture

ROOT = Path(__file__).parents[2]


def _archive(path: Path, data: bytes, *, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", data)
        archive.writestr("x/byteorder", "little")
    return path


def _call(module: str, name: str, arguments: bytes) -> bytes:
    return b"\x80\x02}X\x05\x00\x00\x00modelc" + f"{module}\n{name}\n".encode() + arguments + b"s."


class _Reduced:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._made = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._made


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        ("os", "system", b"X\x04\x00\x00\x00true\x85R"),
        ("posix", "system", b"X\x04\x00\x00\x00true\x85R"),
        ("builtins", "getattr", b"N\x85R"),
        ("functools", "partial", b"N\x85R"),
        ("torch.hub", "load", b"X\x01\x00\x00\x00a\x85R"),
        ("torch", "load", b"X\x01\x00\x00\x00a\x85R"),
        ("torch._utils", "_rebuild_tensor", b"N\x85R"),
        ("ultralytics.nn.modules.block", "TorchVision", b"X\x08\x00\x00\x00resnet18\x85R"),
        ("torch.nn.modules.linear", "Linear", b"M\x60\xeaM\x60\xea\x86R"),
        ("torch.nn.modules.linear", "Linear", b"M\x60\xeaM\x60\xea\x86\x81"),
        ("torch.nn.modules.linear", "os.system", b")R"),
        ("torch", "Size", b"N\x85R"),
        ("collections", "OrderedDict", b"]\x85R"),
        ("torch.nn.modules", "..os system", b")R"),
    ],
)
def test_what_a_pickle_calls_is_named_and_not_called(tmp_path: Path, module: str, name: str, arguments: bytes) -> None:
    path = _archive(tmp_path / "bad.pt", _call(module, name, arguments))
    with pytest.raises(WeightsError, match=r"cannot be loaded as a detector \(its pickle.*nothing in it was run\)"):
        read_pose_checkpoint(path)


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_no_protocol_lets_code_through(tmp_path: Path, protocol: int) -> None:
    gadgets = [
        _Reduced(os.system, f"touch {tmp_path}/ran"),
        _Reduced(partial, os.system, "true"),
        _Reduced(getattr, "text", "format"),
        _Reduced(eval, f"open('{tmp_path}/ran', 'w')"),
    ]
    for gadget in gadgets:
        path = _archive(tmp_path / "bad.pt", pickle.dumps({"model": gadget}, protocol))
        with pytest.raises(WeightsError):
            read_pose_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_states_are_taken_without_the_class_seeing_them() -> None:
    data = b"\x80\x02ctorch.nn.modules.module\nModule\n)\x81}X\x01\x00\x00\x00aK\x01sb."
    found = read_inert(data)
    assert (str(found.made_from), found.state) == ("torch.nn.modules.module Module", {"a": 1})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02e.",
        b"\x80\x02h\x05.",
        b"\x80\x02(.",
        b"\x80\x02K\x01a.",
        b"\x80\x02}]K\x01s.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02r\xff\xff\xff\x7f.",
        b"\x80\x05\x96\x00\x00\x00\x00\x00\x01\x00\x00.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02\x82\x01.",
        b"garbage",
    ],
)
def test_a_damaged_pickle_is_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(PickleError):
        value = read_inert(data)
        if not isinstance(value, dict):
            raise PickleError("no checkpoint")


def test_keys_that_take_for_ever_to_hash_are_refused() -> None:
    nested = b")q\x00" + b"".join(b"h%ch%c\x86q%c" % (k, k, k + 1) for k in range(60))
    with pytest.raises(PickleError, match="tuple for a key"):
        read_inert(b"\x80\x02}" + nested + b"K\x01s.")


def test_archives_that_lie_are_refused_in_little_memory(tmp_path: Path) -> None:
    packed = _archive(tmp_path / "packed.pt", b"\0" * 3_000_000, compression=zipfile.ZIP_DEFLATED)
    large = _archive(tmp_path / "large.pt", b"\0" * 5_000_000)
    many = tmp_path / "many.pt"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"x/{number:08}" + "y" * 200, b"")
    none = tmp_path / "none.pt"
    with zipfile.ZipFile(none, "w") as archive:
        archive.writestr("x/y", b"")
    for path, told in ((packed, "is compressed"), (large, "at most"), (many, "at most"), (none, r"no data\.pkl")):
        with pytest.raises(WeightsError, match=told):
            read_pose_checkpoint(path)


def test_a_checkpoint_says_what_it_is(pose_weights: Path) -> None:
    found = read_pose_checkpoint(pose_weights)
    assert (found.task, dict(found.names), found.architecture["kpt_shape"]) == ("pose", {0: "person"}, [17, 3])
    tensors = found.read_tensors()
    assert tensors["model.0.conv.weight"].shape == (8, 3, 3, 3)


def _changed(path: Path, **entries: Any) -> Any:
    found = read_pose_checkpoint(path)
    found.architecture.update(entries)  # type: ignore[attr-defined]
    return found


def _with_row(path: Path, place: int, row: list[Any]) -> Any:
    found = read_pose_checkpoint(path)
    found.architecture["backbone"][place] = row
    return found


@pytest.mark.parametrize(
    "row",
    [
        [-1, 1, "TorchVision", [64, "resnet18", "DEFAULT"]],
        [-1, 1, "nn.Linear", [60000, 60000]],
        [-1, 1, "torchvision.ops.Conv2dNormActivation", [64, 3]],
        [-1, 1, "Conv", [60000, 3, 2]],
        [-1, 1, "Conv", [64, 999, 2]],
        [-1, 1, "Conv", [64, "__import__('os').system('true')", 2]],
        [-1, 1, "Conv", ["nc", 3, 2]],
        [-1, 10**6, "C2f", [64, True]],
        [-1, 1, "nn.Upsample", ["None", 1000, "nearest"]],
        [99, 1, "Conv", [64, 3, 2]],
        [[-1], 1, "Conv", [64, 3, 2]],
        [-1, 1, "Conv", []],
        [-1, 1, ["Conv"], [64]],
        [-1, 1, "Pose", ["nc", "kpt_shape"]],
        None,
        "row",
    ],
)
def test_a_row_that_no_pose_network_has_is_refused(pose_weights: Path, row: list[Any]) -> None:
    with pytest.raises(WeightsError, match="cannot be loaded as a detector"):
        check_architecture(_with_row(pose_weights, 1, row))


@pytest.mark.parametrize(
    "entries",
    [
        {"nc": 10**9},
        {"nc": True},
        {"kpt_shape": [10**6, 3]},
        {"activation": "__import__('os').system('true')"},
        {"scales": {"n": [0.33, 1e6, 1024]}},
        {"scales": {"n": [float("nan"), 0.1875, 1024]}},
        {"scales": [1]},
        {"backbone": []},
        {"backbone": [[-1, 1, "Conv", [64, 3, 1]]] * 99},
        {"head": None},
        {"channels": 4},
    ],
)
def test_a_description_beyond_bounds_is_refused(pose_weights: Path, entries: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="cannot be loaded as a detector"):
        check_architecture(_changed(pose_weights, **entries))


def test_a_network_larger_than_its_file_is_refused_before_it_takes_memory(pose_weights: Path) -> None:
    found = _changed(pose_weights, scales={"n": [1.0, 2.0, 2048]})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match=r"is \(8,\) in it, \(128,\) in the network it describes"):
        _build(found)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB; it would take over 1 GB


def test_a_layer_that_computes_otherwise_is_refused(pose_weights: Path) -> None:
    found = read_pose_checkpoint(pose_weights)
    layers = dict(found.layers())
    layers["model.0.bn"].state["eps"] = 0.5
    with pytest.raises(WeightsError, match=r"its layer model\.0\.bn has eps 0\.5"):
        _build(found)


def test_building_a_network_leaves_the_global_random_numbers_alone(pose_weights: Path) -> None:
    import torch

    state = torch.get_rng_state()
    _build(read_pose_checkpoint(pose_weights))
    assert torch.equal(torch.get_rng_state(), state)


def test_results_are_those_of_ultralytics_own_loading_bit_for_bit(pose_weights: Path) -> None:
    import torch

    from trackers.ultralytics_loader import load_backend, ultralytics_undisturbed

    ours = load_backend(pose_weights, device="cpu")
    with ultralytics_undisturbed():
        from ultralytics.nn.autobackend import AutoBackend

        theirs = AutoBackend(str(pose_weights), device=torch.device("cpu"), fuse=True, verbose=False)
    picture = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = ours(picture), theirs(picture)
    assert torch.equal(*(found[0] if isinstance(found, list | tuple) else found for found in (one, other)))


def test_loading_opens_no_socket_starts_nothing_and_leaves_no_file(tmp_path: Path, pose_weights: Path) -> None:
    program = (
        "import sys\n"
        "def watch(event, arguments):\n"
        "    if event.startswith(('socket.', 'subprocess.', 'os.system', 'os.exec', 'os.posix_spawn')):\n"
        "        if event != 'socket.gethostname': raise SystemExit(event)\n"
        "from trackers.ultralytics_loader import load_backend\n"
        "import torch\n"
        "sys.addaudithook(watch)\n"
        "from pathlib import Path\n"
        "load_backend(Path(sys.argv[1]), device='cpu')\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YOLO")}
    for name in ("home", "cache", "work", "temp"):
        (tmp_path / name).mkdir()
    run = subprocess.run(
        [sys.executable, "-c", program, str(pose_weights)],
        cwd=tmp_path / "work",
        env={
            **kept,
            "HOME": str(tmp_path / "home"),
            "DPMESH_VIDEO_CACHE": str(tmp_path / "cache"),
            "TMPDIR": str(tmp_path / "temp"),
            "PYTHONPATH": os.pathsep.join([*_extra_paths(), str(ROOT)]),
        },
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "torchinductor" not in str(path)] == []


def _extra_paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _build(found: Any) -> Any:
    from trackers.ultralytics_loader import ultralytics_undisturbed

    with ultralytics_undisturbed():
        return build_network(found)


def test_a_checkpoint_of_values_alone_holds_no_network(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pickle.dump({"model": {"a": 1}}, buffer, 2)
    with pytest.raises(WeightsError, match="it holds no network"):
        read_pose_checkpoint(_archive(tmp_path / "values.pt", buffer.getvalue()))
