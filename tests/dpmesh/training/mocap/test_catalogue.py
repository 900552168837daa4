import pytest

from dpmesh.training.mocap.catalogue import HELD_OUT, find_category, find_entry


@pytest.mark.parametrize(
    ("path", "collection", "subject", "category", "split"),
    [
        ("cmu_bvh_iclone/005_06.bvh", "cmu_bvh_iclone", "CMU005", "dance", "test"),
        ("mocap2_dev/cmu_bvh_przestr/16_01.bvh", "cmu_bvh_przestr_31j", "CMU016", "run", "train"),
        ("mocap2_dev/cmu_bvh_przestr/08_01.bvh", "cmu_bvh_przestr", "CMU008", "walk", "train"),
        ("mocap2_dev/cmu_bvh_papagina/martial_03.bvh", "cmu_bvh_papagina", "CMU135", "fight", "train"),
        ("mocap2_dev/reactidle_bvh/001_acted.bvh", "reactidle_bvh", "REACT001", "idle", "val"),
        ("cmu_expmap_chaneyddtt/train/basketball/basketball_1.txt", "cmu_expmap_chaneyddtt", "chaneyddtt_basketball",
         "sport", "test"),
        ("cmu_expmap_chaneyddtt/train/basketball_signal/basketball_signal_1.txt", "cmu_expmap_chaneyddtt",
         "chaneyddtt", "gesture", "train"),
        ("deepmimic/humanoid3d_getup_facedown.txt", "deepmimic", "deepmimic", "floor", "train"),
    ],
)  # fmt: skip
def test_a_path_tells_collection_subject_category_and_split(
    path: str, collection: str, subject: str, category: str, split: str
) -> None:
    entry = find_entry(path, {(5, 6): "dance - pirouettes, jete"})
    assert entry is not None
    assert (entry.collection.name, entry.subject, entry.category, entry.split) == (collection, subject, category, split)


@pytest.mark.parametrize("path", ["deepmimic/character_humanoid3d.txt", "cmu_amc_cyun/01.asf", "CMU_trial_index.csv"])
def test_other_files_are_no_motions(path: str) -> None:
    assert find_entry(path, {}) is None


def test_the_description_goes_before_the_action_word() -> None:
    assert find_category("Get Up From Ground", "walk", "other") == "floor"
    assert find_category("", "zombie_walk", "other") == "walk"
    assert find_category("unheard of", "", "other") == "other"


def test_held_out_subjects_name_known_splits() -> None:
    assert set(HELD_OUT.values()) == {"val", "test"}
