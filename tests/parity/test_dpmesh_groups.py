"""Nothing that the golden data holds goes without a test."""

import re
from pathlib import Path

import numpy as np

# Groups of the metrics file, each with the file of tests that reads it.
GROUPS = {
    "geometry": (
        "rigid_align", "evaluate", "rot6d_to_axis_angle", "rot6d_batch3_quirk", "rotmat_to_rot6d", "batch_rodrigues",
        "rotation_matrix_to_angle_axis", "quaternion_to_angle_axis", "batch_convert_to_rotmat_aa", "rot9d_to_rotmat",
        r"get_camera_trans_.*", "cam2pixel", "denorm_joints", r"to_smpl30/.*", "add_pelvis_openpose",
        "add_pelvis_neck_coco", "get_bbox", "process_bbox_test", r"process_bbox_train_seed\d+", "gen_trans",
    ),
    "parts": ("heatmap", r"anchor_exponent_.*", "pos2d", "pos1d", "inverse_sigmoid", "cascade_fc"),
    "items": ("test_item", r"test_item/.*"),
    "noise": (r"posefix/.*", r"posefix_stats/.*", r"aug_config_seed\d+", r"occluder_seed\d+"),
    "losses": (
        "get_coord", "loss_coord", "loss_param", "loss_simclr", "loss_simclr_5d", "loss_mse", "loss_vq", "info_nce",
        "awl",
    ),
}  # fmt: skip


def test_every_group_of_the_metrics_file_has_its_test(metrics: dict[str, np.ndarray]) -> None:
    patterns = [pattern for group in GROUPS.values() for pattern in group]
    groups = {name.rpartition("/")[0] for name in metrics}
    assert not {group for group in groups if not any(re.fullmatch(pattern, group) for pattern in patterns)}


def test_every_file_of_arrays_has_its_test(golden_dir: Path) -> None:
    tested = (
        "dpmesh_small_seed",
        "dpmesh_realsize_recipe_seed",
        "metrics_golden",
        "train_losses_golden",
        "vqvae_golden",
    )
    arrays = [path.name for path in golden_dir.iterdir() if path.suffix in (".safetensors", ".npz")]
    assert not [name for name in arrays if not name.startswith(tested)]
