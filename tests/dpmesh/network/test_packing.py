import pytest
import torch
from torch import nn

from configs.number_formats import computing_in
from configs.packed_layers import PackedConv2d, PackedLinear, can_pack
from dpmesh.network.model import DPMesh
from dpmesh.network.packing import lay_out, pack, packed_parts

needs_packing = pytest.mark.skipif(not can_pack(torch.float32), reason="this build of torch has no packed layers")


def inputs(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    joints = 32 * torch.rand(rows, 30, 2, generator=generator)
    return torch.rand(rows, 3, 128, 128, generator=generator), joints, torch.ones(rows, 30, 1)


@needs_packing
def test_a_packed_network_says_the_same_for_every_number_of_rows() -> None:
    torch.manual_seed(0)
    network = DPMesh.from_preset("compact").eval()
    with torch.no_grad():
        plain = {rows: network(*inputs(rows)) for rows in (2, 5)}
        pack(network, torch.float32)
        for rows, wanted in plain.items():
            found = network(*inputs(rows))
            for name in ("pose_raw", "betas", "camera_raw", "joint_img", "keypoint_logits"):
                off = (getattr(found, name) - getattr(wanted, name)).abs().max() / getattr(wanted, name).std()
                assert float(off) < 2e-4, name


@needs_packing
def test_the_layers_that_cost_the_time_are_packed_and_hold_no_parameters() -> None:
    network = pack(DPMesh.from_preset("compact"), torch.float32)
    kinds = {type(module) for module in network.backbone.unet.modules()}
    assert {PackedConv2d, PackedLinear} <= kinds
    assert not {nn.Conv2d, nn.Linear} & kinds


@needs_packing
@pytest.mark.parametrize("stride", [1, 2])
def test_a_packed_convolution_equals_the_plain_one(stride: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 10, 3, stride=stride, padding=1)
    packed = PackedConv2d(plain, torch.float32)
    with torch.no_grad():
        for rows in (1, 4):
            image = torch.randn(rows, 6, 9, 7)
            assert torch.allclose(packed(image), plain(image), atol=1e-5)


@needs_packing
def test_a_packed_linear_layer_keeps_the_leading_axes() -> None:
    torch.manual_seed(0)
    plain = nn.Linear(12, 5, bias=False)
    packed = PackedLinear(plain, torch.float32)
    tokens = torch.randn(2, 3, 12)
    with torch.no_grad():
        assert torch.allclose(packed(tokens), plain(tokens), atol=1e-6)


def test_a_format_without_packed_layers_is_not_packed() -> None:
    assert not can_pack(torch.float16)


def test_layers_laid_out_for_a_gpu_are_stored_in_its_format_and_say_what_converted_ones_say() -> None:
    torch.manual_seed(0)
    network = DPMesh.from_preset("compact").eval()
    with torch.no_grad(), computing_in(torch.bfloat16, "cpu"):
        wanted = network(*inputs(2))
        lay_out(network, torch.bfloat16)
        found = network(*inputs(2))
    layers = [layer for part in packed_parts(network) for layer in part.modules()]
    weights = [layer.weight for layer in layers if type(layer) in (nn.Conv2d, nn.Linear)]
    assert {weight.dtype for weight in weights} == {torch.bfloat16}
    images = [weight for weight in weights if weight.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in images)
    for name in ("pose_raw", "betas", "camera_raw"):
        off = (getattr(found, name) - getattr(wanted, name)).abs().max() / getattr(wanted, name).float().std()
        assert float(off) < 0.05, name
