"""VPoser v1 from the user's own file: import of its decoder, and the decoder of a network that needs it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from configs.errors import WeightsError
from configs.weights import resolve
from dpmesh.stored.cache import WEIGHTS_FILE, check_name, whole_folder, write_record
from dpmesh.stored.checkpoint import listing, read_checkpoint, read_safetensors
from dpmesh.stored.tensor_file import plan, write_tensors

NAME = "vposer-v1"
LICENCE = "SMPL-X licence (registration; not for redistribution)"
HIDDEN, CODE, BODY_NUMBERS = 512, 32, 21 * 6
SHAPES = {
    "fc1.weight": (HIDDEN, CODE),
    "fc1.bias": (HIDDEN,),
    "fc2.weight": (HIDDEN, HIDDEN),
    "fc2.bias": (HIDDEN,),
    "out.weight": (BODY_NUMBERS, HIDDEN),
    "out.bias": (BODY_NUMBERS,),
}
"""The decoder's tensors under this network's names (Pavlakos et al. 2019, human_body_prior release v1.0)."""

DECODER, ENCODER = "bodyprior_dec_", "bodyprior_enc_"
PREFIXES = ("module.", "vposer.")
ABOUT = (
    "VPoser v1 is vposer_v1_0 from https://smpl-x.is.tue.mpg.de after registration (VPoser v2 does not fit);"
    " its weights are snapshots/TR00_E096.pt"
)


def import_vposer(source: Path, *, is_replaced: bool = False) -> Path:
    """Write the decoder in the user's VPoser v1 file or folder into the cache; return its folder there.

    Raises:
        WeightsError: the file is no VPoser v1.
        InputError: one was imported before and `is_replaced` is false.
    """
    folder = check_name(NAME, "vposer", is_replaced=is_replaced)
    path = find_snapshot(source)
    return write_decoder(folder, read_decoder(path), path)


def write_decoder(folder: Path, decoder: Mapping[str, Tensor], source: Path) -> Path:
    """Write a decoder's tensors as the imported VPoser, with `source` as the file it came from; return its folder."""
    with whole_folder(folder) as part:
        sha256 = write_tensors(part / WEIGHTS_FILE, {name: plan(tensor) for name, tensor in decoder.items()})
        write_record(
            part,
            NAME,
            importer="vposer",
            role="pose-prior",
            what="decoder of VPoser v1, the pose head of the released DPMesh checkpoints",
            licence=LICENCE,
            source=source,
            hashes={WEIGHTS_FILE: sha256},
        )
    return folder


def read_decoder(path: Path) -> dict[str, Tensor]:
    """Return the decoder's tensors of a VPoser v1 file, under this network's names, in float32.

    Raises:
        WeightsError: the file holds something else; the tensor is named.
    """
    checkpoint = read_checkpoint(path)
    checkpoint.check_content()
    found: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in checkpoint.tensors.items():
        plain = name
        for prefix in PREFIXES:
            plain = plain.removeprefix(prefix)
        if plain.startswith(DECODER):
            found[plain.removeprefix(DECODER)] = tensor
        elif not plain.startswith(ENCODER):
            unknown.append(name)
    if unknown:
        raise WeightsError(f"{path}: holds {listing(unknown)}, which VPoser v1 has not; {ABOUT}")
    return check_decoder(found, path)


def check_decoder(found: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the decoder's tensors in float32 if they are exactly VPoser v1's and finite, else raise `WeightsError`."""
    missing, unknown = SHAPES.keys() - found.keys(), found.keys() - SHAPES.keys()
    if missing or unknown:
        problem = f"lacks {DECODER}{listing(missing)}" if missing else f"has an unknown {DECODER}{listing(unknown)}"
        raise WeightsError(f"{path}: {problem}; {ABOUT}")
    for name, shape in SHAPES.items():
        if tuple(found[name].shape) != shape or not bool(torch.isfinite(found[name]).all()):
            raise WeightsError(f"{path}: {DECODER}{name} is {tuple(found[name].shape)}, needs finite {shape}; {ABOUT}")
    return {name: tensor.float().clone() for name, tensor in found.items()}


def imported_decoder() -> dict[str, Tensor]:
    """Return the decoder that was imported on this machine, as tensors below a VPoserDecoder.

    Raises:
        WeightsError: none was imported; says how to.
    """
    path = find_decoder()
    return check_decoder(read_safetensors(path), path)


def find_decoder() -> Path:
    """Return the file of the decoder that was imported on this machine.

    Raises:
        WeightsError: none was imported; says how to.
    """
    try:
        return resolve(NAME)
    except WeightsError as error:
        raise WeightsError(f"the network's pose head needs VPoser: {error}; {ABOUT}") from error


def find_snapshot(source: Path) -> Path:
    """Return the file of weights in a VPoser folder, or `source` itself when it is no folder.

    Raises:
        WeightsError: the folder has none.
    """
    if not source.is_dir():
        return source
    found = sorted([*source.glob("*.pt"), *source.glob("snapshots/*.pt"), *source.glob("*/snapshots/*.pt")])
    if not found:
        raise WeightsError(f"{source}: holds no snapshots/*.pt; {ABOUT}")
    return found[-1]  # the last epoch, as the authors' own loader takes it
