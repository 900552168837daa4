"""Motion files for a user's SMPL: `export --fit-smpl` fits its shape to the open body's people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from configs.errors import RunError, SettingsError
from configs.lock import locked
from configs.npz_files import read_npz
from dpmesh.body.load import find_body, read_structure
from dpmesh.body.structure import BodyStructure
from pipeline.export.fit_smpl import CHECKED_POSES, SmplFit, fit_smpl, posed
from pipeline.export.people import Placement, read_people
from pipeline.export.scene import ScenePerson, chain
from pipeline.export.surface import Surface
from pipeline.flow.atomic import write_json, write_npz
from pipeline.flow.graph import FORMATS_NODE, Graph
from pipeline.flow.outputs import RunFolder, describe_files, exported_name
from pipeline.flow.record import read_finished
from pipeline.motion.layouts import find_layout, full_poses
from pipeline.motion.read import MOTION_BYTES_MAX, read_motion

FORM = "amass"


@dataclass(frozen=True, slots=True)
class FittedFile:
    """A motion file for the user's SMPL, and how far its surface is from the open body's."""

    path: Path
    fit: SmplFit
    posed_error_mm: float  # mean distance of the vertices from the open body's surface, over some of the samples


def export_with_smpl(
    folder: Path,
    smpl_path: Path,
    people: Sequence[int] | None = None,
    output: Path | None = None,
    on_file: Callable[[FittedFile], None] = lambda file: None,
) -> list[FittedFile]:
    """Write motion files whose betas and poses are for a user's SMPL; everything else is as in `tracks/`.

    Args:
        smpl_path: a SMPL file.
        people: numbers; None: all.
        output: where the folder `amass` goes; None: the run's `export/`.

    Raises:
        InputError: there is no finished run, or nobody to export.
        SettingsError: the run's body is no open body.
        WeightsError: the SMPL file cannot be used.
    """
    record = read_finished(folder)
    if find_body(record.body.source, record.body.gender) is not None:
        raise SettingsError(
            f"--fit-smpl: the motion of this run is of {record.body.source} already; its betas need no conversion"
        )
    smpl, body, files = read_structure(smpl_path), read_structure(), RunFolder(folder)
    _, persons = read_people(files, body, 0.5, Placement(), people)
    names = [exported_name(FORM, "npz", person.number) for person in persons]
    paths = [(folder / "export" if output is None else output) / name for name in names]
    made = []

    def make() -> None:
        for person, path in zip(persons, paths, strict=True):
            made.append(_write(path, files.track(person.number), person, smpl, body))
            on_file(made[-1])

    if output is not None:
        make()
        return made
    with locked(folder):
        Graph(folder, []).add(FORMATS_NODE, paths, make)
        write_json(files.record, record.model_copy(update={"files": describe_files(folder)}).dump())
    return made


def _write(path: Path, source: Path, person: ScenePerson, smpl: BodyStructure, body: BodyStructure) -> FittedFile:
    arrays = read_npz(source, bytes_max=MOTION_BYTES_MAX)
    file = read_motion(source)
    fit = fit_smpl(smpl, body, person.betas)
    pose = file.smpl_pose().astype(np.float64)
    pelvis = file.trans.astype(np.float64) + fit.open_rest[0]
    new_pose, trans = fit.convert(pose, pelvis)
    error_mm = posed_error_mm(smpl, body, person.betas, fit, pose, pelvis)
    layout = find_layout(arrays["poses"].shape[1])
    assert layout is not None  # `read_motion` has seen to it
    poses = full_poses(new_pose, layout)
    betas = np.zeros_like(arrays["betas"])
    betas[:10] = fit.betas
    joints = chain(fit.rest, Rotation.from_rotvec(new_pose.reshape(-1, 3)), trans + fit.rest[0])
    arrays |= {
        "poses": poses,
        "root_orient": poses[:, :3],
        "pose_body": poses[:, 3:66],
        "trans": trans.astype(np.float32),
        "betas": betas,
        "gender": np.array(smpl.gender),
        "body_model": np.array(smpl.name),
        "pelvis_offset": fit.rest[0],
        "joints_world": joints.astype(np.float32),
        "smpl_fit_error_mm": np.array(fit.error_mm),
        "smpl_fit_error_95_mm": np.array(fit.error_95_mm),
        "smpl_fit_posed_error_mm": np.array(error_mm),
    }
    write_npz(path, arrays)
    again = read_npz(path, bytes_max=MOTION_BYTES_MAX)
    if any(again[name].tobytes() != array.tobytes() for name, array in arrays.items()):
        raise RunError(f"{path}: read back otherwise than written; check the disk and export again")
    return FittedFile(path, fit, error_mm)


def posed_error_mm(
    smpl: BodyStructure, body: BodyStructure, betas: np.ndarray, fit: SmplFit, pose: np.ndarray, pelvis: np.ndarray
) -> float:
    """Return the mean distance of the posed SMPL's vertices from the posed open body's surface.

    Args:
        pose: (T, 24, 3) and pelvis (T, 3) of the open body; at most `CHECKED_POSES` of them are compared.
    """
    rows = np.unique(np.linspace(0, len(pose) - 1, min(len(pose), CHECKED_POSES)).astype(np.int64))
    converted, trans = fit.convert(pose[rows], pelvis[rows])
    distances = []
    for place, row in enumerate(rows):
        target, _, _ = posed(body, betas, Rotation.from_rotvec(pose[row]).as_matrix(), pelvis[row])
        turns = Rotation.from_rotvec(converted[place]).as_matrix()
        vertices, _, _ = posed(smpl, fit.betas, turns, trans[place] + fit.rest[0])
        found, _ = Surface(target, body.faces).closest(vertices)
        distances.append(np.linalg.norm(found - vertices, axis=1).mean())
    return float(1000 * np.mean(distances))
