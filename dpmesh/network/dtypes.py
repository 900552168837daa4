"""The number formats that networks compute in."""

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
