"""The size of the detector's input that follows from how tall people are."""

import numpy as np
import pytest

from trackers.input_size import (
    BASE_PX,
    InputSize,
    choose_size,
    described,
    fit_batch,
    look_frames,
    look_size,
    should_look_closer,
    spread_over,
)

NEEDED = 120.0


def test_tall_people_need_no_more_than_the_base_and_nobody_neither() -> None:
    assert choose_size(np.full(9, 300.0), 640, 40, NEEDED) == InputSize(BASE_PX)
    assert choose_size(np.zeros(0), 3840, 40, NEEDED) == InputSize(BASE_PX)
    assert choose_size(np.full(9, 25.0), 640, 40, NEEDED) == InputSize(BASE_PX), (
        "who is below the least height does not count"
    )


@pytest.mark.parametrize("high", [40, 60, 90, 130, 200, 400])
@pytest.mark.parametrize("side", [480, 640, 1280, 1920])
def test_people_become_tall_enough_in_the_smallest_size_that_does(high: int, side: int) -> None:
    size = choose_size(np.full(20, float(high)), side, 40, NEEDED)
    reached = high * size.image_px / side
    assert reached >= 0.89 * NEEDED or size.image_px == 3840
    assert size.image_px == BASE_PX or high * size.image_px / side < 2.3 * NEEDED


def test_large_sizes_come_in_tiles_and_tall_people_are_looked_for_in_the_whole_frame() -> None:
    assert choose_size(np.full(9, 45.0), 1280, 40, NEEDED).tile_px > 0
    mixed = choose_size(np.array([60.0] * 5 + [400.0] * 5), 640, 40, NEEDED)
    assert mixed.image_px > BASE_PX and mixed.whole_px == BASE_PX


def test_a_fixed_input_is_tiled_with_itself() -> None:
    assert choose_size(np.full(9, 300.0), 640, 40, NEEDED, fixed_px=320) == InputSize(320)
    size = choose_size(np.full(9, 80.0), 640, 40, NEEDED, fixed_px=320)
    assert size.tile_px == size.whole_px == 320 and size.image_px % 320 == 0


def test_one_small_person_among_many_does_not_make_the_clip_slow() -> None:
    assert choose_size(np.array([300.0] * 20 + [41.0]), 640, 40, NEEDED) == InputSize(BASE_PX)


def test_it_looks_closer_only_where_small_people_may_hide() -> None:
    assert not should_look_closer(np.full(5, 600.0), 1920, 40, NEEDED, 1280)
    assert should_look_closer(np.full(5, 100.0), 1920, 40, NEEDED, 1280)
    assert should_look_closer(np.zeros(0), 1920, 40, NEEDED, 1280)
    assert not should_look_closer(np.zeros(0), 400, 40, NEEDED, 1280), (
        "in a small frame everybody is large in this look"
    )


def test_a_look_is_no_larger_than_the_least_height_needs() -> None:
    assert [look_size(side, 40, NEEDED) for side in (96, 237, 330, 480, 1920)] == [640, 640, 960, 1280, 1280]


def test_the_work_is_that_of_the_pixels() -> None:
    assert InputSize(640).work((360, 640)) == pytest.approx(1.0)
    assert InputSize(1280).work((1080, 1920)) == pytest.approx(4.0)
    assert InputSize(1280, 0, 640).work((1080, 1920)) == pytest.approx(5.0)
    assert 16 + 4 < InputSize(2560, 1280, 1280).work((1080, 1920)) < 1.6 * 16 + 4


def test_a_look_is_short_and_its_frames_lie_all_over_the_clip() -> None:
    assert look_frames(None, 2) == look_frames(10, 1) == 4 and look_frames(10**6, 1) == 12
    assert spread_over(100, 200, 4) == [112, 137, 162, 187]
    assert spread_over(0, 2, 4) == [0, 1]


def test_a_choice_lasts_in_arrays_and_is_told() -> None:
    size = InputSize(2560, 1280, 1280)
    arrays = size.arrays() | {"look_frames": np.array(4), "look_heights_px": np.array([41.5, np.nan], np.float32)}
    assert InputSize.of_arrays(arrays) == size and InputSize.of_arrays({}) is None and described({}) == {}
    told = described(arrays)
    assert told["image_px"] == 2560 and told["small_people_px"] == 41.5 and told["tall_people_px"] is None


def test_large_inputs_go_through_a_network_in_smaller_batches() -> None:
    assert [fit_batch(8, px) for px in (640, 1280, 1920, 2560, 9600)] == [8, 8, 3, 2, 1]
