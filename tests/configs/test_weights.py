import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import configs.weights
from configs.errors import WeightsError
from configs.weights import list_weights, locate, read_catalogue, resolve, update_catalogue, verify

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that stands for both the packages and the cache, with a catalogue of its own."""
    monkeypatch.setenv("DPMESH_VIDEO_CACHE", str(tmp_path))
    monkeypatch.setattr(configs.weights, "PACKAGES_ROOT", tmp_path)
    rows = [
        _row("one", "bundled", ["a/one.bin"]),
        _row("two", "bundled", ["b/config.json", "b/model.bin"]),
        _row("gated", "user", ["gated.pkl"]),
    ]
    (tmp_path / "weights.yaml").write_text("# kept\n" + yaml.safe_dump({"weights": rows}), encoding="utf-8")
    for name in ("a/one.bin", "b/config.json", "b/model.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.setattr(configs.weights, "CATALOGUE_PATH", tmp_path / "weights.yaml")
    return tmp_path


def _row(name: str, kind: str, files: list[str]) -> dict[str, object]:
    words = {"what": "a test", "licence": "CC0-1.0", "source": "https://example.org"}
    return {"name": name, "kind": kind, "role": "body", **words, "files": [{"path": path} for path in files]}


def _update(place: Path) -> list[str]:
    return update_catalogue(place / "weights.yaml", place)


def test_the_catalogue_names_licence_and_source_of_everything() -> None:
    entries = read_catalogue().weights
    assert {entry.kind for entry in entries} == {"bundled", "download", "user"}
    assert all(entry.licence and entry.source and entry.what for entry in entries)


def test_ultralytics_weights_are_catalogued_as_agpl() -> None:
    detectors = [entry for entry in read_catalogue().weights if entry.role == "detector"]
    of_ultralytics = [entry for entry in detectors if "ultralytics" in entry.source]
    assert len(of_ultralytics) > 5
    assert all(entry.licence.startswith("AGPL-3.0") for entry in of_ultralytics)
    assert not any("AGPL" in entry.licence for entry in read_catalogue().weights if entry.kind == "bundled")


def test_bundled_files_that_exist_are_those_of_the_catalogue() -> None:
    for entry in read_catalogue().weights:
        if entry.kind == "bundled" and locate(entry).exists():
            assert verify(entry.name).state == "ok", "run `dpmesh-video weights update` and commit weights.yaml"


def test_nothing_licence_gated_lies_in_the_repository() -> None:
    gated = {Path(file.path).name for e in read_catalogue().weights if e.kind == "user" for file in e.files}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert not gated & {Path(name).name for name in tracked}


def test_after_an_update_the_files_are_verified(place: Path) -> None:
    assert verify("one").state == "found"
    assert _update(place) == []
    assert [verify(name).state for name in ("one", "two")] == ["ok", "ok"]
    assert (place / "weights.yaml").read_text(encoding="utf-8").startswith("# kept\n")


def test_an_update_changes_nothing_the_second_time(place: Path) -> None:
    _update(place)
    first = (place / "weights.yaml").read_bytes()
    _update(place)
    assert (place / "weights.yaml").read_bytes() == first


def test_an_update_names_what_is_absent_and_leaves_it(place: Path) -> None:
    (place / "b" / "model.bin").unlink()
    assert _update(place) == ["two"]
    assert read_catalogue(place / "weights.yaml").weights[1].files[0].sha256 is None


def test_an_entry_of_several_files_is_their_folder(place: Path) -> None:
    assert resolve("two") == place / "b"
    assert resolve("one") == place / "a" / "one.bin"


def test_one_changed_byte_is_noticed(place: Path) -> None:
    _update(place)
    (place / "a" / "one.bin").write_bytes(b"a/one.bim")
    assert verify("one").state == "corrupt"
    with pytest.raises(WeightsError, match=r"one\.bin: sha256 is [0-9a-f]{12}, expected [0-9a-f]{12} \(one\); .*again"):
        resolve("one")


def test_a_cut_file_is_noticed_without_hashing(place: Path) -> None:
    _update(place)
    (place / "a" / "one.bin").write_bytes(b"a/one")
    assert [status.state for status in list_weights()] == ["corrupt", "found", "missing"]
    with pytest.raises(WeightsError, match="has 5 bytes, expected 9"):
        resolve("one")


def test_a_gated_file_says_where_to_register_and_where_to_put_it(place: Path) -> None:
    with pytest.raises(WeightsError, match=r"register and download it at https://example\.org, then put it at .*gated"):
        resolve("gated")


def test_a_path_that_exists_is_returned_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.bin"
    path.write_bytes(b"")
    assert resolve(path) == path


def test_an_unknown_name_lists_the_known_ones(place: Path) -> None:
    for call in (resolve, verify):
        with pytest.raises(WeightsError, match="no weights of that name; known names: one, two, gated"):
            call("other")


@pytest.mark.parametrize("text", ["", "weights: 3", "weights: [{name: x}]", "a: [", "weights: []\nmore: 1"])
def test_what_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "weights.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match="not a weights catalogue"):
        read_catalogue(tmp_path / "weights.yaml")


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    rows = {"weights": [_row("same", "user", ["a"]), _row("same", "user", ["b"])]}
    (tmp_path / "weights.yaml").write_text(yaml.safe_dump(rows), encoding="utf-8")
    with pytest.raises(WeightsError, match="same is named twice"):
        read_catalogue(tmp_path / "weights.yaml")


def test_the_catalogue_loads_without_torch() -> None:
    program = "import sys, configs.weights as w; w.read_catalogue(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
