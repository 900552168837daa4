"""How close an imported network has to come to its original runtime."""

from configs.errors import WeightsError

DIFFERENCE_MAX = 1e-3  # of an output's range


def check_difference(source: str, output: str, difference: float) -> None:
    """Raise `WeightsError` where an output differs from the original runtime's by more than `DIFFERENCE_MAX`.

    Args:
        source, output: what was imported, and which of its outputs it is, for the message.
        difference: over the output's range; NaN is too much.
    """
    if not difference <= DIFFERENCE_MAX:
        raise WeightsError(
            f"{source}: output {output} differs from the original runtime's by {difference:.2g} of its range, at most "
            f"{DIFFERENCE_MAX} is allowed; this version of the file cannot be imported"
        )
