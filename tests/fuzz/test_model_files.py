"""Model folders, detectors and checkpoints to import, made bad: the contract of `fuzz_contract` is kept."""

import json
from pathlib import Path

import pytest
from fuzz_contract import RUN, Keeps, fuzzed
from fuzz_seeds import repacked
from hypothesis import given
from hypothesis import strategies as st
from mutations import bad_bytes, bad_json, bad_member, bad_pickle, bad_safetensors

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", ["config", "weights"])
@pytest.mark.parametrize(("name", "option"), [("motion-prior", "refine.prior"), ("tiny", "recover.model")])
def test_model_folders(keeps: Keeps, room: Path, name: str, option: str, part: str) -> None:
    from configs.weights import resolve

    source = room / "tiny" if name == "tiny" else Path(resolve(name))
    weights = next(source.glob("*.safetensors"))
    good = {"config.json": (source / "config.json").read_bytes(), weights.name: weights.read_bytes()}
    bad = bad_json(json.loads(good["config.json"])) if part == "config" else bad_safetensors(good[weights.name])
    damaged = "config.json" if part == "config" else weights.name

    @fuzzed
    @given(bad)
    def check(data: bytes) -> None:
        files = {f"model/{key}": value for key, value in (good | {damaged: data}).items()}
        files["p.json"] = (room / "coco.json").read_bytes()
        arguments = [word for word in RUN if word not in ("--refine", "off")]
        keeps(files, [*arguments, "--keypoints", "p.json", "--set", f"{option}=model"])

    check()


def test_detectors(keeps: Keeps, pose_weights: Path) -> None:
    good = pose_weights.read_bytes()

    @fuzzed
    @given(st.one_of(bad_bytes(good), bad_member(good, name="data.pkl", head=2048)))
    def check(data: bytes) -> None:
        keeps({"bad.pt": data}, [*RUN, "--detector", "bad.pt"])

    check()


@pytest.mark.parametrize("what", ["dpmesh", "vposer", "tokenizer", "scorehmr"])
def test_imports(keeps: Keeps, what: str, tmp_path: Path) -> None:
    import torch

    sizes = {"fc1": (512, 32), "fc2": (512, 512), "out": (126, 512)}
    state = {f"bodyprior_dec_{layer}.weight": torch.zeros(size) for layer, size in sizes.items()}
    state |= {f"bodyprior_dec_{layer}.bias": torch.zeros(size[0]) for layer, size in sizes.items()}
    others = {"diffusion_model.betas": torch.zeros(10), "quantizer.codebook": torch.ones(16, 8)}
    content = state if what == "vposer" else {"state_dict": others, "ema": others, "network": others, "epoch": 3}
    goods = []
    for is_zip in (True, False):
        torch.save(content, tmp_path / "good.pt", _use_new_zipfile_serialization=is_zip)
        goods.append((tmp_path / "good.pt").read_bytes())
    bad = [bad_bytes(goods[0]), bad_member(goods[0], name="data.pkl", head=2048), bad_pickle(goods[1])]

    @fuzzed
    @given(st.one_of(*bad), st.sampled_from(["x.pt", "x_best_ckpt.pth.tar", "x.pth"]))
    def check(data: bytes, name: str) -> None:
        extra = ["--name", "x"] if what != "vposer" else []
        keeps({name: data}, ["weights", "import", what, name, *extra])

    check()


def test_import_records(keeps: Keeps) -> None:
    record = {
        "name": "x", "kind": "imported", "importer": "dpmesh", "role": "recovery", "what": "a", "licence": "b",
        "source": "c", "files": [{"path": "models/x/config.json", "size_bytes": 3, "sha256": "0" * 64}],
    }  # fmt: skip
    commands = [["weights", "list"], ["weights", "verify"], ["weights", "where", "x"], ["weights", "verify", "x"]]

    @fuzzed
    @given(bad_json(record), st.sampled_from(commands))
    def check(data: bytes, command: list[str]) -> None:
        folder = "logs/cache/models/x"
        keeps({f"{folder}/import.json": data, f"{folder}/config.json": b"{ }"}, command)

    check()


def test_the_good_detector_is_taken(keeps: Keeps, pose_weights: Path) -> None:
    good = repacked(pose_weights.read_bytes(), {})
    outcome = keeps({"good.pt": good}, [*RUN, "--detector", "good.pt"])
    assert outcome.code == 0, outcome
