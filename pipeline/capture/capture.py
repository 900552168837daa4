"""A capture: a rig of calibrated cameras and the video of each that there is one of."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.errors import InputError
from configs.schema import DecodeSettings
from pipeline.capture.calibration import Calibration, read_calibration
from pipeline.capture.camera import Camera
from pipeline.media import VideoInfo, probe
from pipeline.media.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES

VIDEO_FOLDERS = ("", "videos", "hdVideos", "hdImgs", "images")
"""Where videos, or a folder of images for each camera, are looked for, in this order."""


@dataclass(frozen=True, slots=True)
class Capture:
    """The cameras that have a video, those that have none, and how they were found."""

    folder: Path
    calibration: Calibration
    videos: dict[str, Path]
    """By the name of the camera, in the calibration's order."""
    unmatched: tuple[Path, ...] = ()
    """Videos that belong to no camera."""
    notes: tuple[str, ...] = ()
    """What was assumed."""

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The cameras with a video."""
        return tuple(camera for camera in self.calibration.cameras if camera.name in self.videos)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the cameras without a video."""
        return tuple(camera.name for camera in self.calibration.cameras if camera.name not in self.videos)

    def choose(self, names: Sequence[str]) -> tuple[Camera, ...]:
        """Return the cameras of these names, in this order.

        Raises:
            InputError: there is no such camera, or it has no video.
        """
        by_name = {camera.name: camera for camera in self.cameras}
        for name in names:
            if name not in by_name:
                known = "it has no video" if name in self.missing else "the calibration does not know it"
                raise InputError(f"{self.folder}: camera {name!r}: {known}; choose from {', '.join(by_name)}")
        return tuple(by_name[name] for name in dict.fromkeys(names))


def find_capture(folder: Path, calibration: Path | None = None) -> Capture:
    """Return the capture in a folder: its calibration, and its videos by the names of the cameras.

    A video belongs to the camera whose name it has, or ends in as a word of its own (`hd_00_03` is `00_03`,
    `run-cam2` is `cam2`). Where no name fits and there are as many videos as cameras, both are taken in their order,
    and a note says so.

    Raises:
        InputError: there is no such folder, no calibration in it, or no video.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder with a capture's videos")
    found = read_calibration(calibration if calibration is not None else folder)
    videos = find_videos(folder)
    if not videos:
        places = ", ".join(f"{name}/" for name in VIDEO_FOLDERS if name)
        raise InputError(f"{folder}: holds no videos, neither itself nor in {places}; put them there")
    names = [camera.name for camera in found.cameras]
    matched: dict[str, Path] = {}
    for name in names:
        fitting = [video for video in videos if is_named(video, name)]
        if len(fitting) > 1:
            listed = ", ".join(video.name for video in fitting)
            raise InputError(f"{folder}: camera {name} has several videos ({listed}); leave one")
        if fitting:
            matched[name] = fitting[0]
    notes: tuple[str, ...] = ()
    if not matched and len(videos) == len(names):
        matched = dict(zip(names, videos, strict=True))
        pairs = ", ".join(f"{name} {video.name}" for name, video in matched.items())
        notes = (f"no video is named after a camera, so they were taken in their order: {pairs}",)
    if not matched:
        raise InputError(
            f"{folder}: no video is named after a camera of {found.path.name} ({', '.join(names[:8])}"
            f"{', ...' if len(names) > 8 else ''}); name them {names[0]}{videos[0].suffix} and so on"
        )
    left = tuple(video for video in videos if video not in matched.values())
    return Capture(folder, found, matched, left, notes)


def find_videos(folder: Path) -> list[Path]:
    """Return the videos of a capture, sorted by name: of the first of `VIDEO_FOLDERS` that holds any."""
    for name in VIDEO_FOLDERS:
        place = folder / name
        if not place.is_dir():
            continue
        files = sorted(place.iterdir(), key=lambda path: path.name)
        videos = [path for path in files if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES]
        if not videos and name:
            videos = [path for path in files if path.is_dir() and _holds_images(path)]
        if videos:
            return videos
    return []


def is_named(video: Path, camera: str) -> bool:
    """Return whether a video's name is a camera's, or ends in it as a word of its own; upper case does not matter."""
    stem = video.name if video.is_dir() else video.stem
    return re.search(rf"(?:^|[^a-z0-9]){re.escape(camera.lower())}$", stem.lower()) is not None


def check_video(camera: Camera, video: Path, decode: DecodeSettings | None = None) -> VideoInfo:
    """Return what a camera's video holds, read as settings say.

    Raises:
        InputError: it cannot be read, or has another size than its camera was calibrated for.
    """
    decode = decode if decode is not None else DecodeSettings()
    info = probe(video, image_rate=decode.folder_rate_hz, rate=decode.rate_hz)
    if camera.size_px not in (None, (info.width, info.height)):
        raise InputError(
            f"camera {camera.name}: calibrated for size {list(camera.size_px or ())}, but {video} has "
            f"{info.width}x{info.height}; give the video that was calibrated, or scale K and size"
        )
    return info


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())
