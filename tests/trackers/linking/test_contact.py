import numpy as np

from trackers.linking.contact import Contacts


def test_contact_is_the_share_of_the_smaller_box_in_the_larger_one() -> None:
    frames, names = np.array([0, 0, 0, 1]), np.array([1, 2, 3, 1])
    boxes = np.array([[0, 0, 100, 100], [50, 50, 70, 70], [90, 0, 190, 100], [50, 50, 70, 70]], float)
    contact, is_clear = Contacts().update(frames, frames / 25, names, boxes)
    np.testing.assert_allclose(contact, [1.0, 1.0, 0.1, 0.0])
    assert is_clear.tolist() == [False, False, True, False]  # where the second one was just now


def test_the_place_of_somebody_who_is_gone_is_not_clear_for_a_while() -> None:
    """Shard by shard it is the same as in one go."""
    frames = np.array([0, 0, *range(1, 20)])
    names = np.array([1, 2, *[1] * 19])
    boxes = np.tile(np.array([0, 0, 50, 100.0]), (21, 1))
    contact, is_clear = Contacts().update(frames, frames / 25, names, boxes)
    assert contact[:2].tolist() == [1.0, 1.0] and not contact[2:].any()
    assert is_clear.tolist() == [False] * 12 + [True] * 9  # for 0.4 s
    parts, contacts = [slice(0, 7), slice(7, 21)], Contacts()
    found = [contacts.update(*(array[part] for array in (frames, frames / 25, names, boxes)))[1] for part in parts]
    assert np.concatenate(found).tolist() == is_clear.tolist()
