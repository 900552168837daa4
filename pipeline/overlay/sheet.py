"""A contact sheet: some frames of a video side by side in one picture."""

from pathlib import Path

import cv2
import numpy as np

from configs.errors import InputError
from pipeline.flow.atomic import write_bytes
from pipeline.media import RandomFrames

COLUMNS = 4
TILE_WIDTH = 480
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def write_contact_sheet(video: Path, picture: Path, count: int) -> list[int]:
    """Write `count` frames, evenly spread over a video, into one picture; return their frame numbers.

    Args:
        picture: its ending decides the format, such as .png or .jpg.

    Raises:
        InputError: the video cannot be read, the picture would be too large, or its folder is a file.
        OSError: the picture cannot be written; nothing of it is left.
    """
    if picture.suffix.lower() not in SUFFIXES:
        raise InputError(f"{picture}: is no name of a picture; end it in .png or .jpg")
    with RandomFrames(video) as frames:
        chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int)).tolist()
        images = [frame.image for frame in frames.many(chosen)]
    height, width = images[0].shape[:2]
    size = (TILE_WIDTH, max(1, round(height * TILE_WIDTH / width)))
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // columns)
    sheet = np.zeros((rows * size[1], columns * size[0], 3), np.uint8)
    for place, (number, image) in enumerate(zip(chosen, images, strict=True)):
        tile = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        cv2.putText(tile, str(number), (8, size[1] - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
        top, left = place // columns * size[1], place % columns * size[0]
        sheet[top : top + size[1], left : left + size[0]] = tile
    is_encoded, data = cv2.imencode(picture.suffix.lower(), sheet[..., ::-1])
    if not is_encoded:
        raise InputError(f"{picture}: {len(sheet)} rows are too many for this format; give fewer --frames")
    try:
        write_bytes(picture, data.tobytes())
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{picture}: its folder is a file; choose another place") from error
    return chosen
