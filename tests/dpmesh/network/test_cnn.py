"""What is left out steers nothing, and the CNN that the U-Net is compared with has its size and its taps."""

from dataclasses import replace

import pytest
import torch
from tiny_network import TINY_BACKBONE
from torch import Tensor, nn

from dpmesh.network.backbone import Backbone
from dpmesh.network.cnn import CnnBackbone
from dpmesh.network.config import COMPACT, BackboneConfig
from dpmesh.training.ablation.variants import CNN_WIDTH

SMALL = TINY_BACKBONE


def inputs(rows: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    image, joints = (
        torch.rand(rows, 3, 128, 128, generator=generator),
        32 * torch.rand(rows, 30, 2, generator=generator),
    )
    return image, joints, torch.ones(rows, 30, 1)


def without(*parts: str) -> Backbone:
    torch.manual_seed(0)
    return Backbone(replace(SMALL, left_out=parts)).eval()


@torch.no_grad()
def test_without_heat_maps_and_prompts_the_joints_say_nothing() -> None:
    image, joints, mask = inputs()
    blind = without("heatmaps", "prompts")
    assert torch.equal(blind(image, joints, mask).features.fused, blind(image, joints.flip(1), mask).features.fused)
    for part in ("heatmaps", "prompts"):
        steered = without(part)
        moved = steered(image, joints.flip(1), mask).features.fused
        assert not torch.allclose(steered(image, joints, mask).features.fused, moved, atol=1e-4), part


@torch.no_grad()
def test_each_part_left_out_leaves_the_other_as_it_is() -> None:
    image, joints, mask = inputs()
    whole, bare, silent = (without(*parts)(image, joints, mask) for parts in ((), ("heatmaps",), ("prompts",)))
    assert torch.count_nonzero(bare.heatmaps) == 0 and torch.equal(bare.context, whole.context)
    assert torch.equal(silent.heatmaps, whole.heatmaps)
    assert torch.equal(silent.context[0], silent.context[1]) and not torch.equal(whole.context[0], whole.context[1])


@torch.no_grad()
def test_without_latents_the_image_says_nothing() -> None:
    image, joints, mask = inputs()
    blind, whole = without("latents"), without()
    assert torch.equal(blind(image, joints, mask).features.fused, blind(image.flip(0), joints, mask).features.fused)
    moved = whole(image.flip(0), joints, mask).features.fused
    assert not torch.allclose(whole(image, joints, mask).features.fused, moved, atol=1e-4)


@torch.no_grad()
def test_without_attention_maps_the_taps_stay_and_the_fused_feature_does_not() -> None:
    image, joints, mask = inputs()
    whole, bare = without()(image, joints, mask), without("attention_maps")(image, joints, mask)
    assert all(torch.equal(own, other) for own, other in zip(bare.taps, whole.taps, strict=True))
    assert torch.count_nonzero(bare.maps_8) == torch.count_nonzero(bare.maps_16) == 0
    assert not torch.allclose(bare.features.fused, whole.features.fused, atol=1e-4)


@torch.no_grad()
def test_the_cnn_gives_the_u_net_s_taps_and_reads_the_heat_maps() -> None:
    torch.manual_seed(0)
    image, joints, mask = inputs()
    wanted = Backbone(SMALL).eval()(image, joints, mask)
    cnn = CnnBackbone(replace(SMALL, cnn_width=8)).eval()
    found = cnn(image, joints, mask)
    assert [tap.shape for tap in found.taps] == [tap.shape for tap in wanted.taps]
    assert found.features.fused.shape == wanted.features.fused.shape
    assert found.keypoint_logits.shape == wanted.keypoint_logits.shape
    assert not torch.allclose(cnn(image, joints.flip(1), mask).features.fused, found.features.fused, atol=1e-4)
    deaf = CnnBackbone(replace(SMALL, cnn_width=8, left_out=("heatmaps",))).eval()
    assert torch.equal(deaf(image, joints, mask).taps[0], deaf(image, joints.flip(1), mask).taps[0])


def test_the_cnn_of_the_ablation_is_as_large_as_what_it_replaces() -> None:
    def size(*parts: nn.Module) -> int:
        return sum(parameter.numel() for part in parts for parameter in part.parameters())

    with torch.device("meta"):
        whole, cnn = Backbone(COMPACT.backbone), CnnBackbone(replace(COMPACT.backbone, cnn_width=CNN_WIDTH))
    assert size(cnn.stem, cnn.stages, cnn.outlets) == pytest.approx(
        size(whole.latents, whole.prompt, whole.control, whole.unet), rel=0.1
    )


def test_settings_that_nothing_could_be_built_of_are_refused() -> None:
    with pytest.raises(ValueError, match="left_out is 'hands'; choose from heatmaps, prompts, attention_maps"):
        replace(SMALL, left_out=("hands",))
    with pytest.raises(ValueError, match="set prompt_absent_token"):
        BackboneConfig(left_out=("prompts",))
    with pytest.raises(ValueError, match="set image_px to 128"):
        BackboneConfig(cnn_width=8)
