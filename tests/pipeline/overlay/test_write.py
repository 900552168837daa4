from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from configs.output_schema import OverlaySettings
from dpmesh.body import load_body
from pipeline.media import VideoWriter
from pipeline.motion.library import MotionLibrary, TrackEntry
from pipeline.overlay.palette import identity_colours
from pipeline.overlay.write import write_overlay
from pipeline.types import Frame


class Sink:
    """Keeps what would be written."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []
        self.times: list[float] = []
        self.size = (0, 0)
        self.opened = 0

    def open(self, path: Path, width: int, height: int) -> "Sink":
        self.size, self.opened = (width, height), self.opened + 1
        return self

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, image: np.ndarray, time_s: float) -> None:
        assert image.dtype == np.uint8 and image.shape == (self.size[1], self.size[0], 3)
        self.images.append(image)
        self.times.append(time_s)


def frames_of(count: int, width: int = 640, height: int = 360, start: int = 0):
    return (Frame(start + t, t / 10, np.full((height, width, 3), 60, np.uint8)) for t in range(count))


def library_of(tracks) -> MotionLibrary:
    return MotionLibrary(
        [TrackEntry(track.frame_index[0], track.frame_index[-1], lambda track=track: track) for track in tracks]
    )


def overlay(tracks, body, frames, **settings) -> Sink:
    sink = Sink()
    library = library_of(tracks)
    count = write_overlay(frames, library, body, Path("unused.mp4"), OverlaySettings(**settings), sink.open)
    assert count == len(sink.images)
    return sink


def is_changed(image: np.ndarray) -> bool:
    return bool((image != 60).any())


def test_people_are_drawn_exactly_in_the_frames_they_have_a_body_in(make_track, stick_body) -> None:
    track = make_track(np.arange(4) / 10, frame_index=np.array([2, 3, 5, 11]))
    sink = overlay([track], stick_body, frames_of(13))
    assert [t for t, image in enumerate(sink.images) if is_changed(image)] == [2, 3, 5, 11]
    assert sink.times == [t / 10 for t in range(13)]


def test_a_clip_that_starts_later_keeps_its_frame_numbers(make_track, stick_body) -> None:
    track = make_track(np.arange(2) / 10, frame_index=np.array([101, 102]))
    sink = overlay([track], stick_body, frames_of(4, start=100))
    assert [is_changed(image) for image in sink.images] == [False, True, True, False]


@pytest.mark.parametrize(("background", "colour"), [("black", 0), ("white", 255)])
def test_on_a_plain_background_bodies_are_all_that_is_seen(
    make_track, stick_body, background: str, colour: int
) -> None:
    track = make_track(np.array([0.0]), frame_index=np.array([1]))
    sink = overlay([track], stick_body, frames_of(2), background=background)
    assert np.all(sink.images[0] == colour)
    over_video = overlay([track], stick_body, frames_of(2), opacity=1.0).images[1]
    x, y = np.round(track.keypoints[0, 15, :2]).astype(int)
    np.testing.assert_array_equal(sink.images[1][y, x], over_video[y, x])  # opaque, whatever the opacity over frames


def test_the_body_lies_on_the_keypoints_in_its_colour(make_track, stick_body) -> None:
    track = make_track(np.array([0.0]), track_id=3)
    image = overlay([track], stick_body, frames_of(1), opacity=1.0).images[0]
    x, y = np.round(track.keypoints[0, 15, :2]).astype(int)  # an ankle, far from the name tag
    pixel, colour = image[y, x].astype(float), identity_colours(np.array([3]))[0].astype(float)
    assert pixel @ colour / np.linalg.norm(pixel) / np.linalg.norm(colour) > 0.99


def test_the_picture_shrinks_and_the_body_with_it(make_track, stick_body) -> None:
    track = make_track(np.array([0.0]))
    full = overlay([track], stick_body, frames_of(1)).images[0]
    sink = overlay([track], stick_body, frames_of(1), max_side_px=320)
    assert sink.size == (320, 180)

    def centre(image: np.ndarray) -> np.ndarray:
        return np.array(np.nonzero((image != 60).any(axis=-1))).mean(axis=1)

    np.testing.assert_allclose(centre(sink.images[0]), centre(full) / 2, atol=2)


@pytest.mark.parametrize(("width", "height"), [(639, 359), (101, 57), (360, 641)])
def test_sides_are_even_for_the_codec(make_track, stick_body, width: int, height: int) -> None:
    sink = overlay([make_track(np.array([0.0]))], stick_body, frames_of(1, width, height), is_side_view_on=True)
    assert sink.size[0] % 2 == 0 and sink.size[1] % 2 == 0


def test_filled_frames_look_fainter(make_track, stick_body) -> None:
    track = make_track(np.arange(2) / 10, is_observed=np.array([True, False]), speed_mps=(0, 0, 0))
    seen, filled = overlay([track], stick_body, frames_of(2)).images
    mask = (seen != 60).any(axis=-1) & (filled != 60).any(axis=-1)
    spread = [np.ptp(image[mask].astype(int), axis=-1).mean() for image in (seen, filled)]
    assert spread[1] < 0.5 * spread[0]


def test_the_side_view_is_a_second_panel_with_the_same_people(make_track, stick_body) -> None:
    track = make_track(np.arange(2) / 10, frame_index=np.array([0, 1]))
    sink = overlay([track], stick_body, frames_of(3), is_side_view_on=True)
    assert sink.size == (640 + 360, 360)
    panels = [image[:, 640:] for image in sink.images]
    assert (panels[0] != panels[2]).any() and (panels[1] != panels[2]).any()


def test_boxes_and_skeletons_are_drawn_on_request(make_track, stick_body) -> None:
    track = make_track(np.array([0.0]))
    plain = overlay([track], stick_body, frames_of(1)).images[0]
    for name in ("is_box_drawn", "is_skeleton_drawn"):
        assert (overlay([track], stick_body, frames_of(1), **{name: True}).images[0] != plain).any()


def test_nobody_leaves_the_frames_as_they_are(stick_body) -> None:
    sink = overlay([], stick_body, frames_of(10))
    assert len(sink.images) == 10 and not any(is_changed(image) for image in sink.images)


def test_a_clip_without_frames_opens_no_file(make_track, stick_body) -> None:
    assert overlay([make_track(np.array([0.0]))], stick_body, frames_of(0)).opened == 0


def test_frames_are_taken_as_they_come(make_track, stick_body) -> None:
    taken = []

    def counted():
        for frame in frames_of(40):
            taken.append(frame.index)
            yield frame

    class Watching(Sink):
        def write(self, image: np.ndarray, time_s: float) -> None:
            super().write(image, time_s)
            assert len(taken) - len(self.images) <= 16  # memory holds a few frames, not the clip

    sink = Watching()
    tracks = library_of([make_track(np.arange(40) / 10)])
    write_overlay(counted(), tracks, stick_body, Path("x.mp4"), OverlaySettings(), sink.open)
    assert len(sink.images) == 40


def test_the_number_of_threads_changes_no_pixel(stick_body, make_track) -> None:
    tracks, sinks = library_of([make_track(np.arange(40) / 10)]), [Sink(), Sink()]
    for sink, threads in zip(sinks, (1, 3), strict=True):
        write_overlay(frames_of(40), tracks, stick_body, Path("x.mp4"), OverlaySettings(), sink.open, threads=threads)
    assert is_changed(sinks[0].images[0])
    assert all(np.array_equal(one, other) for one, other in zip(sinks[0].images, sinks[1].images, strict=True))


def test_the_video_has_every_frame_at_its_time(tmp_path: Path, make_track) -> None:
    body = load_body(None)
    times = np.array([0.0, 0.04, 0.12, 0.16, 0.3])
    frames = (Frame(t, float(s), np.full((120, 160, 3), 60, np.uint8)) for t, s in enumerate(times))
    track = make_track(times, focal_px=np.full(5, 120, np.float32), principal_px=np.tile(np.float32([80, 60]), (5, 1)))
    path = tmp_path / "overlay.mp4"

    def open_writer(target: Path, width: int, height: int) -> VideoWriter:
        return VideoWriter(target, width, height, Fraction(25))

    assert write_overlay(frames, library_of([track]), body, path, OverlaySettings(), open_writer) == 5
    with av.open(path) as container:
        shown = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    np.testing.assert_allclose([time - shown[0][0] for time, _ in shown], times, atol=1e-3)
    assert all(np.abs(image.astype(int) - 60).max() > 60 for _, image in shown)
