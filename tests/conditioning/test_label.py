"""Classes by name: typed as one likes, refused with what there is."""

import numpy as np
import pytest

from musicdiff.conditioning import label
from musicdiff.errors import UsageError

STYLES = ("bossa nova", "drum and bass", "lo-fi", "r&b", "reggae", "reggaeton")
CONDITION = label.build(classes=STYLES)


def test_a_class_is_its_place():
    ids = CONDITION.read([*STYLES, None])
    np.testing.assert_array_equal(ids, [0, 1, 2, 3, 4, 5, 0])
    assert ids.dtype == np.int32


@pytest.mark.parametrize("name", ["Bossa Nova", "bossa_nova", " bossanova ", "bossa-nova", "ＢＯＳＳＡ NOVA"])
def test_case_spaces_and_hyphens_do_not_matter(name):
    assert CONDITION.refuse(name) is None
    assert CONDITION.read([name]) == [0]


def test_spellings_of_one_name_are_one_class():
    condition = label.build(classes=("Lo-Fi", "lofi", "techno"), capacity=2)
    np.testing.assert_array_equal(condition.read(["lo fi", "Techno"]), [0, 1])


def test_an_unknown_name_is_refused_with_the_nearest_first():
    assert CONDITION.refuse("regae") == (
        "has no 'regae'; there are: reggae, reggaeton, bossa nova, drum and bass, lo-fi, r&b"
    )
    assert CONDITION.refuse(3) == "must be a name, not 3"


def test_of_many_names_the_message_lists_some():
    message = label.build(classes=tuple(f"style {i}" for i in range(30))).refuse("nothing like it")
    assert message.endswith("style 19 and 10 more")


def test_before_the_data_are_known_there_are_no_names():
    condition = label.build()
    assert condition.refuse("techno") == "has no 'techno'; there are: none"
    np.testing.assert_array_equal(condition.read([None, None]), [0, 0])


def test_more_classes_than_there_is_room_for():
    with pytest.raises(UsageError) as caught:
        label.build(classes=STYLES, capacity=5)
    assert str(caught.value) == "condition 'label': 6 classes, and room for capacity=5; set it to 6 or more"
