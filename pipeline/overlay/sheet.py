"""A contact sheet: some frames of a video side by side in one image."""

from pathlib import Path

import cv2
import numpy as np

from configs.errors import InputError
from pipeline.flow.atomic import write_bytes
from pipeline.media import RandomFrames

COLUMNS = 4
TILE_WIDTH = 480
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def write_contact_sheet(video: Path, sheet_path: Path, count: int) -> list[int]:
    """Write `count` frames, evenly spread over a video, into one image; return their frame numbers.

    Args:
        sheet_path: its ending decides the format, such as .png or .jpg.

    Raises:
        InputError: the video cannot be read, the image would be too large, or its folder is a file.
        OSError: the image cannot be written; nothing of it is left.
    """
    check_sheet_name(sheet_path)
    with RandomFrames(video) as frames:
        chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int)).tolist()
        images = [frame.image for frame in frames.many(chosen)]
    height, width = images[0].shape[:2]
    size = (TILE_WIDTH, max(1, round(height * TILE_WIDTH / width)))
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    sheet = np.zeros((rows * size[1], columns * size[0], 3), np.uint8)
    for index, (number, image) in enumerate(zip(chosen, images, strict=True)):
        tile = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        cv2.putText(tile, str(number), (8, size[1] - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
        top, left = index // columns * size[1], index % columns * size[0]
        sheet[top : top + size[1], left : left + size[0]] = tile
    write_sheet(sheet, sheet_path, f"{len(sheet)} rows are too many for this format; give fewer --frames")
    return chosen


def check_sheet_name(sheet_path: Path) -> None:
    """Raise `InputError` unless the name ends as an image's does."""
    if sheet_path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{sheet_path}: not an image file name; end it in .png or .jpg")


def write_sheet(sheet: np.ndarray, sheet_path: Path, too_large: str) -> None:
    """Write an image (H, W, 3) uint8 RGB in the format that its name says.

    Args:
        too_large: what to say where the format cannot hold it.

    Raises:
        InputError: it cannot, the name is of no image, or its folder is a file.
        OSError: the image cannot be written; nothing of it is left.
    """
    check_sheet_name(sheet_path)
    try:
        is_encoded, data = cv2.imencode(sheet_path.suffix.lower(), sheet[..., ::-1])
    except cv2.error:
        is_encoded = False
    if not is_encoded:
        raise InputError(f"{sheet_path}: {too_large}")
    try:
        write_bytes(sheet_path, data.tobytes())
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{sheet_path}: its folder is a file; choose another path") from error
