from copy import deepcopy

import pytest
import torch

from configs.packed_layers import PackedConv2d, can_pack
from trackers.pose_packing import pack_pose
from trackers.ultralytics_loader import ultralytics_undisturbed

needs_packing = pytest.mark.skipif(not can_pack(torch.float32), reason="this build of torch has no packed layers")


def pose_network(name: str) -> torch.nn.Module:
    with ultralytics_undisturbed():
        from ultralytics.nn.tasks import PoseModel

        torch.manual_seed(0)
        return PoseModel(name, verbose=False).eval().fuse(verbose=False)


@needs_packing
@pytest.mark.parametrize("name", ["yolov8n-pose.yaml", "yolo11n-pose.yaml", "yolo26n-pose.yaml"])
def test_a_packed_pose_network_says_what_the_plain_one_says(name: str) -> None:
    plain = pose_network(name)
    packed = deepcopy(plain)
    pack_pose(packed, torch.float32)
    image = torch.rand(2, 3, 64, 96)
    with torch.inference_mode():
        wanted, found = plain(image)[0], packed(image)[0]
    assert sum(isinstance(module, PackedConv2d) for module in packed.modules()) > 50
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=1e-4)


@needs_packing
def test_places_are_computed_in_float32_whatever_the_layers_compute_in() -> None:
    if not can_pack(torch.bfloat16):
        pytest.skip("this CPU does not compute in bfloat16")
    packed = pose_network("yolov8n-pose.yaml")
    pack_pose(packed, torch.bfloat16)
    with torch.inference_mode():
        found = packed(torch.rand(1, 3, 64, 1504))[0]  # in bfloat16, columns from 128 on have no half between them
    assert found.dtype == torch.float32
    assert len(torch.unique(packed.model[-1].anchors[0])) == 188
