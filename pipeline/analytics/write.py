"""An analysis as files: tables, and `analytics.json` with the figures above them and what could not be measured."""

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars
import shapely

from configs.analytics_schema import AnalyticsSettings
from configs.errors import InputError
from configs.json_files import read_json
from pipeline.analytics.analysis import Analysis
from pipeline.analytics.series import LongTable
from pipeline.flow.atomic import move_file, write_bytes, write_json
from pipeline.flow.graph import Claim
from pipeline.flow.outputs import ANALYTICS_NAME, ANALYTICS_TABLES

FORMAT_VERSION = 1
DECIMALS = 4
PAGE_NAME = "analytics.html"
PICTURE_NAME = "analytics_ground.jpg"


def table_path(folder: Path, name: str) -> Path:
    """Return where a table of an analysis lies."""
    return folder / "tables" / f"{name}.{ANALYTICS_TABLES[name]}"


def write_analysis(
    folder: Path,
    found: Analysis,
    settings: AnalyticsSettings,
    source: str,
    claim: Claim,
    picture: bytes | None = None,
    page: Callable[[Path], str] | None = None,
) -> Sequence[Path]:
    """Write the tables, `analytics.json` and the page; return the files.

    Args:
        source: what was analysed, for the reader.
        picture: JPEG of the ground seen from above; None: there is no picture.
        page: makes the page from the folder, once everything else is there.
    """
    paths = [table_path(folder, name) for name in (*found.tables, *found.long_tables)]
    more = [folder / ANALYTICS_NAME]
    more += [folder / PICTURE_NAME] if picture is not None else []
    more += [folder / PAGE_NAME] if page is not None else []
    claim([*paths, *more])
    for name, table in found.tables.items():
        path = table_path(folder, name)
        write_bytes(path, _bytes_of(table, path.suffix))
    for name, long_table in found.long_tables.items():
        _write_long(table_path(folder, name), long_table)
    write_json(folder / ANALYTICS_NAME, describe(found, settings, source))
    if picture is not None:
        write_bytes(folder / PICTURE_NAME, picture)
    if page is not None:
        write_bytes(folder / PAGE_NAME, page(folder).encode())
    return [*paths, *more]


def _write_long(path: Path, table: LongTable) -> None:
    """Write a table as Parquet, of which a part is in memory at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        parts = []
        for number, part in enumerate(table.parts()):
            parts.append(Path(folder) / f"{number:06}.parquet")
            part.write_parquet(parts[-1])
        whole = Path(folder) / path.name
        polars.scan_parquet(parts).sink_parquet(whole)
        move_file(whole, path)


def _bytes_of(table: polars.DataFrame, suffix: str) -> bytes:
    if suffix == ".csv":
        numbers = polars.selectors.float()
        return table.with_columns(numbers.fill_nan(None)).write_csv(float_precision=DECIMALS).encode()
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def describe(found: Analysis, settings: AnalyticsSettings, source: str) -> dict[str, Any]:
    """Return what `analytics.json` says."""
    study = found.study
    shapes: list[dict[str, Any]] = []
    if study is not None:
        listed = [(each.name, each.kind, each.geometry) for each in (*study.shapes.zones, *study.shapes.lines)]
        listed.append(("area", "area", study.area))
        shapes = [
            {"name": name, "kind": kind, "geometry": json.loads(shapely.to_geojson(geometry))}
            for name, kind, geometry in listed
        ]
    return {
        "format_version": FORMAT_VERSION,
        "source": source,
        "summary": found.summary,
        "not_measured": found.not_measured,
        "notes": found.notes,
        "shapes": shapes,
        "settings": settings.model_dump(mode="json"),
    }


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Return what `analytics.json` says; None where the folder was not analysed.

    Raises:
        InputError: it is damaged or of another version.
    """
    path = folder / ANALYTICS_NAME
    if not path.is_file():
        return None
    found = read_json(path, bytes_max=2**26)
    if not isinstance(found, dict) or found.get("format_version") != FORMAT_VERSION:
        raise InputError(f"{path}: not an analysis of this version; analyse the run again")
    return found


def read_table(folder: Path, name: str) -> polars.DataFrame | None:
    """Return a table of an analysis; None where it has none of this name.

    Raises:
        InputError: it is damaged.
    """
    found = scan_table(folder, name)
    return None if found is None else collect(found, table_path(folder, name))


def scan_table(folder: Path, name: str) -> polars.LazyFrame | None:
    """Return a table of which nothing is read yet; None where there is none of this name."""
    path = table_path(folder, name)
    if not path.is_file():
        return None
    return polars.scan_csv(path, infer_schema_length=None) if path.suffix == ".csv" else polars.scan_parquet(path)


def collect(table: polars.LazyFrame, path: Path) -> polars.DataFrame:
    """Return what is asked for of a table.

    Raises:
        InputError: it is damaged.
    """
    try:
        return table.collect()
    except (polars.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({str(error).splitlines()[0]}); analyse the run again") from error
