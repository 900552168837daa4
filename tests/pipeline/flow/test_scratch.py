"""Rows in a file without a name."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.flow.scratch import rows_on_disk

KINDS = {"number": (np.dtype(np.int64), ()), "place": (np.dtype(np.float32), (2, 3))}


def parts(*counts: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"number": rng.integers(0, 99, n), "place": rng.normal(size=(n, 2, 3)).astype(np.float32)} for n in counts]


@pytest.mark.parametrize("counts", [(), (0,), (1,), (700, 0, 3, 5000)])
def test_rows_come_back_and_leave_no_file(tmp_path: Path, counts: tuple[int, ...]) -> None:
    given = parts(*counts)
    found = rows_on_disk(iter(given), KINDS, sum(counts), tmp_path)
    for name, (kind, shape) in KINDS.items():
        wanted = np.concatenate([np.zeros((0, *shape), kind), *(part[name] for part in given)])
        np.testing.assert_array_equal(found[name], wanted)
        assert found[name].dtype == kind
    assert not list(tmp_path.iterdir())


def test_rows_are_not_changed(tmp_path: Path) -> None:
    found = rows_on_disk(parts(4), KINDS, 4, tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        found["place"][0] = 1


@pytest.mark.parametrize("count", [3, 5])
def test_a_wrong_count_is_an_error(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match="rows came"):
        rows_on_disk(parts(2, 2), KINDS, count, tmp_path)
