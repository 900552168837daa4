"""The classes that a network with a config of its own derives from; a command loads them without torch's compiler.

diffusers imports the compiler only to mark functions for it, and goes on without where there is none. Nothing here
compiles, and the import takes a second. A program that imports this package may, so there diffusers stays as it is.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Self

import torch

from configs.process import is_own_process

COMPILER = "torch._dynamo"


@contextmanager
def _compiler_unseen() -> Iterator[None]:
    if COMPILER in sys.modules:
        yield
        return
    sys.modules[COMPILER] = None  # type: ignore[assignment]  # imports of it fail
    try:
        yield
    finally:
        del sys.modules[COMPILER]


with _compiler_unseen() if is_own_process() else nullcontext():
    import diffusers
    from diffusers import ConfigMixin
    from diffusers.configuration_utils import register_to_config


class ModelMixin(diffusers.ModelMixin):
    """diffusers' mixin, which moves to a device without importing its hooks, peft and the compiler."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move as any module of torch does: there are no quantised or offloaded layers here."""
        move: Any = torch.nn.Module.to
        moved: Self = move(self, *args, **kwargs)
        return moved


__all__ = ["ConfigMixin", "ModelMixin", "register_to_config"]
