"""The number formats that networks compute in."""

import torch

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def computing_in(dtype: torch.dtype, device: torch.device | str) -> torch.autocast:
    """Return the context in which a float32 network computes in another format; float32 changes nothing."""
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32)
