import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from configs.errors import InputError, WeightsError
from configs.weights import resolve, verify
from dpmesh.network.vposer import VPoserDecoder
from dpmesh.stored.vposer import import_vposer, imported_decoder


def decoder_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = "bodyprior_dec_"
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


@pytest.mark.parametrize("inner", ["", "snapshots", "snapshots/TR00_E096.pt"])
def test_the_decoder_is_taken_from_a_file_or_its_folders(
    vposer_folder: Path, vposer_state: dict[str, Tensor], inner: str
) -> None:
    import_vposer(vposer_folder / inner)
    decoder = VPoserDecoder(32, 512)
    decoder.load_state_dict(imported_decoder())
    for name, tensor in decoder_of(vposer_state).items():
        assert torch.equal(decoder.state_dict()[name], tensor)
    assert verify("vposer-v1").state == "ok"


def test_the_decoder_gives_what_its_layers_say(vposer_folder: Path, vposer_state: dict[str, Tensor]) -> None:
    """The layers of VPoser v1 written out: 21 matrices of which six numbers give the first two columns, interleaved."""
    import_vposer(vposer_folder)
    decoder = VPoserDecoder(32, 512)
    decoder.load_state_dict(imported_decoder())
    code = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    hidden, state = code, decoder_of(vposer_state)
    for layer in ("fc1", "fc2"):
        hidden = hidden @ state[f"{layer}.weight"].T + state[f"{layer}.bias"]
        hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    columns = (hidden @ state["out.weight"].T + state["out.bias"]).view(3, 21, 3, 2)
    first = columns[..., 0] / columns[..., 0].norm(dim=-1, keepdim=True)
    second = columns[..., 1] - (first * columns[..., 1]).sum(-1, keepdim=True) * first
    second = second / second.norm(dim=-1, keepdim=True)
    wanted = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)
    assert torch.allclose(decoder(code), wanted, atol=1e-5)


def test_only_the_decoder_is_kept(vposer_folder: Path) -> None:
    folder = import_vposer(vposer_folder)
    assert {path.name for path in folder.iterdir()} == {"diffusion_pytorch_model.safetensors", "import.json"}
    assert imported_decoder().keys() == {f"{a}.{b}" for a in ("fc1", "fc2", "out") for b in ("weight", "bias")}


def test_a_second_import_must_be_wished(vposer_folder: Path) -> None:
    import_vposer(vposer_folder)
    with pytest.raises(InputError, match=r"give --replace to import it anew$"):  # it has no --name
        import_vposer(vposer_folder)
    import_vposer(vposer_folder, is_replaced=True)
    assert resolve("vposer-v1").is_file()


def _missing(state: dict[str, Any]) -> str:
    del state["bodyprior_dec_fc2.bias"]
    return "lacks bodyprior_dec_fc2.bias; VPoser v1 is"


def _version_2(state: dict[str, Any]) -> str:
    state.clear()
    state["vp_model.decoder_net.0.weight"] = torch.ones(512, 32)
    return r"holds vp_model\.decoder_net\.0\.weight, which VPoser v1 has not; .*VPoser v2 does not fit"


def _smaller(state: dict[str, Any]) -> str:
    state["bodyprior_dec_out.bias"] = torch.ones(63)
    return r"bodyprior_dec_out\.bias is \(63,\), needs finite \(126,\)"


def _not_finite(state: dict[str, Any]) -> str:
    state["bodyprior_dec_fc1.bias"][0] = float("inf")
    return "needs finite"


@pytest.mark.parametrize("change", [_missing, _version_2, _smaller, _not_finite])
def test_another_prior_is_refused(vposer_state: dict[str, Tensor], tmp_path: Path, cache: Path, change: Any) -> None:
    words = change(vposer_state)
    torch.save(vposer_state, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=words):
        import_vposer(tmp_path / "a.pt")
    assert not cache.exists()


def test_code_in_the_file_is_not_run(tmp_path: Path, cache: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"bodyprior_dec_fc1.weight": Trap()}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match="nothing in it was run"):
        import_vposer(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists() and not cache.exists()


def test_an_empty_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no snapshots/\*\.pt; VPoser v1 is vposer_v1_0"):
        import_vposer(tmp_path)
