"""The parts of diffusers that the networks are made of; a command loads them without peft.

diffusers imports peft wherever it is installed, for adapters and hooks that nothing here uses. A program that imports
this package may use them, so there diffusers stays as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from diffusers.utils import import_utils

from configs.process import is_own_process


@contextmanager
def _peft_unseen() -> Iterator[None]:
    known = import_utils._peft_available
    import_utils._peft_available = False
    try:
        yield
    finally:
        import_utils._peft_available = known


with _peft_unseen() if is_own_process() else nullcontext():
    from diffusers import ControlNetModel, UNet2DConditionModel
    from diffusers.models.attention_processor import Attention
    from diffusers.models.autoencoders.vae import Encoder

__all__ = ["Attention", "ControlNetModel", "Encoder", "UNet2DConditionModel"]
