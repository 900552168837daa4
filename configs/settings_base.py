"""What all groups of settings have in common."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class Settings(BaseModel):
    """A frozen group of settings. Unknown keys and non-finite numbers are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _text_can_name_a_file(cls, value: Any) -> Any:
        if isinstance(value, str) and "\0" in value:
            raise ValueError("a name cannot contain a NUL character")
        return value
