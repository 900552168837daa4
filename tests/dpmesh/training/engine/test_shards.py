"""Generated folders survive a kill, and damage of a shard is told."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from configs.checks import check_shape
from configs.errors import InputError, RunError
from dpmesh.training.engine.shards import claim_folder, digest, fill, read_arrays, write_arrays, write_whole


@dataclass(frozen=True, slots=True)
class Loose:
    values: np.ndarray


@dataclass(frozen=True, slots=True)
class Numbers:
    values: np.ndarray  # (N,)

    def __post_init__(self) -> None:
        check_shape("values", self.values, ("N",))


def test_a_failed_write_leaves_neither_file_nor_draft(tmp_path: Path) -> None:
    def fail(draft: Path) -> None:
        draft.write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_whole(tmp_path / "x.npz", fail)
    assert list(tmp_path.iterdir()) == []


def test_only_missing_shards_are_made(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}" for k in range(4)]
    paths[1].write_text("old")
    made: list[int] = []

    def make(k: int) -> None:
        made.append(k)
        paths[k].write_text("new")

    fill(paths, make, "test")
    assert made == [0, 2, 3]
    assert paths[1].read_text() == "old"


def test_a_damaged_shard_that_was_deleted_is_the_only_one_made_again(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}.npz" for k in range(3)]

    def make(k: int) -> None:
        write_arrays(paths[k], Numbers(np.full(5, k)))

    fill(paths, make, "test")
    whole = [path.read_bytes() for path in paths]
    paths[1].write_bytes(whole[1][:50])
    with pytest.raises(InputError, match=r"1\.npz: not a whole shard: .*; delete this file and give the command"):
        [read_arrays(path, Numbers) for path in paths]
    paths[1].unlink()
    kept = [path.stat().st_mtime_ns for path in (paths[0], paths[2])]
    fill(paths, make, "test")
    assert [path.read_bytes() for path in paths] == whole
    assert [path.stat().st_mtime_ns for path in (paths[0], paths[2])] == kept
    assert [int(read_arrays(path, Numbers).values[0]) for path in paths] == [0, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"(5000,), }", b"(5000,),  ", "not a whole shard"),  # of the header, which NumPy reads as Python
        (b"(5000,)", b"(6000,)", "not a whole shard"),
        (b"PK\x01\x02-\x03-", b"PK\x01\x02-\x03\xff", r"not a whole shard: is damaged \(zip file version"),
        (b"values.npy", b"houses.npy", "lacks values, so another version made it; make the folder anew"),
    ],
)
def test_damage_of_any_kind_is_told_with_the_name_of_the_shard(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    path = tmp_path / "a.npz"
    write_arrays(path, Numbers(np.arange(5000)))
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new))
    with pytest.raises(InputError, match=rf"a\.npz: {message}"):
        read_arrays(path, Numbers)


def test_a_shard_of_another_shape_is_told_with_its_name(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", Loose(np.zeros((2, 2))))
    with pytest.raises(InputError, match=r"a\.npz: not a whole shard: values: got shape \(2, 2\)"):
        read_arrays(tmp_path / "a.npz", Numbers)


def test_a_folder_of_other_settings_is_refused_by_name_of_the_setting(tmp_path: Path) -> None:
    claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})
    claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})
    with pytest.raises(RunError, match="another seed"):
        claim_folder(tmp_path / "a", {"seed": 2, "split": "train"})
    (tmp_path / "a" / "settings.json").write_text("{")
    with pytest.raises(InputError, match=r"settings\.json: not readable as JSON; delete this file if the command is"):
        claim_folder(tmp_path / "a", {"seed": 1, "split": "train"})


def test_another_body_or_pose_bank_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    array = np.arange(4)
    names = {digest(tmp_path / "a"), digest(tmp_path / "b"), digest(array), digest(tmp_path / "a", array)}
    assert len(names) == 4
    assert digest(array[::-1][::-1]) == digest(array)
