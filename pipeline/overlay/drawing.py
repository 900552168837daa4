"""What is drawn on a frame besides bodies: blending, name tags, boxes, keypoints."""

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.overlay.renderer import Rendering

LIMBS = (
    *((5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (5, 11), (6, 12), (11, 12)),
    *((11, 13), (13, 15), (12, 14), (14, 16), (0, 5), (0, 6)),
)  # pairs of COCO keypoints
KEYPOINT_SCORE_MIN = 0.5  # what the reprojection figures also call confident


def blend_bodies(image: np.ndarray, rendering: Rendering, opacities: np.ndarray) -> np.ndarray:
    """Return the image (H, W, 3) uint8 with bodies over it.

    Args:
        opacities: (N,) of each person: 0 shows only what is behind, 1 only the body.
    """
    result = image.copy()
    pixels = np.flatnonzero(rendering.coverage > 0)
    # Outline pixels whose centre shows nobody (-1) take the last entry.
    by_person = np.append(opacities, opacities.max(initial=0.0)).astype(np.float32)
    share = (by_person[rendering.person.ravel()[pixels]] * rendering.coverage.ravel()[pixels])[:, None]
    below = result.reshape(-1, 3)[pixels].astype(np.float32)
    above = rendering.colour.reshape(-1, 3)[pixels].astype(np.float32)
    result.reshape(-1, 3)[pixels] = np.round(below + share * (above - below)).astype(np.uint8)
    return result


def text_height_for(height_px: int) -> int:
    """Return the font size that stays legible in an image of this height and does not fill it."""
    return int(np.clip(round(height_px / 26), 12, 48))


def draw_text(image: np.ndarray, text: str, x_px: float, y_px: float, size: int, colour: np.ndarray) -> None:
    """Write a line in place, its upper left corner at (x, y): light letters with a dark edge."""
    letters, opacity = _letters(text, size, tuple(int(c) for c in lightened(colour)))
    x, y = round(x_px), round(y_px)
    left, top = max(0, -x), max(0, -y)
    target = image[max(0, y) : y + len(letters), max(0, x) : x + letters.shape[1]]
    high, wide = target.shape[:2]
    part = (slice(top, top + high), slice(left, left + wide))
    target[:] = np.round(target + opacity[part] * (letters[part] - target)).astype(np.uint8)


@lru_cache(maxsize=512)
def _letters(text: str, size: int, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a line of text as colours (h, w, 3) and opacities (h, w, 1), float32."""
    font = ImageFont.load_default(size)  # the one scalable font that comes with Pillow on every system
    edge = max(1, round(size / 9))
    left, top, right, bottom = (int(v) for v in font.getbbox(text, stroke_width=edge))
    canvas = Image.new("RGBA", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(canvas).text(
        (-left, -top), text, fill=(*colour, 255), font=font, stroke_width=edge, stroke_fill=(16, 16, 16, 255)
    )
    pixels = np.asarray(canvas, np.float32)
    return pixels[..., :3], pixels[..., 3:] / 255.0


def lightened(colour: np.ndarray) -> np.ndarray:
    """Return the colour (3,) uint8 made light enough to be read on a dark edge."""
    share = np.clip((150.0 - colour.astype(np.float32) @ (0.299, 0.587, 0.114)) / 150.0, 0.0, 0.7)
    return np.round(colour + share * (255.0 - colour.astype(np.float32))).astype(np.uint8)


def draw_tags(image: np.ndarray, texts: list[str], anchors_px: np.ndarray, colours: np.ndarray) -> None:
    """Write name tags in place, centred above their anchors (N, 2); tags that would cover another move up.

    Tags never leave the image, so a person whose head is cut off is still named.
    """
    height, width = image.shape[:2]
    size = text_height_for(height)
    taken = np.zeros((len(texts), 4))  # boxes of the tags so far
    for count, row in enumerate(np.argsort(-anchors_px[:, 1], kind="stable")):
        letters, _ = _letters(texts[row], size, tuple(int(c) for c in lightened(colours[row])))
        high, wide = letters.shape[:2]
        x = float(np.clip(anchors_px[row, 0] - wide / 2, 0, max(0, width - wide)))
        y = float(np.clip(anchors_px[row, 1] - 1.2 * high, 0, max(0, height - high)))
        positions = np.append(np.arange(y, 0.0, -2.0), 0.0)  # upwards from here
        beside = taken[:count][(x < taken[:count, 2]) & (taken[:count, 0] < x + wide)]
        is_taken = ((positions[:, None] < beside[:, 3]) & (beside[:, 1] < positions[:, None] + high)).any(axis=1)
        y = float(positions[:-1][~is_taken[:-1]][0]) if not is_taken[:-1].all() else 0.0
        taken[count] = x, y, x + wide, y + high
        draw_text(image, texts[row], x, y, size, colours[row])


def draw_boxes(image: np.ndarray, boxes_xyxy: np.ndarray, colours: np.ndarray) -> None:
    """Draw thin boxes (N, 4) in place."""
    for box, colour in zip(boxes_xyxy, colours, strict=True):
        x1, y1, x2, y2 = (round(float(v)) for v in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), tuple(int(c) for c in colour), 1, cv2.LINE_AA)


def draw_keypoints(image: np.ndarray, keypoints: np.ndarray, colours: np.ndarray) -> None:
    """Draw the confident 2D keypoints (N, 17, 3) and the limbs between them in place."""
    radius = max(1, round(image.shape[0] / 270))
    for points, colour in zip(keypoints, colours, strict=True):
        light = tuple(int(c) for c in lightened(colour))
        sure = points[:, 2] >= KEYPOINT_SCORE_MIN
        positions = [(round(float(x)), round(float(y))) for x, y in points[:, :2]]
        for first, second in LIMBS:
            if sure[first] and sure[second]:
                cv2.line(image, positions[first], positions[second], light, 1, cv2.LINE_AA)
        for position in (positions[k] for k in np.flatnonzero(sure)):
            cv2.circle(image, position, radius + 1, (16, 16, 16), -1, cv2.LINE_AA)
            cv2.circle(image, position, radius, light, -1, cv2.LINE_AA)
