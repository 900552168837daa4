"""The node `link`: which tracks are one person, and which are several; written to `links.json`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from configs.checks import join_rows
from pipeline.flow.atomic import write_json
from pipeline.flow.graph import Claim
from pipeline.flow.store import ObservationStore
from pipeline.nodes.context import ClipContext
from pipeline.nodes.group import Span, find_spans, iterate_people
from pipeline.nodes.links_file import links_as_json
from pipeline.types import Looks, Observations
from trackers.linking.contact import Contacts
from trackers.linking.evidence import DIRECTIONS, main_directions
from trackers.linking.links import NOBODY, Links, keep_tracks, link_pieces
from trackers.linking.pieces import Piece, TrackRows, pieces_of


def make_links(clip: ClipContext, claim: Claim) -> Sequence[Path]:
    """Decide who is who in the clip; return the file that says it."""
    settings, path = clip.settings.link, clip.files.links
    claim([path])
    spans = find_spans(clip.store)
    clip.progress.start("link", len(spans))
    with clip.clock.measure("link"):
        if settings.mode == "off" or clip.settings.track.is_id_kept:
            links = keep_tracks([(span.track_id, span.first_frame, span.last_frame) for span in spans])
        else:
            pieces = list(find_pieces(clip.store, spans))
            links = link_pieces(
                pieces, settings.score_min, settings.split_min, settings.join_max_s, settings.hidden_max_s
            )
    write_json(path, links_as_json(links))
    clip.progress.advance(len(spans), f"{_person_count(links)} people")
    return [path]


def _person_count(links: Links) -> int:
    return len({part.person for part in links.assigned} - {NOBODY})


def find_pieces(store: ObservationStore, spans: Sequence[Span]) -> Iterator[Piece]:
    """Yield the pieces of every track, of which only those that go on are in memory."""
    looks_of, cuts = _looks_by_track(store)
    with_contact = _WithContact(store)
    for rows in iterate_people(with_contact, list(spans)):
        track_id = int(rows.track_id[0])
        looks = looks_of.pop(track_id, None)
        contact, is_clear = with_contact.pop(track_id)
        track = TrackRows(
            frame_index=rows.frame_index,
            time_s=rows.time_s,
            boxes_xyxy=rows.boxes_xyxy,
            places_m=rows.trans,
            betas=rows.betas,
            weights=rows.joint_confidence.mean(axis=1),
            contact=contact,
            is_clear=is_clear,
            look_frames=np.zeros(0, np.int64) if looks is None else looks.frame_index,
            looks=np.zeros((0, looks_of.size), np.float32) if looks is None else looks.vectors.astype(np.float32),
        )
        yield from pieces_of(track_id, track, cuts)


class _LooksByTrack(dict[int, Looks]):
    """The looks of every track that was looked at, and how long a vector is."""

    size = 0


def _looks_by_track(store: ObservationStore) -> tuple[_LooksByTrack, np.ndarray]:
    """Return the looks of the tracks, and the frames (C,) at which new shots begin."""
    parts: dict[int, list[Looks]] = {}
    found, cuts = _LooksByTrack(), []
    for looks, cut_frames in store.read_evidence():
        cuts.append(cut_frames)
        if len(looks.frame_index):
            found.size = looks.vectors.shape[1]
        for track_id in np.unique(looks.track_id).tolist():
            parts.setdefault(track_id, []).append(looks.take(looks.track_id == track_id))
    for track_id, each in parts.items():
        found[track_id] = join_rows(each)
    if found.size > DIRECTIONS:
        directions = main_directions(np.concatenate([looks.vectors for looks in found.values()]))
        found.size = directions.shape[1]
        for track_id, looks in found.items():
            found[track_id] = replace(looks, vectors=looks.vectors.astype(np.float64) @ directions)
    return found, np.concatenate(cuts) if cuts else np.zeros(0, np.int64)


class _WithContact:
    """The shards of a clip; on the way it is noted how close everybody comes to others."""

    def __init__(self, store: ObservationStore) -> None:
        self._store = store
        self._noted: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def read_shards(self, first: int = 0, stop: int | None = None) -> Iterator[Observations]:
        """Yield the shards from `first` to before `stop`."""
        contacts = Contacts()
        self._noted = {}  # of an earlier reading, for other tracks
        for shard in self._store.read_shards(first, stop):
            contact, is_clear = contacts.update(shard.frame_index, shard.time_s, shard.track_id, shard.boxes_xyxy)
            for track_id in np.unique(shard.track_id).tolist():
                mine = shard.track_id == track_id
                self._noted.setdefault(track_id, []).append((contact[mine], is_clear[mine]))
            yield shard

    def pop(self, track_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return contact and clearness that were noted of a track, (T,) each, and forget them."""
        contact, is_clear = zip(*self._noted.pop(track_id), strict=True)
        return np.concatenate(contact), np.concatenate(is_clear)
