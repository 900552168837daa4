import json
import shutil
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from configs.errors import InputError, WeightsError
from configs.weights import list_weights, resolve, verify
from dpmesh.network.config import NetworkConfig
from dpmesh.network.model import DPMesh
from dpmesh.weights.export_dpmesh import export_dpmesh
from dpmesh.weights.import_dpmesh import import_dpmesh

State = OrderedDict[str, Tensor]
Rows = tuple[Tensor, Tensor, Tensor, Tensor]
WEIGHT = "module.backbone.sd_model.model.diffusion_model.input_blocks.1.0.in_layers.2.weight"
ALIAS = WEIGHT.replace("sd_model", "unet.unet")


def bodies(network: DPMesh, rows: Rows) -> dict[str, Tensor]:
    with torch.no_grad():
        output = network(*rows)
    return {"pose": output.pose, "betas": output.betas, "trans": output.trans_m, "code": output.pose_raw}


def is_near(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return all(float((found[name] - t).abs().max()) <= 1e-5 * float(t.abs().max()) for name, t in wanted.items())


def save(state: Any, tmp_path: Path) -> Path:
    path = tmp_path / "changed.pth.tar"
    torch.save(state, path)
    return path


@pytest.mark.parametrize("is_lora_kept", [False, True])
def test_the_imported_network_is_the_published_one(
    checkpoint: Path, network: DPMesh, rows: Rows, config: NetworkConfig, is_lora_kept: bool
) -> None:
    wanted = bodies(network, rows)
    folder = import_dpmesh(checkpoint, "mine", config=config, is_vposer_taken=True, is_lora_kept=is_lora_kept)
    again = DPMesh.from_pretrained(resolve("mine"))
    assert folder == resolve("mine")
    assert again.settings.backbone.lora_rank == (4 if is_lora_kept else 0)
    assert (folder / "lora/adapter_model.safetensors").is_file() is not is_lora_kept
    assert is_near(bodies(again, rows), wanted)


def test_the_rank_of_the_lora_layers_is_that_of_the_file(
    checkpoint: Path, network: DPMesh, rows: Rows, config: NetworkConfig
) -> None:
    wider = replace(config, backbone=replace(config.backbone, lora_rank=64))
    folder = import_dpmesh(checkpoint, "mine", config=wider, is_vposer_taken=True)
    assert is_near(bodies(DPMesh.from_pretrained(folder), rows), bodies(network, rows))
    assert json.loads((folder / "lora/adapter_config.json").read_text())["r"] == 4


def test_lora_layers_of_two_ranks_are_refused(official: State, tmp_path: Path, config: NetworkConfig) -> None:
    name = next(name for name in official if name.endswith("lora_down.weight"))
    with pytest.raises(WeightsError, match=r"lora_down.weight has shape \(2, "):
        import_dpmesh(save(official | {name: official[name][:2]}, tmp_path), "mine", config=config)


def test_nothing_licence_gated_is_in_the_imported_folder(checkpoint: Path, config: NetworkConfig) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config)
    for path in folder.rglob("*.safetensors"):
        with safe_open(path, "pt") as stored:
            names = list(stored.keys())
        assert names and not [name for name in names if "prior" in name or "human" in name or "dec_" in name]
    assert not (folder.parent / "vposer-v1").exists()


def test_without_vposer_the_network_says_how_to_get_it(checkpoint: Path, config: NetworkConfig) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config)
    with pytest.raises(WeightsError, match=r"needs VPoser: .*run `dpmesh-video weights import vposer FILE`; VPoser v1"):
        DPMesh.from_pretrained(folder)


def test_vposer_comes_from_the_users_own_file(
    checkpoint: Path, config: NetworkConfig, vposer_folder: Path, vposer_state: dict[str, Tensor]
) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config, vposer=vposer_folder)
    prior = DPMesh.from_pretrained(folder).pose_prior
    assert prior is not None
    for name, tensor in prior.state_dict().items():
        assert torch.equal(tensor, vposer_state[f"bodyprior_dec_{name}"])
    with pytest.raises(InputError, match="choose --vposer or --with-vposer"):
        import_dpmesh(checkpoint, "other", config=config, vposer=vposer_folder, is_vposer_taken=True)


def _without_prefix(state: State) -> Any:
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _aliases_alone(state: State) -> Any:
    canonical = [n for n in state if n.startswith("module.backbone.sd_model.")]
    return {name: tensor for name, tensor in state.items() if name not in canonical}


def _snapshot(state: State) -> Any:
    return {"epoch": 3, "network": state}


def _separate_storages(state: State) -> Any:
    return {name: tensor.clone() for name, tensor in state.items()}


def _without_what_is_not_used(state: State) -> Any:
    unused = ("position_ids", "betas", "model.out.2", "post_quant", "_enc_", "human_model", "pos_embed")
    return {name: tensor for name, tensor in state.items() if not any(word in name for word in unused)}


@pytest.mark.parametrize(
    "change", [_without_prefix, _aliases_alone, _snapshot, _separate_storages, _without_what_is_not_used]
)
def test_files_that_differ_in_form_give_the_same_weights(
    official: State, checkpoint: Path, tmp_path: Path, config: NetworkConfig, change: Any
) -> None:
    plain = import_dpmesh(checkpoint, "plain", config=config)
    changed = import_dpmesh(save(change(official), tmp_path), "changed", config=config)
    for name in ("config.json", "diffusion_pytorch_model.safetensors", "lora/adapter_model.safetensors"):
        assert (plain / name).read_bytes() == (changed / name).read_bytes()


def _missing(state: State) -> str:
    del state[WEIGHT], state[ALIAS]
    return r"lacks backbone\.sd_model\.model\.diffusion_model\.input_blocks\.1\.0\.in_layers\.2\.weight; it is no"


def _unexpected(state: State) -> str:
    state["module.backbone.sd_model.model.diffusion_model.extra.weight"] = torch.ones(2)
    return (
        r"holds module\.backbone\.sd_model\.model\.diffusion_model\.extra\.weight, which the released network has not"
    )


def _unexpected_elsewhere(state: State) -> str:
    state["module.new_head.weight"] = torch.ones(2)
    return r"holds module\.new_head\.weight"


def _unexpected_layer(state: State) -> str:
    state["module.cascade_pose_out.7.weight"] = torch.ones(2)
    return r"holds module\.cascade_pose_out\.7\.weight"


def _wrong_shape(state: State) -> str:
    state["module.cascade_cam_out.0.weight"] = torch.ones(3, 31)
    return r"cascade_cam_out\.0\.weight has shape \(3, 31\), the released network's is \(3, 32\)"


def _wrong_trailing_axes(state: State) -> str:
    state["module.conv_3d_coord.0.weight"] = torch.ones(32, 35, 1)
    return r"conv_3d_coord\.0\.weight has shape \(32, 35, 1\), the released network's is \(32, 35, 1, 1, 1\)"


def _differing_alias(state: State) -> str:
    state[ALIAS] = state[WEIGHT] + 1e-6
    return "are one tensor and hold different values"


def _differing_alias_of_what_is_not_used(state: State) -> str:
    name = "module.backbone.unet.unet.first_stage_model.post_quant_conv.bias"
    state[name] = state[name] + 1
    return "post_quant_conv.bias are one tensor and hold different values"


def _not_finite(state: State) -> str:
    state["module.transformer.kp_tgt"][3] = float("nan")
    return r"transformer\.joint_start holds numbers that are not finite"


def _whole_numbers(state: State) -> str:
    state["module.exponent"] = torch.tensor(3)
    return "volume.exponent holds torch.int64"


@pytest.mark.parametrize(
    "change",
    [
        _missing, _unexpected, _unexpected_elsewhere, _unexpected_layer, _wrong_shape, _wrong_trailing_axes,
        _differing_alias, _differing_alias_of_what_is_not_used, _not_finite, _whole_numbers,
    ],
)  # fmt: skip
def test_a_wrong_checkpoint_is_refused_by_name_and_leaves_nothing(
    official: State, tmp_path: Path, cache: Path, config: NetworkConfig, change: Any
) -> None:
    words = change(official)
    with pytest.raises(WeightsError, match=words) as caught:
        import_dpmesh(save(official, tmp_path), "mine", config=config, is_vposer_taken=True)
    assert "\n" not in str(caught.value)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_file_of_another_network_is_refused(tmp_path: Path, cache: Path, config: NetworkConfig) -> None:
    with pytest.raises(WeightsError, match=r"holds conv1.weight, fc.bias: none of a DPMesh checkpoint's tensors"):
        import_dpmesh(save({"conv1.weight": torch.ones(2), "fc.bias": torch.ones(1)}, tmp_path), "mine", config=config)
    assert not cache.exists()


def test_a_damaged_record_is_found_before_anything_is_written(
    checkpoint: Path, official: State, cache: Path, config: NetworkConfig
) -> None:
    content = bytearray(checkpoint.read_bytes())
    needle = official[WEIGHT].numpy().tobytes()[:64]
    content[bytes(content).index(needle) + 5] ^= 4
    checkpoint.write_bytes(content)
    with pytest.raises(WeightsError, match="does not fit its checksum"):
        import_dpmesh(checkpoint, "mine", config=config)
    assert not cache.exists()


def test_an_interrupted_import_leaves_the_earlier_one(
    checkpoint: Path, official: State, tmp_path: Path, config: NetworkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config)
    with pytest.raises(InputError, match="give --replace"):
        import_dpmesh(checkpoint, "mine", config=config)

    def stop(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("dpmesh.weights.import_dpmesh.write_record", stop)
        import_dpmesh(checkpoint, "mine", config=config, is_replaced=True)
    assert verify("mine").state == "ok"
    official["module.exponent"] = torch.tensor(5.0)
    import_dpmesh(save(official, tmp_path), "mine", config=config, is_replaced=True)
    assert verify("mine").state == "ok"
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["compact", "yolo11n-pose.pt"])
def test_names_of_models_that_are_not_imported_are_taken(checkpoint: Path, config: NetworkConfig, name: str) -> None:
    with pytest.raises(InputError, match=r"is the name of a (bundled|download) model"):
        import_dpmesh(checkpoint, name, config=config)


@pytest.mark.parametrize("name", ["../mine", "", ".mine", "a/b", "a b"])
def test_a_name_is_no_path(checkpoint: Path, config: NetworkConfig, cache: Path, name: str) -> None:
    with pytest.raises(InputError, match="is no name for a model"):
        import_dpmesh(checkpoint, name, config=config)
    assert not cache.exists()


def test_a_full_disk_is_told_before_writing(
    checkpoint: Path, config: NetworkConfig, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="GB are free; make room"):
        import_dpmesh(checkpoint, "mine", config=config)
    assert not cache.exists()


def test_an_import_is_listed_and_checked_later(checkpoint: Path, config: NetworkConfig) -> None:
    import_dpmesh(checkpoint, "dpmesh-3dpw", config=config)
    import_dpmesh(checkpoint, "mine", config=config)
    states = {status.entry.name: status for status in list_weights()}
    assert states["mine"].entry.kind == states["dpmesh-3dpw"].entry.kind == "imported"
    assert states["dpmesh-3dpw-oc"].state == "missing"
    assert verify("mine").state == verify("dpmesh-3dpw").state == "ok"
    weights = resolve("mine") / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert verify("mine").state == "corrupt"
    with pytest.raises(
        WeightsError, match=r"sha256 is .*run `dpmesh-video weights import dpmesh FILE --name mine --rep"
    ):
        resolve("mine")


def test_a_broken_record_spoils_only_its_own_model(checkpoint: Path, config: NetworkConfig) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config)
    (folder / "import.json").write_text(json.dumps({"name": "mine"}))
    states = {status.entry.name: status for status in list_weights()}
    assert states["mine"].state == "corrupt" and states["compact"].state == "found"
    with pytest.raises(WeightsError, match="not the record of an import"):
        resolve("mine")


def loaded(path: Path) -> State:
    return torch.load(path, weights_only=True)


def test_an_unmerged_import_comes_back_bit_for_bit(
    checkpoint: Path, official: State, tmp_path: Path, config: NetworkConfig
) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config, is_lora_kept=True)
    report = export_dpmesh(folder, tmp_path / "out.pth.tar", template=checkpoint)
    back = loaded(tmp_path / "out.pth.tar")
    assert report.is_complete and list(back) == list(official)
    assert all(torch.equal(back[name], tensor) for name, tensor in official.items())
    assert (tmp_path / "out.pth.tar").stat().st_size < 1.02 * checkpoint.stat().st_size  # aliases share their storage


def test_a_merged_import_comes_back_to_the_last_bit_of_float32(
    checkpoint: Path, official: State, tmp_path: Path, config: NetworkConfig
) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config)
    report = export_dpmesh(folder, tmp_path / "out.pth.tar")
    back = loaded(tmp_path / "out.pth.tar")
    assert not report.is_complete
    left_out = ("vposer", "human_model", "cond_stage", "betas", ".out.2", "post_quant", "pos_embed")
    assert back.keys() == {name for name in official if not any(word in name for word in left_out)}
    for name, tensor in back.items():
        if ".linear.weight" in name:
            assert torch.allclose(tensor, official[name], rtol=0, atol=2e-7 * float(official[name].abs().max()))
        else:
            assert torch.equal(tensor, official[name]), name
    again = import_dpmesh(tmp_path / "out.pth.tar", "again", config=config)
    for one, other in zip(*(DPMesh_tensors(path) for path in (folder, again)), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=2e-7 * float(one.abs().max()))


def DPMesh_tensors(folder: Path) -> list[Tensor]:
    with safe_open(folder / "diffusion_pytorch_model.safetensors", "pt") as stored:
        return [stored.get_tensor(name) for name in sorted(stored.keys())]


def test_a_template_with_one_changed_byte_is_refused(checkpoint: Path, tmp_path: Path, config: NetworkConfig) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config)
    template = tmp_path / "template.pth.tar"
    data = bytearray(checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    template.write_bytes(data)
    with pytest.raises(WeightsError, match=r"template\.pth\.tar: is damaged: .* does not fit its checksum"):
        export_dpmesh(folder, tmp_path / "out.pth.tar", template=template)
    assert not (tmp_path / "out.pth.tar").exists()


def test_a_target_below_a_file_cannot_be_written(checkpoint: Path, tmp_path: Path, config: NetworkConfig) -> None:
    folder = import_dpmesh(checkpoint, "mine", config=config)
    with pytest.raises(InputError, match="cannot be written"):
        export_dpmesh(folder, checkpoint / "out.pth.tar")


def test_only_networks_of_the_published_layout_are_exported(tmp_path: Path, checkpoint: Path) -> None:
    DPMesh.from_preset("compact").save_pretrained(tmp_path / "compact")
    with pytest.raises(WeightsError, match="has no place in the published network"):
        export_dpmesh(tmp_path / "compact", tmp_path / "out.pth")
    checkpoint.touch()
    with pytest.raises(InputError, match="exists; delete it first"):
        export_dpmesh(tmp_path / "compact", checkpoint)
    assert not (tmp_path / "out.pth").exists()
