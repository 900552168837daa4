"""The ground seen from above: a frame of the video, projected to it."""

from pathlib import Path

import numpy as np

from pipeline.analytics.ground import Ground

SIDE_PX = 900
QUALITY = 80


def ground_picture(
    video: Path, frame_index: int, ground: Ground, bounds: tuple[float, float, float, float], read_width: int
) -> bytes | None:
    """Return a JPEG of the ground between bounds (x min, y min, x max, y max), y up; None where it cannot be made.

    Args:
        frame_index: which frame of the video is shown.
        read_width: width of the frames that the ground's focal length belongs to.
    """
    image = _read(video, frame_index) if ground.height_m is not None and ground.focal_px is not None else None
    if image is None:
        return None
    import cv2

    left, low, right, high = bounds
    scale = SIDE_PX / max(right - left, high - low)
    width, height = max(2, round((right - left) * scale)), max(2, round((high - low) * scale))
    x, y = np.meshgrid((np.arange(width) + 0.5) / scale + left, high - (np.arange(height) + 0.5) / scale)
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    pixels = (ground.project(places) * image.shape[1] / read_width).reshape(height, width, 2).astype(np.float32)
    known = np.isfinite(pixels).all(axis=2)
    inside = known & (pixels >= 0).all(axis=2) & (pixels[..., 0] < image.shape[1]) & (pixels[..., 1] < image.shape[0])
    if not inside.any():
        return None
    x_px, y_px = np.moveaxis(np.nan_to_num(pixels, nan=-1e6), 2, 0)
    found = np.asarray(cv2.remap(image, x_px.copy(), y_px.copy(), cv2.INTER_LINEAR, borderValue=(235, 235, 235)))
    found[~inside] = 235
    return _jpeg(found)


def frame_jpeg(video: Path, frame_index: int) -> bytes | None:
    """Return a frame of a video as JPEG; None where it cannot be read."""
    image = _read(video, frame_index)
    return None if image is None else _jpeg(image)


def _read(video: Path, frame_index: int) -> np.ndarray | None:
    if not video.exists():
        return None
    from configs.errors import DpmeshVideoError
    from pipeline.media.random_access import RandomFrames

    try:
        with RandomFrames(video) as frames:
            return frames[frame_index].image
    except (DpmeshVideoError, IndexError):
        return None  # what is shown goes without a picture


def _jpeg(image: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
