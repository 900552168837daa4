"""What is timed is a rig whose people are found."""

from dpmesh.body import load_body
from pipeline.bench.rig import time_rig


def test_everybody_is_found_while_it_is_timed() -> None:
    *seconds, found = time_rig(load_body(None), 3, 2)
    assert found == 2 and len(seconds) == 3 and all(each > 0 for each in seconds)
