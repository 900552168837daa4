"""How many crops per second a network recovers, where the time goes, and what was won over a plain one.

The plain network has the same weights and the modules as diffusers builds them: float32, attention with every map
written out, LoRA layers not merged, weights not packed.
"""

import contextlib
import gc
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from configs.command import OptionParser
from configs.number_formats import FORMATS, computing_in
from configs.packed_layers import can_pack
from dpmesh.network.config import JOINT_COUNT, LATENT_PX, PRESETS
from dpmesh.network.model import DPMesh, DPMeshOutput
from dpmesh.network.packing import pack, packed_parts
from dpmesh.network.prompts import heatmaps
from dpmesh.network.unet import MapAttention, decode, encode, time_embedding
from dpmesh.weights.lora import merge_lora

_HEADS = ("pose_raw", "betas", "camera_raw", "joint_img")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Random crops with random joints."""

    image: Tensor  # (R, 3, P, P)
    joints: Tensor  # (R, 30, 2)
    mask: Tensor  # (R, 30, 1)

    @classmethod
    def draw(cls, rows: int, image_px: int, device: torch.device) -> "Inputs":
        """Return the same inputs at every call."""
        generator = torch.Generator(device).manual_seed(0)
        image = torch.rand((rows, 3, image_px, image_px), generator=generator, device=device)
        joints = LATENT_PX * torch.rand((rows, JOINT_COUNT, 2), generator=generator, device=device)
        return cls(image, joints, torch.ones_like(joints[..., :1]))


def seconds_of(run: Callable[[], Any], device: torch.device, *, calls: int) -> float:
    """Return the mean seconds of one call, after one that does not count."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    run()
    wait()
    start = time.perf_counter()
    for _ in range(calls):
        run()
    wait()
    return (time.perf_counter() - start) / calls


def parts_of(network: DPMesh, inputs: Inputs) -> dict[str, Callable[[], object]]:
    """Return calls that run one part each of the network, on inputs computed once."""
    backbone = network.backbone
    maps = heatmaps(inputs.joints, inputs.mask, backbone.config.heatmap_sigma)
    context = backbone.prompt(inputs.joints, inputs.mask)
    latents = backbone.latents(inputs.image)
    control = backbone.control(latents, maps, context)
    seen = backbone(inputs.image, inputs.joints, inputs.mask)
    fused, taps = seen.features.fused, seen.up.taps

    def unet() -> None:
        temb = time_embedding(backbone.unet, backbone.config.timestep)
        down = encode(backbone.unet, latents, temb, context, record=True)
        skips = [skip + residual for skip, residual in zip(down.skips, control[:-1], strict=True)]
        decode(backbone.unet, down.middle + control[-1], skips, temb, context)

    def head() -> None:
        volume = network.volume(fused)
        first = None if network.joint_lift is None else network.joint_lift(inputs.joints, inputs.mask, taps)
        network.transformer(fused, network.volume, volume, first)

    return {
        "latent": lambda: backbone.latents(inputs.image),
        "control": lambda: backbone.control(latents, maps, context),
        "u-net": unet,
        "head": head,
    }


class _PlainAttention(AttnProcessor):
    """The processor of diffusers, deaf to the list that wants maps."""

    def __call__(self, *inputs: Any, maps: object = None, **options: Any) -> Tensor:
        """Return what diffusers' own processor returns."""
        return super().__call__(*inputs, **options)


class Bench:
    """One network with random weights, first plain, then as a run has it."""

    def __init__(self, preset: str, device: torch.device, calls: int) -> None:
        self.device = device
        self._calls = calls
        with device:
            self.network: DPMesh = DPMesh.from_preset(preset).eval()
        for name, parameter in self.network.named_parameters():
            if "lora_B" in name:  # peft starts it at zero, which would hide a wrong merge
                torch.nn.init.normal_(parameter, std=0.01)
        self.image_px = self.network.settings.backbone.image_px
        self._forward = self.network.forward

    def make_plain(self) -> None:
        """Let every attention of the U-Net and the control branch write its map out, as diffusers' own processor."""
        backbone = self.network.backbone
        for net, has_maps in ((backbone.unet, True), (backbone.control.net, False)):
            net.set_attn_processor(
                {
                    name: MapAttention() if has_maps and ".attn2" in name else _PlainAttention()
                    for name in net.attn_processors
                }
            )

    def make_fast(self, dtype: torch.dtype) -> None:
        """Do what a run does before its first crop."""
        for net in (self.network.backbone.unet, self.network.backbone.control.net):
            net.set_attn_processor(MapAttention())
        merge_lora(self.network)
        if self.device.type == "cpu":
            if can_pack(dtype):
                pack(self.network, dtype)
        else:
            self.network.to(memory_format=torch.channels_last)

    def make_compiled(self) -> None:
        """Let torch's compiler have the network; it works at the first call."""
        for net in (self.network.backbone.unet, self.network.backbone.control.net):
            net.set_attn_processor(MapAttention())
        merge_lora(self.network)
        options: dict[str, Any] | None = {"freezing": True} if self.device.type == "cpu" else None
        self._forward = torch.compile(self.network.forward, dynamic=False, options=options)

    def round_weights(self, dtype: torch.dtype) -> None:
        """Give the layers that would be packed the weights that a number format can hold; they stay float32."""
        merge_lora(self.network)
        for part in packed_parts(self.network):
            for layer in part.modules():
                if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                    layer.weight.copy_(layer.weight.to(dtype))

    def run(self, inputs: Inputs, dtype: torch.dtype) -> DPMeshOutput:
        """Return the network's output, computed in a number format."""
        with computing_in(dtype, self.device):
            return self._forward(inputs.image, inputs.joints, inputs.mask)

    def measure(self, rows: int, dtype: torch.dtype) -> "Measured":
        """Return figures of a batch of this size, computed in a number format."""
        inputs = Inputs.draw(rows, self.image_px, self.device)
        seconds = self.seconds_of_run(inputs, dtype)
        with computing_in(dtype, self.device):
            parts = parts_of(self.network, inputs)
            shares = {part: seconds_of(call, self.device, calls=self._calls) for part, call in parts.items()}
        return Measured(rows, seconds, shares, self.heads_of(rows, dtype))

    def seconds_of_run(self, inputs: Inputs, dtype: torch.dtype) -> float:
        """Return the mean seconds of the network."""
        return seconds_of(lambda: self.run(inputs, dtype), self.device, calls=self._calls)

    def heads_of(self, rows: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """Return what the heads say of a batch of this size."""
        output = self.run(Inputs.draw(rows, self.image_px, self.device), dtype)
        return {head: getattr(output, head).float() for head in _HEADS}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a batch cost and gave."""

    rows: int
    seconds: float
    shares: dict[str, float]  # seconds of each part
    heads: dict[str, Tensor]

    @property
    def pace(self) -> float:
        """Crops per second."""
        return self.rows / self.seconds

    def line(self, name: str, flops_per_crop: float, ceiling_flops: float, peak: str) -> str:
        """Return the figures as text."""
        line = "  ".join(f"{part} {1000 * share:.0f} ms" for part, share in self.shares.items())
        speed = self.pace * flops_per_crop
        return (
            f"{name} batch {self.rows}: {self.pace:.3f} crops/s, {speed / 1e9:.0f} GFLOP/s"
            f" ({speed / ceiling_flops:.0%} of the matrix product), peak {peak}  ({line})"
        )


def errors_of(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Return the largest and the root mean square difference of each output over the wanted one's deviation."""
    parts = []
    for name, right in wanted.items():
        apart = (found[name] - right).abs() / right.std()
        parts.append(f"{name} {float(apart.max()):.1e} ({float(apart.square().mean().sqrt()):.1e})")
    return "  ".join(parts)


def ceiling(device: torch.device, dtype: torch.dtype, size: int = 2048) -> float:
    """Return the floating-point operations per second of a square matrix product on this machine."""
    left, right = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds_of(lambda: left @ right, device, calls=5)


def peak_of(device: torch.device) -> str:
    """Return the most memory since the last `forget_peak`: of the device, or of the process on a CPU."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB"
    try:
        status = Path("/proc/self/status").read_text()
        return f"{int(status.split('VmHWM:')[1].split()[0]) / 2**20:.2f} GiB"
    except (OSError, IndexError):
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB since the start"


def forget_peak(device: torch.device) -> None:
    """Begin a new measurement of the peak, where the system can (Linux, CUDA)."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


@torch.no_grad()
def bench(
    preset: str, device: torch.device, types: list[str], batches: list[int], calls: int, *, is_compiled: bool = False
) -> None:
    """Print crops per second plain and fast, their errors, and the share of every part.

    Every batch size has a network of its own, as packed weights are laid out for one.

    Args:
        is_compiled: also measure what `torch.compile` makes of the network.
    """
    _say(f"{preset} on {device}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    ceilings = {name: ceiling(device, FORMATS[name]) for name in dict.fromkeys(["float32", *types])}
    for name, flops in ceilings.items():
        _say(f"matrix product of 2048 x 2048 in {name}: {flops / 1e9:.0f} GFLOP/s")
    plain = _fresh(preset, device, calls)
    plain.make_plain()
    with FlopCounterMode(display=False) as counter:
        plain.run(Inputs.draw(1, plain.image_px, device), torch.float32)
    flops_per_crop = counter.get_total_flops()
    _say(f"one crop: {flops_per_crop / 1e9:.0f} GFLOP")
    wanted: dict[int, Measured] = {}
    for rows in batches:
        forget_peak(device)
        wanted[rows] = plain.measure(rows, torch.float32)
        _say(wanted[rows].line("plain float32", flops_per_crop, ceilings["float32"], peak_of(device)))
    del plain
    for name in types:
        dtype = FORMATS[name]
        kind = "packed" if device.type == "cpu" and can_pack(dtype) else "fused"
        for rows in batches:
            fast = _fresh(preset, device, calls)
            fast.make_fast(dtype)
            forget_peak(device)
            found = fast.measure(rows, dtype)
            _say(found.line(f"{kind} {name}", flops_per_crop, ceilings[name], peak_of(device)))
            won, errors = found.pace / wanted[rows].pace, errors_of(found.heads, wanted[rows].heads)
            _say(f"  {won:.2f} times the plain network; errors, largest (root mean square): {errors}")
            del fast
            if is_compiled:
                bench_compiled(_fresh(preset, device, calls), rows, name, found)
        if dtype != torch.float32:
            rounded = _fresh(preset, device, calls)
            rounded.round_weights(dtype)
            for rows in batches:
                errors = errors_of(rounded.heads_of(rows), wanted[rows].heads)
                _say(f"weights rounded to {name}, all else float32, batch {rows}: errors {errors}")
            del rounded


def bench_compiled(compiled: Bench, rows: int, name: str, packed: Measured) -> None:
    """Print what compiling costs, what it gives, and from how many crops on it pays."""
    compiled.make_compiled()
    inputs, dtype = Inputs.draw(rows, compiled.image_px, compiled.device), FORMATS[name]
    start = time.perf_counter()
    compiled.run(inputs, dtype)
    spent = time.perf_counter() - start
    pace = rows / compiled.seconds_of_run(inputs, dtype)
    saved = 1.0 / packed.pace - 1.0 / pace
    pays = f"pays from {spent / saved:.0f} crops on" if saved > 0 else "never pays"
    _say(f"compiled {name} batch {rows}: {pace:.3f} crops/s after {spent:.0f} s of compiling, which {pays}")


def _fresh(preset: str, device: torch.device, calls: int) -> Bench:
    """Return a network with the same random weights at every call."""
    torch.manual_seed(0)
    return Bench(preset, device, calls)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OptionParser(prog="dpmesh-video bench network", description=__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="release")
    parser.add_argument("--device", default="cpu", help="as torch names it: cpu, cuda, cuda:1")
    parser.add_argument("--types", nargs="+", choices=sorted(FORMATS), default=["float32", "bfloat16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 8])
    parser.add_argument("--calls", type=int, default=2, help="timed calls per figure")
    parser.add_argument("--threads", type=int, help="of torch; all cores by default")
    parser.add_argument("--compile", action="store_true", help="also measure torch.compile, which takes minutes")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    bench(options.preset, device, options.types, options.batches, options.calls, is_compiled=options.compile)
    return 0
