"""The models of a run, loaded on first use and shared by all clips."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from configs.errors import WeightsError
from configs.schema import DetectSettings, RunSettings
from configs.threads import choose_threads
from configs.weights import find_entry, resolve, resolve_network
from pipeline.device import choose_dtype, choose_rows, choose_workers
from pipeline.flow.identity import files_identity, weights_identity
from trackers.joining import ERRORS_PATH
from trackers.keypoint_files import KeypointRecord
from trackers.keypoint_files.folder import source_files
from trackers.weights import ResolvedWeights, find_detector

if TYPE_CHECKING:
    from dpmesh.body import BodyModel
    from dpmesh.recovery.recover import BodyRecovery
    from refine.prior.network import MotionPrior
    from trackers.appearance.measure import LooksMeter
    from trackers.detector import Detector, PeopleFinder
    from trackers.second_stage import SecondStage

LANDMARKS_NAME = "blazepose-full"
LANDMARK_ROWS = 8  # crops per call of a GPU


class Models:
    """The models that the stages run; each is loaded on first use."""

    def __init__(self, settings: RunSettings, device: str) -> None:
        self._settings = settings
        self.device = device
        self.dtype = choose_dtype(settings.recover.dtype, device)
        self.threads = choose_threads(settings.runtime.threads) if device == "cpu" else 1
        self._body: BodyModel | None = None
        self._detector: Detector | None = None
        self._record: KeypointRecord | None = None
        self._recovery: BodyRecovery | None = None
        self._motion_prior: MotionPrior | None = None

    def for_clip(self, settings: RunSettings) -> "Models":
        """Return the models of a clip with settings of its own; what is loaded and the same for both is shared."""
        if settings == self._settings:
            return self
        other, mine = Models(settings, self.device), self._settings
        if settings.body == mine.body:
            other._body = self._body
            if settings.recover == mine.recover:
                other._recovery = self._recovery
        if _without_keypoints(settings) == _without_keypoints(mine) and settings.recover.dtype == mine.recover.dtype:
            other._detector = self._detector
        if settings.refine.prior == mine.refine.prior:
            other._motion_prior = self._motion_prior
        return other

    @cached_property
    def detector_weights(self) -> ResolvedWeights | None:
        """Which detector is used and why; None if keypoints come from a file."""
        return None if self._settings.detect.keypoints else find_detector(self._settings.detect.weights)

    @cached_property
    def recovery_path(self) -> Path:
        """The folder with the network's config and weights."""
        return resolve_network(self._settings.recover.model)

    @cached_property
    def pose_prior_path(self) -> Path | None:
        """The imported VPoser of the network's pose head, or None if it needs none."""
        from dpmesh.network.stored_config import read_config

        if read_config(self.recovery_path)["regressor_config"].get("pose_head", "vposer") != "vposer":
            return None
        from dpmesh.stored.vposer import find_decoder

        return find_decoder()

    @cached_property
    def body_path(self) -> Path | None:
        """The user's SMPL file, or None for the open body."""
        from dpmesh.body.load import find_body

        return find_body(self._settings.body.source, self._settings.body.gender)

    @cached_property
    def identities(self) -> dict[str, str]:
        """Return the content hash of each model."""
        found, second = self.detector_weights, self.second_stage_path
        keypoints = self._settings.detect.keypoints
        if found is not None:
            detector = files_identity(found.files, found.path)
        else:
            detector = files_identity(source_files(keypoints), keypoints) if keypoints else ""
        prior = self.pose_prior_path
        return {
            "detector": detector,
            "recovery": weights_identity(self.recovery_path) + (weights_identity(prior) if prior else ""),
            "reid": self._reid_identity(),
            "second_stage": weights_identity(second) + weights_identity(ERRORS_PATH) if second else "",
            "body": weights_identity(self.body_path if self.body_path else resolve("open-body")),
        }

    def _reid_identity(self) -> str:
        from trackers.appearance.network import find_network, network_files

        reid = self._settings.appearance.reid
        if reid in ("off", "parts"):
            return ""
        path = Path(reid).expanduser()
        return files_identity(network_files(path), find_network(path).parent)

    @cached_property
    def second_stage_path(self) -> Path | None:
        """The folder of the landmark network of the second stage, or None if it is off."""
        wanted = self._settings.detect.second_stage
        if wanted == "off" or (wanted == "auto" and self.detector_weights is None):
            return None
        return resolve_network(LANDMARKS_NAME if wanted == "auto" else wanted)

    @property
    def reid_name(self) -> str:
        """Return what tells people apart by their looks: 'parts', 'off', or the file's name."""
        return Path(self._settings.appearance.reid).name

    @cached_property
    def motion_prior_path(self) -> Path | None:
        """The folder of the motion prior, or None if refinement uses none."""
        refine = self._settings.refine
        is_asked = refine.mode in ("fit", "guided", "published") and refine.prior != "none"
        return resolve_network(refine.prior) if is_asked else None

    def motion_prior(self) -> "MotionPrior | None":
        """Return the motion prior, or None if refinement uses none."""
        if self._motion_prior is None and self.motion_prior_path is not None:
            from refine.prior.pretrained import check_config

            check_config(self.motion_prior_path)
            from refine.prior.network import MotionPrior

            self._motion_prior = MotionPrior.from_pretrained(self.motion_prior_path)
        return self._motion_prior

    def check_motion_prior(self) -> None:
        """Raise `WeightsError` if the motion prior cannot be used.

        One of the package is known by its hash; another one is loaded, which takes seconds.
        """
        entry = find_entry(self._settings.refine.prior)
        if entry is None or entry.kind != "bundled":
            self.motion_prior()

    def looks_meter(self) -> "LooksMeter":
        """Return what measures people's looks; there is one where `appearance.reid` is not off."""
        from trackers.appearance.network import ReidNetwork
        from trackers.appearance.parts import PartColours

        reid = self._settings.appearance.reid
        return PartColours() if reid == "parts" else ReidNetwork(Path(reid).expanduser())

    def second_stage(self) -> "SecondStage | None":
        """Return the second stage of keypoint estimation, or None if it is off."""
        if self.second_stage_path is None:
            return None
        from trackers.blazepose.estimator import LandmarkEstimator
        from trackers.imported.load import load_graph
        from trackers.imported.serving import ROWS_TOGETHER
        from trackers.joining import read_errors
        from trackers.second_stage import SecondStage

        estimator = LandmarkEstimator(
            load_graph(self.second_stage_path),
            device=self.device,
            dtype=self.dtype,
            batch_rows=ROWS_TOGETHER if self.device == "cpu" else LANDMARK_ROWS,
            threads=self.threads,
            is_flip_test_on=self._settings.detect.is_second_flip_test_on,
        )
        found = self.detector_weights
        is_open = found is not None and found.is_open
        return SecondStage(estimator, detector_errors=read_errors("open-detector" if is_open else "detector"))

    def body(self) -> "BodyModel":
        """Return the body model."""
        from dpmesh.body import load_body

        if self._body is None:
            self._body = load_body(self.body_path, device=self.device, gender=self._settings.body.gender)
        return self._body

    def people_finder(self, image_names: Sequence[str] = ()) -> "PeopleFinder":
        """Return the detector, or the reader of the keypoint file.

        Args:
            image_names: file names of the frames, for a folder of images.
        """
        detect = self._settings.detect
        if self.detector_weights is not None:
            return self.detector()
        if self._record is None and detect.keypoints is not None:
            self._record = KeypointRecord(
                detect.keypoints,
                layout=detect.keypoints_format,
                image_names=image_names,
                is_id_kept=self._settings.track.is_id_kept,
            )
        if self._record is None:
            raise WeightsError("no detector and no keypoint file; give --detector or detect.keypoints")
        return self._record

    def detector(self) -> "Detector":
        """Return the detector."""
        detect, found = self._settings.detect, self.detector_weights
        if found is None:
            raise WeightsError("keypoints come from a file; leave detect.keypoints out to detect people")
        if self._detector is None:
            if detect.is_flip_test_on is None:
                detect = detect.model_copy(update={"is_flip_test_on": not found.is_open})
            if found.is_open:
                from trackers.open_detector.detector import OpenDetector

                self._detector = OpenDetector(
                    found.path, detect, device=self.device, dtype=self.dtype, threads=self.threads
                )
            else:
                from trackers.detector import PoseDetector

                self._detector = PoseDetector(
                    found.path, detect, device=self.device, dtype=self.dtype, threads=self.threads
                )
        return self._detector

    @property
    def detector_passes(self) -> int:
        """How often the detector goes over each frame: twice with the flip test."""
        given, found = self._settings.detect.is_flip_test_on, self.detector_weights
        return 2 if given or (given is None and found is not None and not found.is_open) else 1

    @property
    def is_size_open(self) -> bool:
        """Whether a look at a clip chooses the size of the detector's input."""
        return self._settings.detect.image_px == "auto" and self.detector_weights is not None

    @property
    def finder_problem(self) -> str:
        """Return what could not be read from the keypoint file; empty if all was read."""
        return self._record.problem if self._record is not None else ""

    def warn_of_frames_beyond(self, frame_count: int) -> None:
        """Warn if the keypoint file names frames beyond the end of the video."""
        if self._record is not None:
            self._record.warn_beyond(frame_count)

    def recovery(self) -> "BodyRecovery":
        """Return the recovery network with its pre- and postprocessing."""
        import torch

        from configs.number_formats import FORMATS
        from configs.packed_layers import can_pack
        from dpmesh.network.model import DPMesh
        from dpmesh.network.packing import lay_out, pack
        from dpmesh.recovery.recover import BodyRecovery

        if self._recovery is None:
            recover, path = self._settings.recover, self.recovery_path
            network: DPMesh = DPMesh.from_pretrained(path, torch_dtype=torch.float32)
            if network.settings.backbone.lora_rank:
                from dpmesh.weights.lora import merge_lora

                network = merge_lora(network)
            if self.device != "cpu":
                lay_out(network, FORMATS[self.dtype])
            elif can_pack(FORMATS[self.dtype]):
                pack(network, FORMATS[self.dtype])
            row_bytes = network.settings.backbone.row_bytes
            rows = recover.batch_rows or choose_rows(row_bytes, self.device)
            self._recovery = BodyRecovery(
                network,
                self.body(),
                recover,
                device=self.device,
                dtype=self.dtype,
                batch_rows=rows,
                threads=choose_workers(self.threads, rows * row_bytes),
            )
        return self._recovery


def _without_keypoints(settings: RunSettings) -> DetectSettings:
    return settings.detect.model_copy(update={"keypoints": None, "keypoints_format": "auto"})


def describe(models: Models) -> dict[str, str]:
    """Return the models of a run, for `run.json`."""
    found = models.detector_weights
    return {
        "detector": found.path.name if found else "keypoint file",
        "detector_reason": found.reason if found else "precomputed keypoints",
        "reid": models.reid_name,
        "second_stage": models.second_stage_path.name if models.second_stage_path else "off",
        "recovery": models.recovery_path.name,
        "body": models.body_path.name if models.body_path else "open body",
        "motion_prior": models.motion_prior_path.name if models.motion_prior_path else "none",
        "dtype": models.dtype,
    } | {f"{name}_sha256": value for name, value in models.identities.items()}
