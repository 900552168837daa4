"""A checkpoint of the published size, made from the golden data's recipe: imported, verified, compared and run.

`pytest -m slow tests/dpmesh/weights/test_full_size_import.py -s` prints times and memory. Needs 18 GB of disk in the
temporary folder, 12 GB of memory, and some ten minutes.
"""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dpmesh.network.model import DPMesh
from dpmesh.weights.official_names import canonical_name

ROOT = Path(__file__).parents[3]
PEAK_MAX_BYTES = 8 << 30
BUILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); import test_full_size_import as t; t.build(sys.argv[2], sys.argv[3])"
)


def recipe(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return the weight that the golden data's README prescribes for a canonical official name, seed 0."""
    draw = np.random.RandomState(zlib.crc32(f"0:{name}".encode())).random_sample(math.prod(shape)).reshape(shape)
    draw = draw * 2 - 1
    last = name.rpartition(".")[2]
    if name == "exponent":
        draw = np.full(shape, 2.3125)
    elif last in ("bias", "in_proj_bias"):
        draw *= 0.25 if "joint_img_regress" in name else 0.1
    elif name not in ("spose_shape_cam_param", "query.weight", "transformer.smpl_tgt", "transformer.kp_tgt"):
        if len(shape) == 1:
            draw = 1 + 0.25 * draw
        else:
            draw *= gain(name) * math.sqrt(3 / math.prod(shape[1:]))
    return torch.from_numpy(np.asarray(draw, np.float32))


def gain(name: str) -> float:
    if name.startswith("kp_lifting"):
        return 1.5
    if ".attn2.to_q.linear" in name or ".attn2.to_q.weight" in name:
        return 2.0
    if "cascade_cam_out" in name:
        return 0.25
    return 0.75 if any(word in name for word in ("lora_up", "joint_img_regress", "zero_convs", "block_out")) else 1.0


def build(keys_path: str, target: str) -> None:
    """Write the checkpoint; runs in a process of its own, so that its memory is gone afterwards."""
    made: dict[str, Tensor] = {}
    state: OrderedDict[str, Tensor] = OrderedDict()
    for entry in json.loads(Path(keys_path).read_text())["keys"]:
        name, shape = canonical_name(entry["key"]), tuple(entry["shape"])
        if name not in made:
            made[name] = torch.zeros(shape, dtype=torch.int64) if entry["dtype"] == "int64" else recipe(name, shape)
        state[entry["key"]] = made[name]
    torch.save(state, target)


@dataclass(frozen=True)
class Measured:
    """What a command took and printed."""

    seconds: float
    processor_s: float
    peak_bytes: int  # of resident memory, mapped files included
    own_bytes: int  # of resident memory that is no file
    output: str

    def __str__(self) -> str:
        memory = f"peak {self.peak_bytes / 1e9:.2f} GB, {self.own_bytes / 1e9:.2f} GB of it no file"
        return f"{self.seconds:.0f} s ({self.processor_s:.0f} s of processor), {memory}"


def measured(*command: str) -> Measured:
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    peak = own = 0
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.endswith("kB")}
        peak, own = max(peak, sizes.get("VmHWM", 0)), max(own, sizes.get("RssAnon", 0))
        time.sleep(0.1)
    assert process.stdout is not None
    output = process.stdout.read()
    assert process.returncode == 0, (command, output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(time.monotonic() - started, processor_s, peak, own, output)


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dpmesh-full-size-") as folder:
        yield Path(folder)


@pytest.mark.slow
def test_a_full_size_checkpoint_is_imported_verified_and_run(
    place: Path, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPMESH_VIDEO_CACHE", str(place / "cache"))
    golden = test_data / "golden/dpmesh"
    checkpoint = place / "3dpw_best_ckpt.pth.tar"
    arguments = [str(Path(__file__).parent), str(golden / "checkpoint_keys_real.json"), str(checkpoint)]
    made = measured(sys.executable, "-c", BUILD, *arguments)
    print(f"\nbuilt     {checkpoint.stat().st_size / 1e9:.2f} GB in {made}")
    cli = (sys.executable, "-m", "pipeline.cli")

    done = measured(*cli, "weights", "import", "dpmesh", str(checkpoint), "--with-vposer")
    folder = Path(done.output.strip())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"imported  {size / 1e9:.2f} GB in {done}")
    assert done.peak_bytes <= PEAK_MAX_BYTES
    checkpoint.unlink()

    done = measured(*cli, "weights", "verify", "dpmesh-3dpw", "vposer-v1")
    print(f"verified  {' '.join(done.output.split())} in {done}")

    started = time.monotonic()
    network = DPMesh.from_pretrained(folder)
    print(f"loaded    in {time.monotonic() - started:.1f} s")
    errors = errors_against(golden / "dpmesh_realsize_recipe_seed0.safetensors", network)
    print(f"compared  largest error {max(errors.values()):.1e} of an output's spread")
    assert {name: error for name, error in errors.items() if error > 2e-4} == {}
    del network

    clip = test_data / "data/videos/phalp_vid.mp4"
    seconds = os.environ.get("FULL_SIZE_SECONDS", "0.2")
    words = ("--detector", "bundled", "--end", seconds, "-o", str(place / "out"))
    done = measured(*cli, "run", str(clip), "--model", "dpmesh-3dpw", *words)
    print(f"ran       {done.output.strip()} in {done}")
    assert (place / "out/phalp_vid/run.json").is_file() and (place / "out/phalp_vid/overlay.mp4").is_file()


def errors_against(path: Path, network: DPMesh) -> dict[str, float]:
    """Return each stored head output's largest error over its standard deviation."""
    stored = load_file(path)
    image, joints, mask = (stored[f"input/{name}"].float() for name in ("img", "joints", "joints_mask"))
    with torch.no_grad():
        output = network(image, joints[..., :2], mask, stored["input/focal"].expand(len(image)))
    found = {
        "head/root_pose_6d": output.root_rot6d,
        "head/pose_code": output.pose_raw,
        "head/shape": output.betas,
        "head/cam": output.camera_raw,
        "transformer/joint_img": output.joint_img,
        "img_tokens_2d": output.feature_2d,
    }
    return {
        name: float((tensor - stored[f"out/{name}"]).abs().max() / stored[f"out/{name}"].std())
        for name, tensor in found.items()
    }
