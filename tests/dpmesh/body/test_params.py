"""Body parameters check themselves and select rows."""

import subprocess
import sys

import numpy as np
import pytest

from dpmesh.body.params import BodyParams


def numbered(rows: int) -> BodyParams:
    number = np.arange(rows, dtype=np.float32)
    return BodyParams(
        np.tile(number[:, None, None], (1, 24, 3)), np.tile(number[:, None], (1, 10)), np.tile(number[:, None], (1, 3))
    )


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_rest_is_zero_for_any_number_of_rows(rows: int) -> None:
    rest = BodyParams.rest(rows)
    assert len(rest) == rows and not rest.pose.any() and rest.betas.shape == (rows, 10)


def test_rows_are_taken_in_the_order_asked() -> None:
    taken = numbered(5).rows(np.array([3, 0, 3]))
    assert taken.pose[:, 7, 1].tolist() == taken.betas[:, 2].tolist() == taken.trans[:, 0].tolist() == [3, 0, 3]


@pytest.mark.parametrize(
    ("pose", "betas", "trans", "name"),
    [
        ((2, 23, 3), (2, 10), (2, 3), "pose"),
        ((2, 24, 3), (3, 10), (2, 3), "betas"),
        ((2, 24, 3), (2, 10), (2, 2), "trans"),
    ],
)
def test_a_wrong_shape_is_refused_by_name(pose: tuple, betas: tuple, trans: tuple, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        BodyParams(np.zeros(pose, np.float32), np.zeros(betas, np.float32), np.zeros(trans, np.float32))


@pytest.mark.parametrize("module", ["dpmesh.body", "dpmesh.geometry"])
def test_nouns_come_without_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
