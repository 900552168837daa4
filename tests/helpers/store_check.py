"""Whether a store holds every clip once and whole, with the bytes of plain runs; also as a program, inside a namespace.

python store_check.py URL NAME=FOLDER ...
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from small_room import digests

from pipeline.engine.result_store import ROOM, ResultStore
from pipeline.engine.status import AttemptRow


def check_store(url: str, whole: Mapping[str, Path]) -> list[AttemptRow]:
    """Fail unless every clip is there once and whole; return all attempts.

    Args:
        whole: what a plain run made of each clip, by name.
    """
    store, rows = ResultStore(url), []
    objects = store._objects
    commits = [store.read_commit(key) for key in sorted(store.done())]
    assert sorted(commit.name for commit in commits if commit) == sorted(whole)
    assert store.failed() == set()
    for commit in filter(None, commits):
        place = f"{ROOM}/units/{commit.key}"
        assert objects.names(place) == [commit.attempt], f"{commit.key}: files of an attempt that does not count"
        found = {}
        for name in commit.files:
            data = objects.read(f"{place}/{commit.attempt}/{name}")
            found[name] = "" if data is None else hashlib.sha256(data).hexdigest()
        assert found == {name: told["sha256"] for name, told in commit.files.items()}
        found.pop("run.json")
        assert found == digests(whole[commit.name]), commit.name
        rows += [AttemptRow.load(row) for row in commit.rows]
    return rows


if __name__ == "__main__":
    url, *pairs = sys.argv[1:]
    attempts = check_store(url, {name: Path(folder) for name, _, folder in (pair.partition("=") for pair in pairs)})
    print(json.dumps([row.status for row in attempts]))
