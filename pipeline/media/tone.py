"""HDR images (HLG, PQ) -> the BT.709 image that an ordinary screen shows."""

import cv2
import numpy as np

from pipeline.media.info import Colour

PQ, HLG = 16, 18  # transfer functions, ITU-T H.273 table 3
WHITE_NITS = 100.0  # of an SDR screen, BT.1886
PEAK_NITS = 1000.0  # of the display that HDR is mapped from; what is brighter is clipped
EXPOSURE = 1.15  # the shoulder of the roll-off takes light from what SDR shows at 60 % and more; `docs/diary.md`, HDR
SCREEN_GAMMA = 2.4  # BT.1886
STEPS = 4096  # of the table from luminance to gain, even in the square root of luminance

# Linear RGB of the primaries (ITU-T H.273 table 2) -> linear RGB of BT.709. Source: BT.2087-0, 4; SMPTE EG 432-1.
TO_BT709 = {
    9: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    12: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
    1: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
LUMINANCE = {9: (0.2627, 0.6780, 0.0593), 12: (0.2290, 0.6917, 0.0793), 1: (0.2126, 0.7152, 0.0722)}


class ToneMapper:
    """Turns RGB images in HLG or PQ into BT.709, (H, W, 3) uint8, the same for every frame of a video.

    Luminance goes through the roll-off of BT.2390 from a display of 1000 to one of 100 cd/m^2, colours keep their
    proportions, and what lies outside the small gamut is clipped. White at 203 cd/m^2 (BT.2408) comes out at 96 % of
    the signal, white at 100, as in SDR that was packed into HDR, at 88 %; dark parts become 15 % lighter.
    """

    def __init__(self, colour: Colour) -> None:
        primaries = colour.primaries if colour.primaries in TO_BT709 else 9
        self._to_bt709 = np.array(TO_BT709[primaries], np.float32)
        self._luminance = np.array([LUMINANCE[primaries]], np.float32)
        codes = np.arange(65536) / 65535.0
        root = np.linspace(0.0, 1.0, STEPS)
        value = np.maximum(root, 0.5 / STEPS) ** 2
        if colour.transfer == HLG:
            self._linear = hlg_scene_light(codes).astype(np.float32)
            nits = PEAK_NITS * value**1.2  # BT.2100 table 5, note 5f: the system gamma of a 1000 cd/m^2 display
        else:
            self._linear = np.minimum(pq_nits(codes) / PEAK_NITS, 1.0).astype(np.float32)
            nits = PEAK_NITS * value
        self._gain = (roll_off(EXPOSURE * nits) / WHITE_NITS / value).astype(np.float32)

    def convert(self, image: np.ndarray) -> np.ndarray:
        """Return (H, W, 3) uint8 RGB of an (H, W, 3) uint16 image of full scale."""
        result = np.empty(image.shape, np.uint8)
        rows = max(1, 2**20 // max(1, image.shape[1]))  # strips that stay in the cache, and bound memory
        for start in range(0, len(image), rows):
            part = slice(start, start + rows)
            result[part] = self._convert(image[part])
        return result

    def _convert(self, image: np.ndarray) -> np.ndarray:
        linear = np.take(self._linear, image)
        luminance = cv2.transform(linear, self._luminance).reshape(image.shape[:2])
        places = cv2.sqrt(luminance) * np.float32(STEPS - 1) + np.float32(0.5)
        gain = np.take(self._gain, np.minimum(places.astype(np.uint16), STEPS - 1))
        mapped = cv2.multiply(cv2.transform(linear, self._to_bt709), cv2.merge([gain, gain, gain]))
        np.clip(mapped, 0.0, 1.0, out=mapped)
        return cv2.convertScaleAbs(cv2.pow(mapped, 1.0 / SCREEN_GAMMA), alpha=255.0)


def hlg_scene_light(signal: np.ndarray) -> np.ndarray:
    """Return scene light, 0 to 1, of an HLG signal, 0 to 1. Source: the inverse OETF of BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3.0, (np.exp((signal - c) / a) + b) / 12.0)


M1, M2, C1, C2, C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # BT.2100 table 4


def pq_nits(signal: np.ndarray) -> np.ndarray:
    """Return cd/m^2 of a PQ signal, 0 to 1. Source: the EOTF of BT.2100, table 4."""
    root = np.asarray(signal) ** (1 / M2)
    return 10_000.0 * (np.maximum(root - C1, 0.0) / (C2 - C3 * root)) ** (1 / M1)


def pq_signal(nits: np.ndarray | float) -> np.ndarray:
    """Return the PQ signal, 0 to 1, of cd/m^2. Source: the inverse EOTF of BT.2100, table 4."""
    root = (np.asarray(nits) / 10_000.0) ** M1
    return ((C1 + C2 * root) / (1.0 + C3 * root)) ** M2


def roll_off(nits: np.ndarray) -> np.ndarray:
    """Return what an SDR screen shows for luminances of HDR, both in cd/m^2. Source: the EETF of BT.2390-10, 5.4.1."""
    source_peak = pq_signal(PEAK_NITS)
    top = float(pq_signal(WHITE_NITS) / source_peak)
    knee = 1.5 * top - 0.5
    wanted = np.minimum(pq_signal(nits) / source_peak, 1.0)
    t = np.clip((wanted - knee) / (1.0 - knee), 0.0, 1.0)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1.0 - knee) + (-2 * t**3 + 3 * t**2) * top
    return pq_nits(np.where(wanted < knee, wanted, spline) * source_peak)
