import numpy as np
from clothed_people import clothes, joined, tracked, walk

from trackers.linking.pieces import TrackRows, cut_track, pieces_of


def rows_of(track: dict[str, np.ndarray], contact: np.ndarray | None = None) -> TrackRows:
    contact = np.zeros(len(track["frame_index"])) if contact is None else contact
    return TrackRows(**track, contact=contact, is_clear=contact < 0.35)


def test_a_track_is_cut_at_gaps_jumps_and_contact() -> None:
    quiet = walk(range(100), (-2, 6), (0.5, 0), clothes(1))
    assert cut_track(rows_of(quiet)) == [(0, "track")]
    gap = walk([*range(40), *range(60, 100)], (-2, 6), (0.5, 0), clothes(1))
    assert cut_track(rows_of(gap)) == [(0, "track"), (40, "unseen")]
    jump = joined(quiet, walk(range(100, 150), (1.5, 6), (0, 0), clothes(2)))
    assert cut_track(rows_of(jump)) == [(0, "track"), (100, "jump")]
    contact = np.zeros(100)
    contact[49:52] = 0.4, 1.0, 0.4
    assert cut_track(rows_of(quiet, contact)) == [(0, "track"), (50, "contact")]


def test_long_contact_is_cut_again_and_again() -> None:
    quiet = walk(range(100), (-2, 6), (0.5, 0), clothes(1))
    begins = cut_track(rows_of(quiet, np.full(100, 0.8)))
    rows = [row for row, _ in begins]
    assert 40 <= len(rows) <= 51 and np.diff(rows[1:]).min() == 2


def test_a_piece_knows_its_ends_and_its_looks() -> None:
    look = clothes(3)
    (piece,) = tracked([walk(range(10, 60), (-1, 5), (1.0, 0.5), look)])
    assert (piece.first_frame, piece.last_frame, len(piece.frames), piece.shot) == (10, 59, 50, 0)
    np.testing.assert_allclose(piece.places_m[:, 0], [-1 + 0.4, -1 + 59 / 25], atol=0.05)
    np.testing.assert_allclose(piece.speeds_m_s[:, 0], 1.0, atol=0.25)
    np.testing.assert_allclose(piece.look, look, atol=4.0)
    assert (piece.look_count == 16).all()


def test_a_piece_knows_its_shot_and_what_was_never_seen() -> None:
    track = walk(range(10, 60), (-1, 5), (1.0, 0.0), clothes(3))
    track["looks"][:, 27:] = np.nan
    (piece,) = pieces_of(7, rows_of(track), np.array([5, 10, 80]))
    assert (piece.track_id, piece.shot) == (7, 2)
    assert np.isnan(piece.look[27:]).all() and np.isfinite(piece.look[:27]).all()
    assert (piece.look_count[27:] == 0).all()
