"""Ultralytics networks computed in bfloat16, which Ultralytics itself offers on CUDA alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from ultralytics.nn.tasks import PoseModel


@contextmanager
def bfloat16_networks(device_type: str) -> Iterator[None]:
    """Let every pose network inside the `with` block compute in bfloat16 and return float32.

    The class is changed, not the instances: a checkpoint then names nothing of this module.
    """
    plain = PoseModel.predict

    def predict(self: PoseModel, *inputs: Any, **options: Any) -> Any:
        with torch.autocast(device_type, torch.bfloat16):
            result = plain(self, *inputs, **options)
        return _to_float(result)  # the losses decode boxes, where bfloat16 would step by whole pixels

    PoseModel.predict = predict  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        PoseModel.predict = plain  # type: ignore[method-assign]


def _to_float(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _to_float(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_float(item) for item in value)
    return value
