"""The ground seen from above: a frame of the video, projected to it."""

from pathlib import Path

import numpy as np

from pipeline.analytics.ground import Ground

SIDE_PX = 900
BYTES_QUALITY = 80


def ground_picture(
    video: Path, frame_index: int, ground: Ground, bounds: tuple[float, float, float, float], read_width: int
) -> bytes | None:
    """Return a JPEG of the ground between bounds (x min, y min, x max, y max), y up; None where it cannot be made.

    Args:
        frame_index: which frame of the video is shown.
        read_width: width of the frames that the ground's focal length belongs to.
    """
    if ground.height_m is None or ground.focal_px is None or not video.exists():
        return None
    import cv2

    from configs.errors import DpmeshVideoError
    from pipeline.media.random_access import RandomFrames

    try:
        with RandomFrames(video) as frames:
            image = frames[frame_index].image
    except (DpmeshVideoError, IndexError):
        return None  # the map goes without a picture
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
    found = cv2.remap(image, np.nan_to_num(pixels, nan=-1e6), None, cv2.INTER_LINEAR, borderValue=(235, 235, 235))
    found[~inside] = 235
    is_made, data = cv2.imencode(".jpg", found[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, BYTES_QUALITY])
    return data.tobytes() if is_made else None
