"""A small pose network of Ultralytics' layers with random numbers for weights, and its checkpoint."""

from pathlib import Path

KEYPOINTS = 17
WIDTH = 0.125  # of YOLOv8's full width
BACKBONE = [
    [-1, 1, "Conv", [64, 3, 2]],
    [-1, 1, "Conv", [128, 3, 2]],
    [-1, 3, "C2f", [128, True]],
    [-1, 1, "Conv", [256, 3, 2]],
    [-1, 6, "C2f", [256, True]],
    [-1, 1, "Conv", [512, 3, 2]],
    [-1, 6, "C2f", [512, True]],
    [-1, 1, "Conv", [1024, 3, 2]],
    [-1, 3, "C2f", [1024, True]],
    [-1, 1, "SPPF", [1024, 5]],
]
HEAD = [
    [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
    [[-1, 6], 1, "Concat", [1]],
    [-1, 3, "C2f", [512]],
    [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
    [[-1, 4], 1, "Concat", [1]],
    [-1, 3, "C2f", [256]],
    [-1, 1, "Conv", [256, 3, 2]],
    [[-1, 12], 1, "Concat", [1]],
    [-1, 3, "C2f", [512]],
    [-1, 1, "Conv", [512, 3, 2]],
    [[-1, 9], 1, "Concat", [1]],
    [-1, 3, "C2f", [1024]],
    [[15, 18, 21], 1, "Pose", ["nc", "kpt_shape"]],
]


def write_pose_weights(path: Path) -> Path:
    """Write an Ultralytics checkpoint of a YOLOv8 pose network of people in float16; return its path."""
    import torch

    from trackers.ultralytics_loader import ultralytics_undisturbed

    with ultralytics_undisturbed():
        from ultralytics.nn.tasks import PoseModel

        architecture = {
            "nc": 1,
            "kpt_shape": [KEYPOINTS, 3],
            "scale": "n",
            "scales": {"n": [0.33, WIDTH, 1024]},
            "backbone": BACKBONE,
            "head": HEAD,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = PoseModel(architecture, ch=3, nc=1, verbose=False)
        network.names = {0: "person"}
        network.args = {"task": "pose", "imgsz": 640}  # type: ignore[assignment]
        content = {"model": network.half().eval(), "ema": None, "epoch": -1, "train_args": network.args}
        torch.save(content, path)
    return path
