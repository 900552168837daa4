"""The motion before refinement, as it was recovered frame by frame, to look at beside the refined one."""

from dataclasses import replace

import numpy as np

from configs.gaps import longest_gap_s
from pipeline.flow.store import ObservationStore
from pipeline.motion.posing import pelvis_of
from pipeline.motion.world import move_root
from pipeline.nodes.edits import edited_people
from pipeline.nodes.group import iterate_people
from pipeline.nodes.refine import assemble_track
from pipeline.results import Run
from pipeline.view.scene import Scene, ScenePerson


def raw_scene(run: Run, scene: Scene) -> Scene | None:
    """Return the same people without refinement; None for captures, turning cameras, and where observations are gone.

    Raises:
        InputError: the run is of another version.
    """
    store = ObservationStore(run.files.observations)
    is_turning = run.scene is not None and run.scene.is_turn_followed
    if is_turning or run.record.cameras or store.read_state() is None or not scene.people:
        return None
    settings, known = run.settings, {person.id: person for person in scene.people}
    people = edited_people(run.path, store, settings)
    spans = [span for span in people.find_spans() if span.track_id in known]
    body, (camera, *_) = run.body, scene.cameras
    found = []
    for rows in iterate_people(people, spans) if spans else ():
        track = assemble_track(rows, body, longest_gap_s(settings), settings.recover)
        pelvis = pelvis_of(body, track.betas)
        root, trans = move_root(track.pose[:, 0], track.trans, pelvis, camera.world_from_cam)
        pose = np.concatenate([root[:, None], track.pose[:, 1:]], axis=1)
        twin = known[track.track_id]
        found.append(
            ScenePerson(
                id=twin.id,
                rest_vertices=twin.rest_vertices,
                rest_joints=twin.rest_joints,
                pose=pose,
                time_s=track.time_s,
                pelvis_m=pelvis + trans,
                is_observed=track.is_observed,
                is_refined=np.zeros(len(pose), bool),
                confidence=track.joint_confidence[:, :22].mean(axis=1),
                is_hidden=np.zeros(len(pose), bool),
            )
        )
    return replace(scene, people=tuple(sorted(found, key=lambda person: person.id)))
