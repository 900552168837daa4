"""HDR comes out as the SDR picture it was made from."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.media import probe, read_frames
from pipeline.media.info import Colour
from pipeline.media.tone import HLG, PQ, ToneMapper, hlg_scene_light, pq_nits, pq_signal, roll_off


def test_transfer_functions_meet_the_points_of_bt2100() -> None:
    assert hlg_scene_light(np.array([0.0, 0.5, 1.0])) == pytest.approx([0.0, 1 / 12, 1.0], abs=1e-6)
    assert pq_nits(np.array([0.0, 0.508, 1.0])) == pytest.approx([0.0, 100.0, 10_000.0], rel=0.005)
    assert pq_nits(pq_signal(np.array([0.5, 100.0, 4000.0]))) == pytest.approx([0.5, 100.0, 4000.0])


def test_the_roll_off_keeps_dark_parts_and_ends_at_the_white_of_the_screen() -> None:
    nits = np.linspace(0.1, 1000, 500)
    shown = roll_off(nits)
    assert np.all(np.diff(shown) > 0)
    assert shown[nits < 28] == pytest.approx(nits[nits < 28], rel=1e-3)
    assert shown[-1] == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_reference_white_is_nearly_white_and_grey_stays_grey(transfer: int) -> None:
    white = 0.75 if transfer == HLG else float(pq_signal(203.0))  # BT.2408, table 1
    picture = np.full((4, 4, 3), round(white * 65535), np.uint16)
    mapped = ToneMapper(Colour(9, 9, transfer)).convert(picture)
    assert mapped.max() - mapped.min() <= 2
    assert 236 <= mapped.mean() <= 250


def test_the_same_light_in_hlg_and_in_pq_gives_the_same_picture() -> None:
    signal = np.random.default_rng(0).uniform(0.0, 1.0, (64, 64, 3))
    scene = hlg_scene_light(signal)
    shown_nits = 1000.0 * (scene @ (0.2627, 0.6780, 0.0593))[..., None] ** 0.2 * scene  # the OOTF of BT.2100, table 5
    hlg, pq = (np.round(65535 * values).astype(np.uint16) for values in (signal, pq_signal(shown_nits)))
    pictures = [ToneMapper(Colour(9, 9, way)).convert(image).astype(int) for way, image in ((HLG, hlg), (PQ, pq))]
    assert np.abs(pictures[0] - pictures[1]).max() <= 2
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.2


def test_hlg_looks_like_its_sdr_twin(test_data: Path) -> None:
    reports = test_data / "wild" / "reports"
    if not (reports / "crowd_hlg.mov").is_file():
        pytest.skip("the HDR clip is not here")
    assert probe(reports / "crowd_hlg.mov").colour == Colour(9, 9, HLG)
    hdr = next(read_frames(reports / "crowd_hlg.mov")).image
    sdr = next(read_frames(reports / "crowd_sdr.mp4")).image
    assert hdr.mean() == pytest.approx(sdr.mean(), rel=0.06)
    assert np.abs(hdr.astype(int) - sdr).mean() < 9  # 22 when HLG is read as SDR
