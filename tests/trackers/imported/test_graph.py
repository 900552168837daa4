"""Networks that run from a list of operations."""

import pytest
import torch
from torch.nn import functional as F

from configs.packed_layers import can_pack
from trackers.imported.graph import GraphNetwork

CONV = {"kind": "conv", "channels": [3, 4], "kernel": [3, 3], "stride": [2, 2], "groups": 1}
OPERATIONS = [
    {**CONV, "inputs": ["image"], "output": "a", "padding": [0, 1, 0, 1], "activation": "relu6"},
    {
        "kind": "conv",
        "channels": [4, 4],
        "kernel": [1, 1],
        "stride": [1, 1],
        "groups": 1,
        "inputs": ["a"],
        "output": "b",
    },
    {"kind": "add", "inputs": ["a", "b"], "output": "c", "activation": "relu"},
    {"kind": "pool", "kernel": [2, 2], "stride": [2, 2], "inputs": ["c"], "output": "d"},
    {"kind": "resize", "factor": 2, "inputs": ["d"], "output": "e"},
    {"kind": "pad", "padding": [0, 0, 0, 0], "channels": [0, 2], "inputs": ["e"], "output": "f"},
    {"kind": "copy", "inputs": ["f"], "output": "g", "activation": "sigmoid"},
    {"kind": "flatten", "inputs": ["g"], "output": "h"},
]


@pytest.fixture
def network() -> GraphNetwork:
    torch.manual_seed(0)
    return GraphNetwork(OPERATIONS, ["image"], {"numbers": "h", "map": "c"}).eval()


@torch.inference_mode()
def test_operations_do_what_torch_does(network: GraphNetwork) -> None:
    image = torch.rand(2, 3, 8, 8)
    first, second = network.convolutions["a"], network.convolutions["b"]
    a = F.conv2d(F.pad(image, [0, 1, 0, 1]), first.weight, first.bias, stride=2).clamp(0, 6)
    c = F.relu(a + F.conv2d(a, second.weight, second.bias))
    e = F.interpolate(F.max_pool2d(c, 2), scale_factor=2, mode="bilinear", align_corners=False)
    h = torch.sigmoid(F.pad(e, [0, 0, 0, 0, 0, 2])).permute(0, 2, 3, 1).flatten(1)
    found = network(image)
    assert set(found) == {"numbers", "map"}
    torch.testing.assert_close(found["map"], c)
    torch.testing.assert_close(found["numbers"], h)


@torch.inference_mode()
def test_a_batch_is_its_rows_one_by_one(network: GraphNetwork) -> None:
    images = torch.rand(3, 3, 8, 8)
    whole = network(images)["numbers"]
    torch.testing.assert_close(whole, torch.cat([network(image[None])["numbers"] for image in images]))


@torch.inference_mode()
def test_values_inside_the_network_are_given_where_they_are_wanted(network: GraphNetwork) -> None:
    image = torch.rand(1, 3, 8, 8)
    found = network(image, wanted=["d"])
    torch.testing.assert_close(found["d"], F.max_pool2d(found["map"], 2))


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ({"kind": "copy", "inputs": ["nobody"], "output": "a"}, r"takes \['nobody'\], which none before it makes"),
        ({"kind": "dream", "inputs": ["image"], "output": "a"}, "is of kind 'dream'"),
    ],
)
def test_a_list_that_cannot_run_is_refused(operation: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        GraphNetwork([operation], ["image"], {"a": "a"})


@pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this CPU does not compute in bfloat16")
@torch.inference_mode()
def test_the_last_convolutions_compute_in_float32_whatever_the_others_compute_in() -> None:
    after = {**CONV, "channels": [4, 4], "inputs": ["a"], "output": "b", "padding": [1, 1, 1, 1], "stride": [1, 1]}
    flat = {"kind": "flatten", "inputs": ["b"], "output": "c"}
    network = GraphNetwork([OPERATIONS[0], after, flat], ["image"], {"places": "c"}).eval()
    network.pack(torch.bfloat16)
    found = network(torch.rand(1, 3, 8, 8))["places"]
    assert network.convolutions["a"].weight.dtype == torch.bfloat16 and found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())


@pytest.mark.skipif(not can_pack(torch.bfloat16), reason="this CPU does not compute in bfloat16")
def test_what_leads_to_numbers_alone_beside_maps_computes_in_float32() -> None:
    same = {**CONV, "channels": [4, 4], "stride": [1, 1], "padding": [1, 1, 1, 1]}
    operations = [
        OPERATIONS[0],
        {**same, "inputs": ["a"], "output": "common"},
        {**same, "inputs": ["common"], "output": "map"},
        {**same, "inputs": ["common"], "output": "deep"},
        {**same, "inputs": ["deep"], "output": "deepest"},
        {"kind": "flatten", "inputs": ["deepest"], "output": "numbers"},
    ]
    network = GraphNetwork(operations, ["image"], {"numbers": "numbers", "map": "map"}).eval()
    network.pack(torch.bfloat16)
    found = {name: layer.weight.dtype for name, layer in network.convolutions.items()}
    low, exact = torch.bfloat16, torch.float32
    assert found == {"a": low, "common": low, "map": exact, "deep": exact, "deepest": exact}
