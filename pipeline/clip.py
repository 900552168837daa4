"""One clip from video to files: the nodes of its graph and what each of them does."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from configs.errors import InputError, TruncatedError
from configs.schema import RunSettings
from configs.version import program_version
from pipeline.flow.graph import Claim, Graph, Node, PlannedNode, fingerprint_of
from pipeline.flow.identity import code_identity, video_identity, weights_identity
from pipeline.flow.line import StageClock, chunk_frames, fit_chunk, fit_queue, run_line
from pipeline.flow.memory import release_memory
from pipeline.flow.outputs import RunFolder, person_number
from pipeline.flow.prefetch import WriteBehind, prefetch
from pipeline.flow.store import Journal, ObservationStore
from pipeline.media import VideoInfo, VideoWriter, read_frames
from pipeline.media.images import plan_images
from pipeline.media.info import fit_size
from pipeline.media.sound import Sound
from pipeline.models import Models
from pipeline.motion import write_motion
from pipeline.motion.layouts import LayoutName
from pipeline.motion.library import MotionLibrary, read_track, write_track
from pipeline.nodes.edits import edited_people, read_edits
from pipeline.nodes.group import iterate_people
from pipeline.nodes.numbering import NumberedPeople
from pipeline.nodes.refine import assemble_track, refine_people
from pipeline.overlay import write_overlay
from pipeline.stages.detect import DetectStage
from pipeline.stages.recover import RecoverStage
from pipeline.stages.track import TrackStage
from pipeline.types import Frame

log = logging.getLogger(__name__)

WRITE_BEHIND_FRAMES = 8
# Whose code the files of a node depend on, beside that of the nodes before it.
CODE_OF_ROOMS = ("pipeline", "pipeline/flow", "pipeline/media", "pipeline/stages")
CODE_OF_OBSERVATIONS = ("configs", "trackers", "dpmesh", *CODE_OF_ROOMS)
CODE_OF_MOTION = ("refine", "pipeline/nodes", "pipeline/motion")
CODE_OF_OVERLAY = ("pipeline/overlay",)


class Progress(Protocol):
    """Hears how far a clip is."""

    def start(self, step: str, total: int | None) -> None: ...

    def advance(self, done: int, note: str) -> None: ...


@dataclass(slots=True)
class Clip:
    """One video on its way to one output folder."""

    info: VideoInfo
    folder: Path
    settings: RunSettings
    models: Models
    progress: Progress
    clock: StageClock

    def graph(self) -> Graph:
        """Return the nodes of this clip over its output folder."""
        chosen = self.settings
        observed = {
            "video": video_identity(self.info.path),
            "code": code_identity(*CODE_OF_OBSERVATIONS),
            "models": self.models.identities,
            "dtype": self.models.dtype,
            "chunk_frames": self._chunk_frames,
            **_dump(chosen, "decode", "detect", "track", "recover", "body"),
        }
        motion = _dump(chosen, "link", "refine", "body") | {"is_camera_fitted": chosen.recover.is_camera_fitted}
        prior = self.models.motion_prior_path
        motion["motion_prior"] = weights_identity(prior) if prior else ""
        motion["code"] = code_identity(*CODE_OF_MOTION)
        motion["edits"] = [asdict(edit) for edit in read_edits(self.folder)[1]]
        export = _dump(chosen, "export") | {"program": program_version()}  # the files say it
        overlay = _dump(chosen, "overlay") | {"code": code_identity(*CODE_OF_OVERLAY)}
        nodes = [
            Node("observe", (), observed, lambda claim: self._observe(fingerprint_of(observed), observed["video"])),
            Node("motion", ("observe",), motion, self._refine),
            Node("export", ("motion",), export, self._export),
        ]
        if chosen.overlay.is_written:
            nodes.append(Node("overlay", ("motion",), overlay, self._overlay))
        return Graph(self.folder, nodes)

    def plan(self) -> list[PlannedNode]:
        """Return what a run would do.

        Raises:
            WeightsError: motion would be made, and what `refine.prior` names cannot be used. Detection and recovery,
                which come first, would not find out.
        """
        plan = self.graph().plan()
        if any(node.name == "motion" and not node.is_current for node in plan):
            self.models.motion_prior()
        return plan

    @property
    def files(self) -> RunFolder:
        """Where this clip's files lie."""
        return RunFolder(self.folder)

    @property
    def store(self) -> ObservationStore:
        """Where this clip's observations lie."""
        return ObservationStore(self.files.observations)

    def has_found_somebody(self) -> bool:
        """Return whether there are people in the observations, whoever of them is written."""
        return bool(NumberedPeople.from_settings(self.store, self.settings).find_spans())

    def motion_paths(self) -> list[Path]:
        """Return the files of `read_track`, in order of people."""
        return self.files.motions()

    def _observe(self, fingerprint: str, identity: str) -> Sequence[Path]:
        store = self.store
        state = store.read_state()
        if state is not None and state[0].fingerprint != fingerprint:
            store.clear()
            state = None
        journal, snapshots = state if state is not None else (Journal(fingerprint), None)
        self.progress.start("recover", self._frame_total())
        self.progress.advance(journal.frame_count, "")
        if not journal.is_complete:
            journal = self._run_line(store, journal, snapshots, identity)
        if not journal.frame_count:
            raise InputError(f"{self.info.path}: no frame in the chosen part; check --start and --end")
        return store.files(journal)

    def _run_line(
        self, store: ObservationStore, journal: Journal, snapshots: dict[str, Any] | None, identity: str
    ) -> Journal:
        chosen, models = self.settings, self.models
        if chosen.detect.keypoints is not None and self._shrunk < 1.0:
            raise InputError(
                f"{self.info.path}: decode.max_side_px {chosen.decode.max_side_px} would make its frames smaller, and "
                "keypoints of a file are in the pixels of the video; leave the setting out"
            )
        image_names = [file.name for file in plan_images(self.info.path).files] if self.info.kind == "images" else []
        stages = [
            DetectStage(partial(models.people_finder, image_names), models.keypoint_refiner),
            TrackStage(chosen.track),
            RecoverStage(models.recovery, chosen.recover, self.focal_px()),
        ]
        source = _Frames(self._read(journal))
        with closing(prefetch(iter(source), self._ahead_frames)) as frames:
            chunks = chunk_frames(frames, self._chunk_frames, journal.shard_count)
            with closing(run_line(chunks, stages, self.clock, snapshots)) as done:
                latest: dict[str, Any] = snapshots or {}
                for chunk in done:
                    with self.clock.measure("write"):
                        journal = store.commit(journal, chunk)
                    latest = chunk.snapshots
                    release_memory()
                    people = len(chunk.tracks[-1].track_ids) if chunk.tracks else 0
                    self.progress.advance(journal.frame_count, f"{people} people")
        if source.warning and not journal.frame_count:
            raise InputError(source.warning)
        if video_identity(self.info.path) != identity:
            store.clear()
            raise InputError(f"{self.info.path}: was changed while it was read; run it again when it is complete")
        if (frame_count := self._whole_count(journal)) is not None:
            models.warn_of_frames_beyond(frame_count)
        problems = [problem for problem in (source.warning, models.finder_problem) if problem]
        journal = replace(journal, is_complete=True, warning="; ".join(problems))
        store.write_state(journal, latest)
        return journal

    def _refine(self, claim: Claim) -> Sequence[Path]:
        people = edited_people(self.folder, self.store, self.settings)
        spans = people.find_spans()
        if (chosen := self.settings.link.people) is not None:
            if missing := sorted(set(chosen) - {span.track_id for span in spans}):
                log.warning("%s: link.people names %s, who is not there", self.folder.name, missing[0])
            spans = [span for span in spans if span.track_id in chosen]
        path_of = {span.track_id: self.files.motion(span.track_id) for span in spans}
        claim(list(path_of.values()))
        body, count = self.models.body(), 0
        self.progress.start("motion", len(spans))
        with self.clock.measure("motion"):
            joined = (
                assemble_track(rows, body, self.settings.link, self.settings.recover)
                for rows in iterate_people(people, spans)
            )
            for track in refine_people(
                joined, body, self.settings.refine, self.models.device, self.models.motion_prior()
            ):
                write_track(path_of[track.track_id], track)
                count += 1
                self.progress.advance(count, "")
            release_memory()
        return list(path_of.values())

    def _export(self, claim: Claim) -> Sequence[Path]:
        chosen, body = self.settings, self.models.body()
        layouts: tuple[LayoutName, ...] = ("smplh", "smplx") if chosen.export.is_smplx_written else ("smplh",)
        sources = self.motion_paths()
        paths_of = [
            {layout: self.files.track(person_number(source), layout) for layout in layouts} for source in sources
        ]
        paths = [path for each in paths_of for path in each.values()]
        claim(paths)
        self.progress.start("export", len(sources))
        with self.clock.measure("export"):
            for count, (source, path_of) in enumerate(zip(sources, paths_of, strict=True), start=1):
                track = read_track(source)
                for layout in layouts:
                    write_motion(
                        path_of[layout],
                        track,
                        body,
                        layout=layout,
                        rate=chosen.export.rate_hz,
                        gap_max_s=chosen.link.gap_max_s,
                        source=self.info.path.name,
                        version=program_version(),
                    )
                self.progress.advance(count, "")
        return paths

    def _overlay(self, claim: Claim) -> Sequence[Path]:
        path = self.files.overlay
        claim([path])
        tracks = MotionLibrary.of_files(self.motion_paths())
        has_sound = self.settings.overlay.is_sound_kept and not self.info.is_counted  # else out of step
        self.progress.start("overlay", self._frame_total())

        @contextmanager
        def open_writer(target: Path, width: int, height: int) -> Iterator[_EncodedBehind]:
            with (
                Sound(self.info) if has_sound else nullcontext() as sound,
                VideoWriter(target, width, height, self.info.rate, sound=sound) as video,
                WriteBehind[tuple[np.ndarray, float]](
                    lambda shot: video.write(*shot), fit_queue(WRITE_BEHIND_FRAMES, width * height)
                ) as behind,
            ):
                yield _EncodedBehind(behind)

        def counted() -> Iterator[Frame]:
            for number, frame in enumerate(_Frames(self._read(tell=log.debug)), start=1):
                yield frame
                if number % self._chunk_frames == 0:
                    release_memory()
                self.progress.advance(number, "")

        with (
            self.clock.measure("overlay"),
            closing(prefetch(counted(), self._ahead_frames)) as frames,
        ):
            count = write_overlay(frames, tracks, self.models.body(), path, self.settings.overlay, open_writer)
        return [path] if count else []

    def _read(self, done: Journal | None = None, tell: Callable[[str], None] = log.warning) -> Iterator[Frame]:
        """Return the frames of the chosen part, after those that a journal counts."""
        decode = self.settings.decode
        return read_frames(
            self.info,
            start_s=decode.start_s,
            end_s=decode.end_s,
            from_index=done.next_frame if done is not None else None,
            after_time_s=done.last_time_s if done is not None and done.shard_count else None,
            max_side_px=decode.max_side_px,
            on_corrupt=decode.on_corrupt,
            tell=tell,
        )

    @property
    def _frame_pixels(self) -> int:
        width, height = fit_size(self.info.width, self.info.height, self.settings.decode.max_side_px)
        return width * height

    @property
    def _chunk_frames(self) -> int:
        return fit_chunk(self.settings.runtime.chunk_frames, self._frame_pixels)

    @property
    def _ahead_frames(self) -> int:
        return fit_queue(self.settings.runtime.prefetch_frames, self._frame_pixels)

    @property
    def _shrunk(self) -> float:
        """How much smaller frames are read than they are."""
        limit = self.settings.decode.max_side_px
        return 1.0 if limit is None else min(1.0, limit / max(self.info.width, self.info.height))

    def focal_px(self) -> float | None:
        """Return the focal length in pixels of the frames as they are read: the one given, or the file's own."""
        known = self.settings.recover.focal_px or self.info.focal_px
        return None if known is None else known * self._shrunk

    def _whole_count(self, journal: Journal) -> int | None:
        """Return how many frames the whole video has, by its header or by what was read; None = not known."""
        declared = self.info.frame_count
        if declared is None and self.settings.decode.end_s is not None:
            return None
        return max(declared or 0, journal.next_frame or 0)

    def _frame_total(self) -> int | None:
        total, decode = self.info.frame_count, self.settings.decode
        if total is None or (decode.start_s is None and decode.end_s is None):
            return total
        length_s = total / float(self.info.rate)
        seconds = min(decode.end_s or length_s, length_s) - (decode.start_s or 0.0)
        return max(0, round(seconds * float(self.info.rate)))


class _EncodedBehind:
    """Takes frames of a video that another thread encodes."""

    def __init__(self, behind: WriteBehind[tuple[np.ndarray, float]]) -> None:
        self._behind = behind

    def write(self, image: np.ndarray, time_s: float) -> None:
        """Queue one frame."""
        self._behind.put((image, time_s))


class _Frames:
    """The frames of a video up to its damage; `warning` says what the damage was."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self.warning = ""

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from self._frames
        except TruncatedError as error:
            self.warning = str(error)


def _dump(settings: RunSettings, *sections: str) -> dict[str, Any]:
    return {section: getattr(settings, section).model_dump(mode="json") for section in sections}
