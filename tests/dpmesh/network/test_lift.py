"""The lift from 2D joints to a first body."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from configs.skeletons import DPMESH15, MIRRORED_30
from dpmesh.body import load_body
from dpmesh.geometry.rotations import axis_angle_to_matrix
from dpmesh.network.config import COMPACT, JOINT_COUNT, RegressorConfig
from dpmesh.network.heads import rot6d_to_matrix, standing_rot6d
from dpmesh.network.hints import about_hips, mirrored_hints
from dpmesh.network.lift import JointLift
from dpmesh.recovery.recover import mirrored_joints, mirrored_rotations


def lift_of(**options: int) -> JointLift:
    torch.manual_seed(0)
    config = replace(COMPACT.regressor, width=16, joint_lift=32, lift_layers=2, **options)
    return JointLift(5, 144, tap_channels=(8, 4), config=config)


def test_the_lift_starts_from_the_joints_alone_and_learns_to_read_the_image() -> None:
    lift = lift_of(image_lift=4)
    joints, mask = 32 * torch.rand(2, JOINT_COUNT, 2), torch.ones(2, JOINT_COUNT, 1)
    dark = [torch.zeros(2, 8, 4, 4), torch.zeros(2, 4, 32, 32)]
    bright = [torch.randn_like(tap) for tap in dark]
    tokens = lift(joints, mask, dark).tokens
    assert tokens.shape == (2, 5, 16)
    assert torch.equal(tokens, lift(joints, mask, bright).tokens)
    assert not torch.allclose(tokens[0], tokens[1])
    lift(joints, mask, bright).tokens.square().sum().backward()
    assert bool(lift.image.mix.weight.grad.abs().max() > 0)
    with torch.no_grad():
        lift.image.mix.weight.normal_()
    changed = lift(joints, mask, bright)
    assert not torch.allclose(tokens, changed.tokens)
    assert torch.equal(changed.pose_raw, lift(joints, mask, bright).pose_raw)


def test_the_image_counts_where_a_joint_is_and_nowhere_else() -> None:
    lift = lift_of(image_lift=4)
    torch.nn.init.normal_(lift.image.mix.weight)
    joints, mask = torch.full((1, JOINT_COUNT, 2), 9.0), torch.ones(1, JOINT_COUNT, 1)
    taps = [torch.zeros(1, 8, 4, 4), torch.zeros(1, 4, 32, 32)]
    at_joint, elsewhere = taps[1].clone(), taps[1].clone()
    at_joint[..., 8:10, 8:10], elsewhere[..., 20:, 20:] = 1.0, 1.0
    nothing, seen, other = (lift(joints, mask, [taps[0], tap]).pose_raw for tap in (taps[1], at_joint, elsewhere))
    assert torch.equal(nothing, other) and not torch.allclose(nothing, seen)
    assert torch.equal(lift(joints, 0 * mask, taps).pose_raw, lift(joints, 0 * mask, [taps[0], at_joint]).pose_raw)


def test_the_lift_ignores_where_a_masked_joint_is() -> None:
    lift = lift_of(image_lift=0)
    joints, mask = torch.rand(1, JOINT_COUNT, 2), torch.ones(1, JOINT_COUNT, 1)
    mask[:, 3] = 0
    moved = joints.clone()
    moved[:, 3] += 9.0
    assert torch.equal(lift(joints, mask, None).pose_raw, lift(moved, mask, None).pose_raw)


def test_an_untrained_lift_returns_about_its_start() -> None:
    lift = lift_of()
    lift.start_at(standing_rot6d())
    first = lift(32 * torch.rand(3, JOINT_COUNT, 2), torch.ones(3, JOINT_COUNT, 1), None)
    assert torch.allclose(first.pose_raw, standing_rot6d().expand(3, -1), atol=0.1)
    assert first.betas.shape == (3, 10) and first.betas.abs().max() < 0.1
    assert first.joint_logit.shape == (3, 15, 3) and first.tokens.shape == (3, 5, 16)


def test_a_lift_that_is_kept_still_learns_from_the_image() -> None:
    lift = lift_of(image_lift=4)
    lift.keep_joints()
    learning = {name.split(".")[0] for name, parameter in lift.named_parameters() if parameter.requires_grad}
    assert learning == {"image", "tokens"}


def test_a_mirrored_lift_makes_of_mirrored_joints_the_mirror_image() -> None:
    lift = lift_of(lift_mirrored=True)
    joints, mask = 32 * torch.rand(4, JOINT_COUNT, 2), torch.rand(4, JOINT_COUNT, 1).round()
    first = lift(joints, mask, None)
    other = lift(mirrored_joints(joints), mask[:, list(MIRRORED_30)], None)
    expected = mirrored_rotations(rot6d_to_matrix(first.pose_raw.unflatten(-1, (24, 6))))
    torch.testing.assert_close(rot6d_to_matrix(other.pose_raw.unflatten(-1, (24, 6))), expected)
    torch.testing.assert_close(other.betas, first.betas)
    torch.testing.assert_close(other.camera_raw, first.camera_raw * torch.tensor([1.0, -1.0, 1.0]))
    named = [name.replace("left", "?").replace("right", "left").replace("?", "right") for name in DPMESH15]
    swapped = first.joint_logit[:, [DPMESH15.index(name) for name in named]]
    torch.testing.assert_close(other.joint_logit, swapped * torch.tensor([-1.0, 1.0, 1.0]))
    plain = lift_of(lift_mirrored=False)(joints, mask, None)
    assert not torch.allclose(plain.pose_raw, first.pose_raw)


def test_a_lift_is_refused_for_heads_that_do_not_regress_rotations() -> None:
    with pytest.raises(ValueError, match="joint_lift gives 24 rotations, pose_head is 'vposer'"):
        RegressorConfig(joint_lift=64, pose_head="vposer")


def hinted_lift(**options: int) -> JointLift:
    """Return a lift whose part for hints has learned something."""
    lift = lift_of(hint_lift=24, **options)
    with torch.no_grad():
        lift.hints.rest.normal_(0.0, 0.3)
        for parameter in lift.hints.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return lift


def some_hints(rows: int) -> Tensor:
    return torch.cat([0.4 * torch.randn(rows, 12, 3), torch.rand(rows, 12, 1).clamp_min(0.1)], dim=-1)


def test_hints_change_the_body_of_those_who_have_some_and_of_nobody_else() -> None:
    lift, hints = hinted_lift(lift_mirrored=True), some_hints(3)
    hints[1, :, 3] = 0.0
    joints, mask = 32 * torch.rand(3, JOINT_COUNT, 2), torch.ones(3, JOINT_COUNT, 1)
    plain, told = lift(joints, mask, None), lift(joints, mask, None, hints)
    for name in ("pose_raw", "betas", "camera_raw", "joint_logit"):
        before, after = getattr(plain, name), getattr(told, name)
        assert torch.equal(before[1], after[1])
        assert not torch.allclose(before[0], after[0]) and not torch.allclose(before[2], after[2])
    assert torch.equal(plain.tokens, told.tokens)


def test_each_row_with_hints_equals_that_row_alone() -> None:
    lift, hints = hinted_lift(lift_mirrored=True, image_lift=4), some_hints(4)
    hints[2, :, 3] = 0.0
    joints, mask = 32 * torch.rand(4, JOINT_COUNT, 2), torch.rand(4, JOINT_COUNT, 1).round()
    taps = [torch.randn(4, 8, 4, 4), torch.randn(4, 4, 32, 32)]
    for seen in (None, taps):
        together = lift(joints, mask, seen, hints).pose_raw
        for row in range(4):
            one = slice(row, row + 1)
            alone = lift(joints[one], mask[one], None if seen is None else [tap[one] for tap in seen], hints[one])
            torch.testing.assert_close(alone.pose_raw, together[one])


def test_mirrored_hints_make_the_mirror_image() -> None:
    lift, hints = hinted_lift(lift_mirrored=True), some_hints(4)
    joints, mask = 32 * torch.rand(4, JOINT_COUNT, 2), torch.rand(4, JOINT_COUNT, 1).round()
    first = lift(joints, mask, None, hints)
    other = lift(mirrored_joints(joints), mask[:, list(MIRRORED_30)], None, mirrored_hints(hints))
    expected = mirrored_rotations(rot6d_to_matrix(first.pose_raw.unflatten(-1, (24, 6))))
    torch.testing.assert_close(rot6d_to_matrix(other.pose_raw.unflatten(-1, (24, 6))), expected)


def test_the_image_changes_a_body_with_hints_as_it_does_the_one_without() -> None:
    lift, hints = hinted_lift(image_lift=4), some_hints(2)
    torch.nn.init.normal_(lift.image.mix.weight)
    joints, mask = 32 * torch.rand(2, JOINT_COUNT, 2), torch.ones(2, JOINT_COUNT, 1)
    taps = [torch.randn(2, 8, 4, 4), torch.randn(2, 4, 32, 32)]
    changes = [lift(joints, mask, taps, told).betas - lift(joints, mask, None, told).betas for told in (None, hints)]
    assert changes[0].abs().max() > 1e-3
    torch.testing.assert_close(changes[1], changes[0])


def test_hints_start_silent_and_only_their_part_learns() -> None:
    lift = lift_of(hint_lift=24)
    lift.start_hints(torch.randn(24, 3))
    learning = {name.split(".")[0] for name, parameter in lift.named_parameters() if parameter.requires_grad}
    assert learning == {"hints"}
    joints, mask, hints = 32 * torch.rand(2, JOINT_COUNT, 2), torch.ones(2, JOINT_COUNT, 1), some_hints(2)
    assert torch.equal(lift(joints, mask, None, hints).pose_raw, lift(joints, mask, None).pose_raw)
    lift(joints, mask, None, hints).pose_raw.square().sum().backward()
    assert bool(lift.hints.change.weight.grad.abs().max() > 0)
    with pytest.raises(ValueError, match="no part that reads hints"):
        lift_of().start_hints(torch.zeros(24, 3))


def test_what_reads_hints_knows_where_the_lift_takes_the_joints_to_be() -> None:
    body = load_body(None)
    pose, nothing = 0.6 * torch.randn(3, 24, 3), torch.zeros(3, 3)
    lift = lift_of(hint_lift=24)
    lift.start_hints(body.joints(torch.zeros(1, 24, 3), torch.zeros(1, 10), nothing[:1], joint_set="smpl24")[0])
    rot6d = axis_angle_to_matrix(pose)[..., :2].flatten(1)
    found = lift.hints.joints_of(torch.cat([rot6d, torch.zeros(3, 58)], dim=1))
    expected = body.joints(pose, torch.zeros(3, 10), nothing, joint_set="coco17")[:, 5:]
    torch.testing.assert_close(found, about_hips(expected), atol=1e-4, rtol=1e-4)


def test_hints_need_a_lift() -> None:
    with pytest.raises(ValueError, match="hint_lift is 64, but no lift"):
        replace(COMPACT.regressor, hint_lift=64, joint_lift=0)
