"""The classes that a network with a config of its own derives from; a command loads them without what they do not use.

diffusers imports torch's compiler only to mark functions for it, transformers only for quantised pipelines, and reads
which package of all that are installed brings which module; it goes on without any of these. Nothing here compiles or
quantises, and the three take two seconds. A program that imports this package may, so there diffusers stays as it is.
"""

import importlib.metadata
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Self

import torch

from configs.process import is_own_process

UNUSED = ("torch._dynamo", "transformers")


@contextmanager
def _unused_unseen() -> Iterator[None]:
    hidden = [name for name in UNUSED if name not in sys.modules]
    read_packages = importlib.metadata.packages_distributions
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # imports of what is None fail
    importlib.metadata.packages_distributions = lambda: {}
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = read_packages
        for name in hidden:
            del sys.modules[name]


with _unused_unseen() if is_own_process() else nullcontext():
    from diffusers import ConfigMixin
    from diffusers import ModelMixin as PlainModelMixin
    from diffusers.configuration_utils import register_to_config


class ModelMixin(PlainModelMixin):
    """diffusers' mixin, which moves to a device without importing its hooks, peft and the compiler."""

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move as any module of torch does: there are no quantised or offloaded layers here."""
        move: Any = torch.nn.Module.to
        moved: Self = move(self, *args, **kwargs)
        return moved


__all__ = ["ConfigMixin", "ModelMixin", "register_to_config"]
