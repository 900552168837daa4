"""One clip from video to files: the nodes of its graph, and what each of them depends on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.gaps import longest_gap_s
from configs.schema import RunSettings
from configs.version import program_version
from pipeline.device import device_kind
from pipeline.flow.graph import FORMATS_NODE, Claim, Graph, Node, PlannedNode, fingerprint_of
from pipeline.flow.identity import code_identity, video_identity, weights_identity
from pipeline.flow.record import read_record
from pipeline.nodes.context import ClipContext
from pipeline.nodes.edits import read_edits
from pipeline.nodes.links_file import LinkedRows
from pipeline.nodes.numbering import NumberedPeople
from refine.prior.calibration import read_scales

if TYPE_CHECKING:
    from pipeline.nodes.segments import Segment

LINKING = ("mode", "score_min", "split_min", "join_max_s", "hidden_max_s")  # settings of `link` that say who is who
# Whose code the files of a node depend on, beside that of the nodes before it.
CODE_OF_OBSERVATIONS = (
    *("configs", "trackers", "dpmesh", "pipeline", "pipeline/flow", "pipeline/media", "pipeline/stages"),
    *("pipeline/nodes/context.py", "pipeline/nodes/look.py", "pipeline/nodes/observe.py"),
    *("pipeline/nodes/segments.py", "pipeline/nodes/join.py"),
)
CODE_OF_LINKS = (
    *("trackers/linking", "pipeline/nodes/link.py", "pipeline/nodes/links_file.py", "pipeline/nodes/group.py"),
)
CODE_OF_MOTION = (
    *("refine", "pipeline/motion", "pipeline/nodes/motion.py", "pipeline/nodes/refine.py", "pipeline/nodes/edits.py"),
    *("pipeline/nodes/group.py", "pipeline/nodes/numbering.py", "pipeline/nodes/links_file.py"),
    "pipeline/nodes/ground.py",
)
CODE_OF_EXPORT = ("pipeline/nodes/export.py",)
CODE_OF_FORMATS = ("pipeline/export", "pipeline/nodes/formats.py")
CODE_OF_OVERLAY = ("pipeline/overlay", "pipeline/nodes/overlay.py")
CODE_OF_REPORT = ("pipeline/report", "pipeline/view", "pipeline/data/report", "pipeline/nodes/report.py")


@dataclass(slots=True)
class Clip(ClipContext):
    """One video on its way to one output folder, as a graph of nodes."""

    def graph(self) -> Graph:
        """Return the nodes of this clip over its output folder."""
        chosen = self.settings
        observed = self._observed()
        linked = {name: getattr(chosen.link, name) for name in LINKING}
        linked["code"] = code_identity(*CODE_OF_LINKS)
        motion = _dump(chosen, "link", "refine", "body") | {"is_camera_fitted": chosen.recover.is_camera_fitted}
        prior = self.models.motion_prior_path
        motion["motion_prior"] = weights_identity(prior) if prior else ""
        motion["sigma_scales"] = read_scales(prior) if prior else {}
        motion["is_focal_given"] = self.focal_px() is not None
        motion["gap_max_s"] = longest_gap_s(chosen)
        motion["code"] = code_identity(*CODE_OF_MOTION)
        motion["edits"] = [asdict(edit) for edit in read_edits(self.folder)[1]]
        export = _dump(chosen, "privacy") | {"export": chosen.export.model_dump(mode="json", exclude={"formats"})}
        export |= {"program": program_version(), "code": code_identity(*CODE_OF_EXPORT)}
        overlay = _dump(chosen, "overlay") | {"code": code_identity(*CODE_OF_OVERLAY)}
        if chosen.overlay.is_ground_drawn:
            overlay["ground"] = self._analytics_inputs()
        nodes = [
            Node("observe", (), observed, lambda _: self._observe(observed)),
            Node("link", ("observe",), linked, self._make_links),
            Node("motion", ("observe", "link"), motion, self._make_motion),
            Node("export", ("motion",), export, self._export),
        ]
        if chosen.overlay.is_written:
            nodes.append(Node("overlay", ("motion",), overlay, self._draw_overlay))
        if chosen.analytics.is_written:
            analytics = self._analytics_inputs() | _dump(chosen, "privacy")
            nodes.append(Node("analyze", ("motion",), analytics, self._analyze))
        if chosen.export.formats:
            formats = {"formats": list(chosen.export.formats), "code": code_identity(*CODE_OF_FORMATS)}
            nodes.append(Node(FORMATS_NODE, ("export",), formats, self._write_formats))
        if chosen.report.is_written:
            report = _dump(chosen, "report", "privacy") | {"code": code_identity(*CODE_OF_REPORT)}
            nodes.append(Node("report", tuple(node.name for node in nodes[1:]), report, self._write_report))
        return Graph(self.folder, nodes)

    def _observed(self) -> dict[str, Any]:
        """Return all that the observations depend on."""
        chosen = self.settings
        observed = {
            "video": video_identity(self.info.path),
            "code": code_identity(*CODE_OF_OBSERVATIONS, without=("trackers/linking",)),
            "models": self.models.identities,
            "dtype": self.models.dtype,
            "device": device_kind(self.models.device),
            "chunk_frames": self.chunk_frames,
            **_dump(chosen, "decode", "appearance", "track", "recover", "body"),
            # What the keypoint file holds is in `models`; where it lies changes nothing.
            "detect": chosen.detect.model_dump(mode="json", exclude={"keypoints"}),
        }
        if (segment_s := self.segment_s) is not None:
            observed["segment_s"] = segment_s
        return observed

    @property
    def observations_fingerprint(self) -> str:
        """The fingerprint of the observations."""
        return fingerprint_of(self._observed())

    def _analytics_inputs(self) -> dict[str, Any]:
        from pipeline.nodes.analyze import analytics_inputs  # here: only analyses load its libraries

        return analytics_inputs(self.settings.analytics)

    def plan(self) -> list[PlannedNode]:
        """Return what a run would do.

        Raises:
            WeightsError: motion would be made, and what `refine.prior` names cannot be used. Detection and recovery,
                which come first, would not find out.
            SettingsError: a format cannot be written on this machine.
        """
        if self.settings.export.formats:
            from pipeline.export.formats import check_formats

            check_formats(self.settings.export.formats)
        plan = self.graph().plan()
        if any(node.name == "motion" and not node.is_current for node in plan):
            self.models.check_motion_prior()
        return plan

    # What a node does is imported when it runs: a plan needs none of the libraries, and answers at once.

    def _observe(self, depends_on: dict[str, Any]) -> Sequence[Path]:
        from pipeline.nodes.segments import make_observations

        with self.clock.measure("observe"):
            return make_observations(self, fingerprint_of(depends_on), depends_on["video"])

    def observe_segment(self, segment: "Segment") -> int:
        """Write what is seen in a segment of the clip into the folder of the segment; return the number of its frames.

        Raises:
            InputError: the video was changed meanwhile.
            RunError: another process is at this segment.
        """
        from pipeline.nodes.segments import observe_segment

        total = None if segment.stop is None else segment.stop - segment.first
        self.progress.start("recover", total)
        identity = video_identity(self.info.path)
        return observe_segment(self, segment, self.observations_fingerprint, identity).journal.frame_count

    def _make_links(self, claim: Claim) -> Sequence[Path]:
        from pipeline.nodes.link import make_links

        return make_links(self, claim)

    def _make_motion(self, claim: Claim) -> Sequence[Path]:
        from pipeline.nodes.motion import make_motion

        return make_motion(self, claim)

    def _export(self, claim: Claim) -> Sequence[Path]:
        from pipeline.nodes.export import export_motion

        return export_motion(self, claim)

    def _write_formats(self, claim: Claim) -> Sequence[Path]:
        from pipeline.nodes.formats import write_formats_of_clip

        return write_formats_of_clip(self, claim)

    def _draw_overlay(self, claim: Claim) -> Sequence[Path]:
        from pipeline.nodes.overlay import draw_overlay

        return draw_overlay(self, claim)

    def _analyze(self, claim: Claim) -> Sequence[Path]:
        from pipeline.nodes.analyze import analyze_clip

        return analyze_clip(self, claim)

    def _write_report(self, claim: Claim) -> Sequence[Path]:
        from pipeline.nodes.report import write_report

        state = self.store.read_state()
        journal = state[0] if state else None
        record = read_record(self.folder)
        if journal is not None:
            record = record.model_copy(update={"frames": journal.frame_count, "problem": journal.warning})
        self.progress.start("report", None)
        with self.clock.measure("report"):
            return write_report(self.files, record, self.settings.report, claim)

    def has_found_somebody(self) -> bool:
        """Return whether there are people in the observations, whoever of them is written."""
        return bool(NumberedPeople.from_settings(LinkedRows.of(self.folder), self.settings).find_spans())


def _dump(settings: RunSettings, *sections: str) -> dict[str, Any]:
    return {section: getattr(settings, section).model_dump(mode="json") for section in sections}
