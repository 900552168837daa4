from dataclasses import replace

import numpy as np
import pytest
from clothed_people import LIKE, clothes, joined, tracked, walk

from trackers.linking.links import NOBODY, Links, keep_tracks, link_pieces

RED, BLUE, GREEN = clothes(1), clothes(2), clothes(3)


def linked(tracks: list[dict[str, np.ndarray]], cut_frames: tuple[int, ...] = (), **settings: float) -> Links:
    return link_pieces(tracked(tracks, cut_frames), **{"join_min": 2.0, "split_min": 2.0} | settings)


def people(links: Links) -> list[set[int]]:
    """Return the tracks of every person."""
    numbers = sorted({part.person for part in links.assigned})
    return [{part.track_id for part in links.assigned if part.person == number} for number in numbers]


def test_who_comes_back_after_a_minute_is_joined_by_looks() -> None:
    others = [walk(range(0, 1700), (2, 8), (0, 0), BLUE)]
    first, second = walk(range(0, 100), (-2, 5), (0.5, 0), RED), walk(range(1600, 1700), (-3, 6), (0, 0), RED, 1)
    links = linked([first, second, *others])
    assert people(links) == [{1, 2}, {3}]
    (made,) = links.decisions
    assert (made.kind, made.tracks, made.frames) == ("join", (1, 2), (99, 1600))
    assert made.evidence.appearance > 2 and abs(made.evidence.place) < 1 and made.gap_s == pytest.approx(60.04)
    assert made.reason.startswith("track 2 goes on with track 1 after 60.0 s: looks alike")


def test_where_nobody_is_seen_beside_another_clothes_alone_join_nobody() -> None:
    visits = [walk(range(0, 100), (-2, 5), (0.5, 0), RED), walk(range(600, 700), (-3, 6), (0, 0), RED, 1)]
    assert people(linked(visits)) == [{1}, {2}]
    assert people(linked([*visits, walk(range(0, 700), (2, 8), (0, 0), BLUE)])) == [{1, 2}, {3}]


def test_visitors_in_like_clothes_who_stand_at_one_place_by_turns_stay_apart() -> None:
    rng = np.random.default_rng(0)
    visits = [walk(range(400 * k, 400 * k + 150), (0, 5), (0, 0), LIKE, k) for k in range(6)]
    for visit in visits:
        build = rng.normal(0, 0.05, 10)  # recovered builds of strangers differ little, and hardly scatter
        visit["betas"][:] = build + rng.normal(0, 0.1, visit["betas"].shape)
    assert len(people(linked(visits))) == 6


def test_another_person_who_comes_later_is_not_joined() -> None:
    links = linked([walk(range(0, 100), (-2, 5), (0.5, 0), RED), walk(range(600, 700), (-3, 6), (0, 0), GREEN)])
    assert people(links) == [{1}, {2}] and not links.decisions


def test_a_longer_absence_than_allowed_is_not_joined() -> None:
    tracks = [walk(range(0, 100), (-2, 5), (0.5, 0), RED), walk(range(600, 700), (-3, 6), (0, 0), RED, 1)]
    tracks.append(walk(range(0, 700), (2, 8), (0, 0), BLUE))
    assert people(linked(tracks)) == [{1, 2}, {3}]
    assert people(linked(tracks, join_max_s=10.0)) == [{1}, {3}, {2}]


def test_a_short_gap_is_joined_by_place_without_looks() -> None:
    tracks = [walk(range(0, 50), (-2, 5), (1, 0), RED), walk(range(62, 120), (-2, 5), (1, 0), RED, 1)]
    for track in tracks:
        track["looks"][:] = np.nan
    tracks.append(walk(range(0, 120), (3, 9), (0, 0), BLUE))
    links = linked(tracks)
    assert people(links) == [{1, 2}, {3}]
    assert "the place fits" in links.decisions[0].reason


def test_two_people_who_change_tracks_as_they_cross_are_put_right() -> None:
    """Without looks the tracker is kept: at a crossing, places say nothing."""
    half = range(0, 63), range(63, 125)
    right = [walk(frames, (-2.5, 6), (1, 0), RED, n) for n, frames in enumerate(half)]
    left = [walk(frames, (2.5, 6.2), (-1, 0), BLUE, n) for n, frames in enumerate(half)]
    tracks = [joined(right[0], left[1]), joined(left[0], right[1])]
    links = linked(tracks)
    assert people(links) == [{1, 2}, {1, 2}]
    kinds = [made.kind for made in links.decisions]
    assert kinds.count("split") == 2 and kinds.count("join") == 2
    assert all(52 <= made.frames[1] <= 74 for made in links.decisions)
    for track in tracks:
        track["looks"][:] = np.nan
    assert people(linked(tracks)) == [{1}, {2}]


def test_a_track_that_goes_over_to_somebody_else_is_split() -> None:
    track = joined(walk(range(0, 60), (-1, 5), (0.2, 0), RED), walk(range(75, 140), (-0.3, 5.4), (0.2, 0), GREEN))
    links = linked([track, walk(range(0, 140), (2, 8), (0, 0), BLUE)])
    assert people(links) == [{1}, {2}, {1}]
    assert links.decisions[0].reason.startswith("track 1 is somebody else after 0.6 s unseen: looks different")


def test_a_track_that_goes_over_to_somebody_nobody_saw_beside_it_is_split() -> None:
    track = joined(walk(range(0, 60), (-1, 5), (0.2, 0), RED), walk(range(61, 140), (-1, 5), (0.2, 0), GREEN))
    links = linked([track, walk(range(0, 140), (2, 8), (0, 0), BLUE)])
    assert people(links) == [{1}, {2}, {1}]
    (made,) = links.decisions
    assert made.reason.startswith("track 1 is somebody else from where the looks change: looks different")
    assert 60 <= made.frames[1] <= 63


def test_two_people_seen_at_once_are_never_one_person() -> None:
    tracks = [walk(range(0, 100), (-2 + 0.9 * n, 5), (0, 0), LIKE, n) for n in range(4)]
    assert people(linked(tracks)) == [{1}, {2}, {3}, {4}]


def test_after_a_cut_people_in_like_clothes_stay_apart() -> None:
    before = [walk(range(0, 50), (x, 6), (0, 0), LIKE, n) for n, x in enumerate((-2, 0, 2))]
    after = [walk(range(50, 100), (x, 6), (0, 0), LIKE, n + 5) for n, x in enumerate((-2, 0, 2))]
    assert len(people(linked([*before, *after], (50,)))) == 6


def test_after_a_cut_the_right_people_are_joined_wherever_they_stand() -> None:
    looks = [clothes(seed) for seed in (11, 12, 13, 14)]
    before = [walk(range(0, 50), (1.5 * n - 2, 6), (0, 0), look) for n, look in enumerate(looks)]
    after = [
        walk(range(50, 100), (2 - 1.5 * n, 9), (0, 0), look, 1) for n, look in enumerate([*looks[1:], clothes(15)])
    ]
    links = linked([*before, *after], (50,))
    assert people(links) == [{1}, {2, 5}, {3, 6}, {4, 7}, {8}]
    assert all("across a cut" in made.reason for made in links.decisions)


def test_over_cuts_who_comes_back_is_joined_and_who_wears_the_same_trousers_is_not() -> None:
    """The cast of `dpmesh-video data cut-clip`: 0 to 3 come back, 4 to 7 are there once, in the trousers of those."""
    looks = [clothes(seed) for seed in range(21, 25)]
    for seed in range(25, 29):
        looks.append(np.concatenate([clothes(seed)[:18], looks[seed - 25][18:]]))
    shots = ((0, 1, 4), (1, 2, 5), (2, 3, 6), (3, 0, 7), (0, 2), (1, 3))
    tracks, truth, cuts = [], [], tuple(range(50, 300, 50))
    for number, cast in enumerate(shots):
        for place, person in enumerate(cast):
            frames = range(50 * number, 50 * number + 50)
            tracks.append(walk(frames, (2.0 * place - 2, 6), (0, 0), looks[person], number))
            truth.append(person)
    wanted = {person: {n for n, other in enumerate(truth, start=1) if other == person} for person in range(8)}
    assert sorted(people(linked(tracks, cuts)), key=min) == sorted(wanted.values(), key=min)


def test_people_do_not_depend_on_the_order_of_the_pieces() -> None:
    tracks = [walk(range(60 * n, 60 * n + 50), (n - 2, 6), (0.3, 0), clothes(n % 3), n) for n in range(7)]
    pieces = tracked(tracks)
    assert link_pieces(pieces, 2.0, 2.0) == link_pieces(pieces[::-1], 2.0, 2.0)


def test_nobody_is_linked_to_nobody() -> None:
    assert link_pieces([], 2.0, 2.0) == Links((), ())


def test_kept_tracks_are_the_people() -> None:
    links = keep_tracks([(4, 0, 9), (2, 3, 12)])
    assert [(part.track_id, part.person) for part in links.assigned] == [(2, 2), (4, 4)] and not links.decisions


def test_who_is_never_clear_of_others_and_soon_gone_is_left_out_and_named() -> None:
    whole = walk(range(0, 150), (0, 5), (0, 0), RED)
    ghost = walk(range(60, 72), (0.2, 5.3), (0, 0), GREEN)
    ghost["looks"][:] = np.nan
    assert len(people(linked([whole, ghost]))) == 2
    links = linked([whole, ghost], hidden_max_s=1.0)
    assert [(part.track_id, part.person) for part in links.assigned] == [(1, 1), (2, NOBODY)]
    (made,) = links.decisions
    assert made.kind == "drop" and made.frames == (60, 71) and "link.hidden_max_s" in made.reason
    assert made.reason.endswith("in 12 frames, seen for 0.4 s (link.hidden_max_s)")
    longer = joined(
        *(walk(frames, (0.2, 5.3), (0, 0), GREEN, n) for n, frames in enumerate((range(30), range(60, 72))))
    )
    longer["looks"][:] = np.nan
    assert len(people(linked([whole, longer], hidden_max_s=1.7))) == 2  # 1.2 s and 0.4 s: absences do not count
    assert NOBODY not in {part.person for part in linked([whole, longer], hidden_max_s=1.5).assigned}
    clear = walk(range(60, 72), (3.0, 5.3), (0, 0), GREEN)
    assert len(people(linked([whole, clear], hidden_max_s=1.0))) == 2


def test_who_is_looked_at_often_enough_is_somebody_though_never_clear_of_others() -> None:
    whole, near = walk(range(0, 150), (0, 5), (0, 0), RED), walk(range(60, 72), (0.2, 4.7), (0, 0), GREEN)
    pieces = tracked([whole, near])
    first = next(n for n, piece in enumerate(pieces) if piece.track_id == 2)
    for count, person in ((3.0, NOBODY), (4.0, 2)):  # of twelve frames
        looked = list(pieces)
        looked[first] = replace(pieces[first], look=GREEN, look_count=np.full(36, count))
        links = link_pieces(looked, 2.0, 2.0, hidden_max_s=1.0)
        assert {part.person for part in links.assigned if part.track_id == 2} == {person}


def test_somebody_found_twice_by_turns_is_one_person() -> None:
    """Two tracks take the same person's frames by turns: at no time are there two people."""
    whole = walk(range(0, 100), (-1, 5), (0.5, 0), RED)
    turns = np.arange(100) // 4 % 2
    tracks = []
    for turn in (0, 1):
        is_mine, looked = turns == turn, turns[whole["look_frames"]] == turn
        rows = {name: values[is_mine] for name, values in whole.items() if not name.startswith("look")}
        tracks.append(rows | {"look_frames": whole["look_frames"][looked], "looks": whole["looks"][looked]})
    links = linked([*tracks, walk(range(0, 100), (3, 8), (0, 0), BLUE)])
    assert people(links) == [{1, 2}, {3}]
    assert "find one person twice" in links.decisions[0].reason


def test_a_box_over_two_people_does_not_keep_a_person_apart() -> None:
    """A track of three frames in between, on nobody's place, is of the first part, and in the way of the second."""
    other = walk(range(0, 200), (2, 8), (0, 0), BLUE)
    first, second = walk(range(0, 80), (-2, 5), (0.2, 0), RED), walk(range(90, 200), (-2, 5), (0.2, 0), RED, 1)
    between = walk(range(120, 123), (-0.4, 5), (0, 0), GREEN)
    between["looks"][:] = np.nan
    links = linked([joined(first, between), second, other])
    assert {part.person for part in links.assigned if part.track_id == 2} == {1}
    assert next(part.person for part in links.assigned if part.track_id == 1) == 1
    assert len({part.person for part in links.assigned}) == 3
