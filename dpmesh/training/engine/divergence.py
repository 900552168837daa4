"""A training that has lost its way: steps without a gradient, weights that are no numbers."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from configs.errors import RunError

BAD_STEPS_MAX = 20
"""Steps in a row without a finite gradient after which nothing better is to be expected."""
_ADVICE = "is as it was when last saved; give a lower --learning-rate"


class GradientWatch:
    """Counts the steps in a row whose gradient is not finite."""

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._bad_steps = 0

    def is_sound(self, norm: Tensor, step: int) -> bool:
        """Return whether a step may be taken.

        Raises:
            RunError: there were too many in a row that may not.
        """
        if torch.isfinite(norm):
            self._bad_steps = 0
            return True
        self._bad_steps += 1
        if self._bad_steps >= BAD_STEPS_MAX:
            raise RunError(
                f"step {step}: the last {BAD_STEPS_MAX} gradients were not finite; {self._checkpoint} {_ADVICE}"
            )
        return False


def check_finite(average: Mapping[str, Tensor], checkpoint: Path) -> None:
    """Raise RunError where averaged weights, which `checkpoint` is for, are not finite."""
    bad = next((name for name, value in average.items() if not bool(value.isfinite().all())), None)
    if bad is not None:
        raise RunError(f"the averaged weights are not finite, {bad} among them; {checkpoint} {_ADVICE}")
