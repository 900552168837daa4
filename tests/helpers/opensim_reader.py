"""Run by a Python with `opensim`: the markers of a TRC file, as JSON.

python opensim_reader.py FILE ANSWER.json
"""

import json
import sys
from pathlib import Path

import opensim


def main(source: str, answer: str) -> None:
    table = opensim.TimeSeriesTableVec3(source)
    names = list(table.getColumnLabels())
    rows = [
        [[row[column][axis] for axis in range(3)] for column in range(len(names))]
        for row in (table.getRowAtIndex(number) for number in range(table.getNumRows()))
    ]
    units = table.getTableMetaDataString("Units") if table.hasTableMetaDataKey("Units") else ""
    found = {
        "version": opensim.GetVersion(),
        "names": names,
        "times": list(table.getIndependentColumn()),
        "points": rows,
        "units": units,
    }
    Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
