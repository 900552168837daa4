"""Images in the place of the true ones: black, noise, or another person where somebody stands."""

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.evaluation.seen_people import SeenPeople

SEED = 0


def true_image(people: SeenPeople, row: int) -> np.ndarray:
    """Return the image (H, W, 3) that shows the person."""
    return people.images[int(people.image_row[row])]


def black_image(people: SeenPeople, row: int) -> np.ndarray:
    """Return a black image of the same size."""
    return np.zeros_like(true_image(people, row))


def noise_image(people: SeenPeople, row: int) -> np.ndarray:
    """Return an image of the same size, every channel of every pixel drawn alone; the same at every call."""
    rng = np.random.default_rng((SEED, row))
    return rng.integers(0, 256, true_image(people, row).shape, dtype=np.uint8)


def exchanged_image(people: SeenPeople, row: int) -> np.ndarray:
    """Return an image of the same size that shows, where the person stands and as large, the one half the rows away.

    On crops, that is somebody else; in a clip of one person, the same at another time.
    """
    other = (row + len(people.image_row) // 2) % len(people.image_row)
    (own_middle, own_side), (middle, side) = (_square(people.found.boxes_xyxy[who]) for who in (row, other))
    height, width = true_image(people, row).shape[:2]
    scale = own_side / side
    shift = own_middle - 0.5 - scale * (middle - 0.5)  # pixel centres, for OpenCV
    matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    return cv2.warpAffine(true_image(people, other), matrix, (width, height), flags=cv2.INTER_LINEAR)


IMAGES: dict[str, Callable[[SeenPeople, int], np.ndarray]] = {
    "black": black_image,
    "noise": noise_image,
    "another person": exchanged_image,
}


def _square(box_xyxy: np.ndarray) -> tuple[np.ndarray, float]:
    box = box_xyxy.astype(np.float64)
    return 0.5 * (box[:2] + box[2:]), max(float((box[2:] - box[:2]).max()), 1.0)
