from typing import get_args

import pytest
from keypoint_people import named_points, points_of

from configs.schema import DetectSettings, KeypointFormat, RunSettings
from trackers.keypoint_layouts import COCO_NAMES, FOOT_NAMES, KEPT_NAMES, LAYOUTS, layout_of_names, to_kept


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_every_coco_keypoint_and_foot_point_the_row_of_its_name(name: str) -> None:
    layout, named = LAYOUTS[name], named_points()
    kept = to_kept(points_of(layout), layout)
    for point, found in zip(KEPT_NAMES, kept, strict=True):
        assert tuple(found) == (named[point] if point in layout.points else (0, 0, 0)), point
    lacking = set(COCO_NAMES) - set(layout.points)
    assert lacking == (set(COCO_NAMES[:5]) if name == "h36m17" else set())
    assert layout.has_feet == (name in ("coco23", "body25", "body25b", "halpe26", "halpe136", "wholebody133",
                                        "body135", "mediapipe33"))  # fmt: skip


# Rows as the tools' own pages number them.
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("body25", (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11, 19, 20, 21, 22, 23, 24)),
        ("openpose18", (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10, *[-1] * 6)),
        ("body25b", (*range(17), 19, 20, 21, 22, 23, 24)),
        ("body135", (*range(17), 19, 20, 21, 22, 23, 24)),
        ("halpe26", (*range(17), 20, 22, 24, 21, 23, 25)),
        ("halpe136", (*range(17), 20, 22, 24, 21, 23, 25)),
        ("wholebody133", tuple(range(23))),
        ("mediapipe33", (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28, 31, -1, 29, 32, -1, 30)),
        ("h36m17", (*[-1] * 5, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3, *[-1] * 6)),
    ],
)
def test_rows_are_those_of_the_tools_pages(name: str, rows: tuple[int, ...]) -> None:
    assert LAYOUTS[name].rows == rows


def test_the_settings_know_every_layout_and_no_other() -> None:
    literal = get_args(get_args(KeypointFormat)[0])
    assert set(literal) == {"auto", *LAYOUTS}
    assert DetectSettings(keypoints="a.json", keypoints_format="BODY_25B").keypoints_format == "body25b"


@pytest.mark.parametrize("given", [{"track": {"is_id_kept": True}}, {"detect": {"keypoints_format": "body25"}}])
def test_what_is_said_of_a_keypoint_file_needs_one(given: dict[str, dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="give one with --keypoints"):
        RunSettings.model_validate(given)


@pytest.mark.parametrize("write", [str.title, str.upper, lambda name: name.replace("left_", "l_").replace("_", " ")])
def test_points_that_are_named_need_no_known_order(write: object) -> None:
    names = [*reversed(COCO_NAMES), "tail", *FOOT_NAMES]
    layout = layout_of_names([write(name) for name in names])  # type: ignore[operator]
    assert layout is not None and layout.rows == (*range(16, -1, -1), *range(18, 24))
    assert layout_of_names(["nose", "tail", "paw"]) is None
    camel = layout_of_names(["leftHip" if name == "left_hip" else name for name in COCO_NAMES])
    assert camel is not None and camel.rows[:17] == tuple(range(17))
