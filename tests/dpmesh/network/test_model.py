"""The compact network: rows, gradients, storage, number formats."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_network import TINY_BACKBONE, TINY_REGRESSOR
from torch import Tensor

from dpmesh.network.config import JOINT_COUNT, RELEASE, NetworkConfig
from dpmesh.network.heads import published_translation
from dpmesh.network.latents import fold_patches
from dpmesh.network.model import DPMesh, DPMeshOutput

Rows = tuple[Tensor, Tensor, Tensor]


def tiny(**regressor: object) -> NetworkConfig:
    """Return the compact configuration with widths that run in a fraction of a second."""
    return NetworkConfig(TINY_BACKBONE, replace(TINY_REGRESSOR, **regressor))


def rows(count: int, side: int = 128) -> Rows:
    generator = torch.Generator().manual_seed(count)
    image = torch.rand(count, 3, side, side, generator=generator)
    joints = torch.rand(count, JOINT_COUNT, 2, generator=generator) * 32
    return image, joints, (torch.rand(count, JOINT_COUNT, 1, generator=generator) < 0.8).float()


def tensors(output: DPMeshOutput) -> dict[str, Tensor]:
    found = {name: getattr(output, name) for name in output.__dataclass_fields__ if name != "layers"}
    return {name: tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}


@pytest.fixture(scope="module")
def network() -> DPMesh:
    torch.manual_seed(0)
    network = DPMesh(**tiny().to_mappings()).eval()
    with torch.no_grad():  # away from the starting pose, where all rows look alike
        for parameter in network.pose_head.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_batch_equals_its_rows_one_by_one(network: DPMesh, count: int) -> None:
    batch = rows(count)
    with torch.no_grad():
        together = tensors(network(*batch))
        alone = [tensors(network(*(part[row : row + 1] for part in batch))) for row in range(count)]
    for name, tensor in together.items():
        assert torch.allclose(tensor, torch.cat([row[name] for row in alone]), atol=2e-5, rtol=1e-4), name


def test_no_rows_give_no_bodies(network: DPMesh) -> None:
    with torch.no_grad():
        assert network(*rows(0)).pose.shape == (0, 24, 3, 3)


@pytest.mark.parametrize("count", [1, 3])
def test_pose_is_made_of_rotations(network: DPMesh, count: int) -> None:
    with torch.no_grad():
        pose = network(*rows(count)).pose
    assert torch.allclose(pose @ pose.mT, torch.eye(3).expand_as(pose), atol=1e-5)
    assert torch.allclose(torch.linalg.det(pose), torch.ones(count, 24), atol=1e-5)


def test_an_untrained_compact_network_sees_somebody_standing_upright() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        output = DPMesh(**tiny().to_mappings()).eval()(*rows(2))
    upright = torch.tensor([0.0, -1.0, 0.0])
    assert output.scale is not None
    assert torch.allclose(output.pose[:, 0] @ torch.tensor([0.0, 1.0, 0.0]), upright.expand(2, 3), atol=0.3)
    assert torch.allclose(output.scale, torch.ones(2), atol=0.3)


@pytest.mark.parametrize("head", ["rot6d", "tokens", "vposer"])
def test_gradients_reach_every_parameter_that_is_trained(head: str) -> None:
    torch.manual_seed(0)
    extra = {"token_count": 4, "token_classes": 8, "token_dim": 8, "token_encoder": (1, 8, 8, 8)}
    lift = {} if head == "rot6d" else {"joint_lift": 0}
    network = DPMesh(**tiny(pose_head=head, **extra, **lift).to_mappings()).train()
    if network.joint_lift is not None:  # what starts at zero stops the gradient behind it
        torch.nn.init.normal_(network.joint_lift.image.mix.weight)
        for layer in (*network.joint_lift.layers, network.joint_lift.last):
            torch.nn.init.normal_(layer.layers[-1].weight)
    image, joints, mask = rows(2)
    output = network(image, joints, mask)
    torch.stack([(t.float() * torch.randn_like(t.float())).sum() for t in tensors(output).values()]).sum().backward()
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    missed = [name for name, p in trained.items() if p.grad is None or not bool(p.grad.abs().max() > 0)]
    assert trained and not missed
    assert any(name.startswith("pose_prior.") for name in trained) is False


def test_a_saved_network_returns_the_same_bodies(network: DPMesh, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    again = DPMesh.from_pretrained(tmp_path).eval()
    assert again.settings == network.settings
    with torch.no_grad():
        before, after = tensors(network(*rows(2))), tensors(again(*rows(2)))
    for name, tensor in before.items():
        assert torch.allclose(after[name], tensor, atol=2e-5, rtol=1e-4), name


def test_half_precision_weights_load_into_single_precision(network: DPMesh, tmp_path: Path) -> None:
    halved = DPMesh(**network.settings.to_mappings()).eval()
    halved.load_state_dict(network.state_dict())
    halved.half().save_pretrained(tmp_path)
    again = DPMesh.from_pretrained(tmp_path, torch_dtype=torch.float32).eval()
    with torch.no_grad():
        before, after = network(*rows(2)), again(*rows(2))
    assert after.pose.dtype == torch.float32
    assert torch.allclose(before.pose, after.pose, atol=0.02)


@pytest.mark.parametrize("is_autocast", [True, False])
def test_bfloat16_stays_near_single_precision(network: DPMesh, is_autocast: bool) -> None:
    low = DPMesh(**network.settings.to_mappings()).eval()
    low.load_state_dict(network.state_dict())
    low = low if is_autocast else low.to(torch.bfloat16)
    with torch.no_grad():
        exact = network(*rows(2))
        with torch.autocast("cpu", torch.bfloat16, enabled=is_autocast):
            rough = low(*rows(2))
    assert rough.pose.dtype == torch.float32
    assert (rough.pose - exact.pose).abs().mean() < 0.02
    assert (rough.joint_img - exact.joint_img).abs().mean() < 0.01


def test_joints_are_dropped_in_training_only(network: DPMesh) -> None:
    image, joints, _ = rows(2)
    mask = torch.ones(2, JOINT_COUNT, 1)
    with torch.no_grad():
        kept = network.backbone(image, joints, mask).heatmaps
        network.train()
        dropped = network.backbone(image, joints, mask).heatmaps
        network.eval()
    empty = dropped.flatten(2).amax(-1) == 0
    assert not bool((kept.flatten(2).amax(-1) == 0).any())
    assert bool(empty.any())
    assert torch.equal(dropped[~empty], kept[~empty])


def test_every_row_is_placed_by_its_own_focal_length() -> None:
    raw = torch.tensor([[0.1, 0.2, 0.3]] * 3)
    focal = torch.tensor([500.0, 1000.0, 2000.0])
    together = published_translation(raw, focal, 256)
    alone = torch.cat([published_translation(raw[i : i + 1], focal[i : i + 1], 256) for i in range(3)])
    assert torch.equal(together, alone)
    assert torch.allclose(together[:, 2] / together[0, 2], torch.tensor([1.0, 2.0, 4.0]))


def test_published_head_needs_a_focal_length_for_a_translation() -> None:
    network = DPMesh(**tiny(pose_head="vposer", camera_head="published", joint_lift=0).to_mappings()).eval()
    with torch.no_grad():
        without = network(*rows(3))
        placed = network(*rows(3), torch.tensor([500.0, 1000.0, 2000.0]))
    assert without.trans_m is None and without.scale is None
    assert placed.trans_m is not None and placed.trans_m.shape == (3, 3)


def test_a_crop_of_another_size_is_refused(network: DPMesh) -> None:
    with pytest.raises(ValueError, match=r"image: got shape \(2, 3, 64, 64\), expected \(2, 3, 128, 128\)"):
        network(*rows(2, side=64))


def test_joints_alone_give_bodies_that_depend_on_them(network: DPMesh) -> None:
    _, joints, mask = rows(2)
    with torch.no_grad():
        alone = network(None, joints, mask)
        moved = network(None, joints.flip(0), mask.flip(0))
    assert alone.pose.shape == (2, 24, 3, 3)
    assert torch.allclose(alone.joint_img, moved.joint_img.flip(0), atol=1e-5)
    assert not torch.allclose(alone.joint_img, moved.joint_img, atol=1e-3)


def test_the_image_tells_where_its_joints_are_and_no_image_tells_nothing(network: DPMesh) -> None:
    image, joints, mask = rows(3)
    with torch.no_grad():
        seen, again = network(image, joints, mask), network(image.flip(0), joints, mask)
        alone = network(None, joints, mask)
    assert seen.keypoint_logits is not None and alone.keypoint_logits is None
    assert seen.keypoint_logits.shape == (3, JOINT_COUNT, 32, 32)
    assert not torch.allclose(seen.keypoint_logits, again.keypoint_logits, atol=1e-3)


def test_an_untrained_network_trusts_the_maps_of_the_given_joints() -> None:
    torch.manual_seed(0)
    network = DPMesh(**tiny().to_mappings()).eval()
    image, joints, _ = rows(2)
    joints = joints.clamp(2, 29)
    with torch.no_grad():
        logits = network(image, joints, torch.ones(2, JOINT_COUNT, 1)).keypoint_logits
    best = logits.flatten(2).argmax(-1)
    places = torch.stack([best % 32, best // 32], dim=-1)
    assert ((places - joints).abs() < 1.5).all(-1).float().mean() > 0.9


def test_a_network_without_maps_returns_none_and_the_released_one_is_such() -> None:
    assert not RELEASE.backbone.keypoint_maps
    plain = replace(tiny().backbone, keypoint_maps=False)
    network = DPMesh(**NetworkConfig(plain, tiny().regressor).to_mappings()).eval()
    with torch.no_grad():
        output = network(*rows(2))
    assert output.keypoint_logits is None and network.backbone.keypoint_maps is None
    assert output.pose.shape == (2, 24, 3, 3)


def test_a_share_of_what_the_image_changes_counts_but_not_in_training() -> None:
    torch.manual_seed(0)
    whole = DPMesh(**tiny(image_share=1.0).to_mappings()).eval()
    half = DPMesh(**tiny(image_share=0.5).to_mappings()).eval()
    torch.nn.init.normal_(whole.joint_lift.image.mix.weight)
    half.load_state_dict(whole.state_dict())
    given = torch.rand(2, 3, 128, 128), 32 * torch.rand(2, 30, 2), torch.ones(2, 30, 1)
    with torch.no_grad():
        alone, all_of_it, found = whole(None, *given[1:]), whole(*given), half(*given)
        trained = []
        for network in (half, whole):
            torch.manual_seed(1)  # joints are blanked by chance
            trained.append(network.train()(*given))
    assert not torch.allclose(alone.betas, all_of_it.betas)
    torch.testing.assert_close(found.betas, 0.5 * (alone.betas + all_of_it.betas))
    torch.testing.assert_close(found.pose_raw, 0.5 * (alone.pose_raw + all_of_it.pose_raw))
    torch.testing.assert_close(found.root_rot6d, found.pose_raw[:, :6])
    torch.testing.assert_close(trained[0].betas, trained[1].betas)
    with pytest.raises(ValueError, match="image_share is 2"):
        tiny(image_share=2.0)


def test_without_the_joint_lift_the_first_tokens_ignore_the_joints() -> None:
    torch.manual_seed(0)
    network = DPMesh(**tiny(joint_lift=0).to_mappings()).eval()
    _, joints, mask = rows(2)
    with torch.no_grad():
        alone = network(None, joints, mask)
    assert torch.allclose(alone.joint_img[0], alone.joint_img[1], atol=1e-6)


def test_folding_patches_equals_pixel_unshuffle() -> None:
    image = torch.rand(2, 3, 8, 8)
    assert torch.equal(fold_patches(image, 4), torch.nn.functional.pixel_unshuffle(image, 4))


def test_a_lift_alone_is_the_network_without_its_image(tmp_path: Path) -> None:
    settings = tiny()
    config = replace(settings, regressor=replace(settings.regressor, joint_lift=32, hint_lift=16, image_lift=4))
    torch.manual_seed(0)
    network = DPMesh(**config.to_mappings()).eval()
    alone = network.without_image()
    assert sum(map(torch.numel, alone.parameters())) < 0.5 * sum(map(torch.numel, network.parameters()))
    image, joints, mask = rows(3)
    hints = torch.rand(3, 12, 4)
    wanted, found = network(None, joints, mask, hints=hints), alone(image, joints, mask, hints=hints)
    for name in ("pose", "betas", "camera_raw", "joint_img"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name
    alone.save_pretrained(tmp_path)
    again = DPMesh.from_pretrained(tmp_path)
    assert torch.equal(again(None, joints, mask, hints=hints).pose, found.pose)


def test_without_an_image_a_lift_is_needed() -> None:
    with pytest.raises(ValueError, match="has_image is false, with joint_lift 0"):
        replace(tiny().regressor, has_image=False, joint_lift=0, hint_lift=0, image_lift=0)
