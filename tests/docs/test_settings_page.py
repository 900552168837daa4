import re

from doc_scripts import DOCS, load_script

from configs.schema import RunSettings

PAGE = load_script("settings_page")


def test_every_setting_is_on_the_page() -> None:
    groups = RunSettings.model_fields.items()
    names = {f"{group}.{key}" for group, field in groups for key in field.annotation.model_fields}  # type: ignore[union-attr]
    assert names == set(re.findall(r"^\| `([\w.]+)` \|", PAGE.settings_tables(), re.MULTILINE))
    assert PAGE.MARKER in (DOCS / "settings.md").read_text()


def test_a_row_has_default_values_and_meaning() -> None:
    rows = PAGE.settings_tables().splitlines()
    row = next(row for row in rows if row.startswith("| `refine.steps` "))
    assert row == "| `refine.steps` | `150` | integer, ≥ 1 | solver steps |"
