"""What a network's folder may ask for: the table of contents of its weights bounds what is built."""

from collections.abc import Sequence
from math import prod
from typing import Any

from torch.overrides import TorchFunctionMode

from configs.network_files import TensorSizes

SPARE_NUMBERS = 2**24  # tables that modules compute, and parts whose weights are kept elsewhere (VPoser)
SPARE_TENSORS = 2000
FACTORIES = {"arange", "empty", "eye", "full", "linspace", "logspace", "ones", "rand", "randn", "zeros"}


class BuildBudget(TorchFunctionMode):
    """While it is active, tensors may be made for a network of the size of its weights file and little more.

    Raises `ValueError` at the first tensor beyond, before memory is taken for it.
    """

    def __init__(self, sizes: TensorSizes) -> None:
        super().__init__()
        self._numbers_left = sizes.numbers + SPARE_NUMBERS
        self._tensors_left = 4 * sizes.tensors + SPARE_TENSORS
        self._about = f"the weights file holds {sizes.numbers:,} numbers in {sizes.tensors} tensors"

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in FACTORIES:
            self._tensors_left -= 1
            self._numbers_left -= _numbers_of(name, args, kwargs)
            if self._numbers_left < 0 or self._tensors_left < 0:
                raise ValueError(f"describes a larger network than its weights: {self._about}")
        return func(*args, **kwargs)


def _numbers_of(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """Return how many numbers a call makes; sizes that are none are left to torch to refuse."""
    given = [*args, *(kwargs[key] for key in ("size", "end", "steps", "n") if key in kwargs)]
    if name == "full":
        given = given[:1]
    if name in ("arange", "linspace", "logspace"):
        return int(max((abs(value) for value in given if isinstance(value, int | float)), default=0))
    if given and isinstance(given[0], list | tuple):
        given = list(given[0])
    sizes = [value for value in given if isinstance(value, int)]
    return 0 if min(sizes, default=0) < 0 else prod(sizes)
