"""What an option and a class of options are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo


def option(default: Any, help: str, *, unit: str = "", **more: Any) -> Any:  # noqa: A002
    """State one option.

    Parameters
    ----------
    default : object
        Its default; None means "follows from other options".
    help : str
        One sentence for the command line, the tooltip and the docs.
    unit : str
        Unit, where it has one.
    **more
        ``step`` of a spin box, ``advanced`` (folded away in the viewer), ``choices`` (a mapping
        from name to help), and pydantic's bounds (``ge``, ``gt``, ``le``, ``lt``, ``pattern``).
    """
    extra = {key: more.pop(key, None) for key in ("step", "choices")}
    extra |= {"unit": unit, "advanced": more.pop("advanced", False)}
    if extra["choices"]:
        help = f"{help.rstrip('.')}: {', '.join(extra['choices'])}."  # noqa: A001
    return Field(default, description=help, json_schema_extra=extra, **more)


def choices_of(field: FieldInfo) -> Mapping[str, str]:
    """Return the allowed values of an option and their help; empty where it is not a choice."""
    extra = field.json_schema_extra
    found = extra.get("choices") if isinstance(extra, Mapping) else None
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


class Settings(BaseModel):
    """Base of all settings: frozen, strict about names and choices."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _choices_hold(self) -> Self:
        for name, field in type(self).model_fields.items():
            allowed = choices_of(field)
            if allowed and getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(allowed)}."
                )
        return self
