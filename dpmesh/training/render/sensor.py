"""What a camera and a codec do to a picture: exposure, blur, low resolution, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np


def photograph(rng: np.random.Generator, image: np.ndarray, native_px: float | None = None) -> np.ndarray:
    """Return the picture (H, W, 3) uint8 as a mediocre camera would store it.

    Args:
        native_px: how many pixels the width had before a crop was enlarged; None when it was not.
    """
    height, width = image.shape[:2]
    share = 1.0 if native_px is None else min(native_px / width, 1.0)
    if rng.random() < 0.3:
        share *= rng.uniform(0.35, 0.9)
    if share < 0.97:
        size = (max(int(width * share), 8), max(int(height * share), 8))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.35:
        sigma = float(rng.uniform(0.3, 1.2))
        image = cv2.GaussianBlur(image, (5, 5), sigma)
    elif rng.random() < 0.12:
        image = cv2.filter2D(image, -1, _motion_kernel(rng))
    image = _expose(rng, image)
    if rng.random() < 0.7:
        image = _add_noise(rng, image, float(rng.uniform(0.5, 9.0) * rng.random()))
    if rng.random() < 0.6:
        quality = int(rng.integers(25, 95))
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return image


def _expose(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    gamma = np.exp(rng.normal(0, 0.18))
    gain = np.exp(rng.normal(0, 0.15)) * (1 + rng.normal(0, 0.04, 3))
    black = rng.uniform(0, 14) * (rng.random() < 0.4)
    level = (np.arange(256) / 255.0)[:, None] ** gamma * gain
    table = np.clip(black + (255 - black) * level, 0, 255)
    if rng.random() < 0.06:
        table = np.broadcast_to(table.mean(1, keepdims=True), (256, 3))
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.LUT(image, np.ascontiguousarray(table.astype(np.uint8)[None]))


def _add_noise(rng: np.random.Generator, image: np.ndarray, sigma: float) -> np.ndarray:
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= sigma
    noise += image
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8)


def _motion_kernel(rng: np.random.Generator) -> np.ndarray:
    size = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((size, size), np.float32)
    angle = rng.uniform(0, np.pi)
    half = (size - 1) / 2
    for t in np.linspace(-half, half, 2 * size):
        kernel[round(half + t * np.sin(angle)), round(half + t * np.cos(angle))] = 1.0
    return kernel / kernel.sum()
