"""The number formats that networks compute in, and how many rows they take."""

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
ROWS_STEP = 8
"""Batches are filled up to a multiple of this by repeating their last row: every new shape leaves memory behind in
torch's kernels, and few shapes keep long videos at a constant size."""


def computing_in(dtype: torch.dtype, device: torch.device | str) -> torch.autocast:
    """Return the context in which a float32 network computes in another format; float32 changes nothing."""
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32)
