"""The list of options: complete, bounded, and lossless on the way through JSON."""

from __future__ import annotations

import json

import annotated_types
import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from napari_topaz import settings
from napari_topaz.settings import NetworkSettings, PreprocessSettings, Settings, TrainSettings, choices_of

CLASSES = [
    value
    for value in vars(settings).values()
    if isinstance(value, type) and issubclass(value, Settings) and value is not Settings
]
FIELDS = [(c, name, field) for c in CLASSES for name, field in c.model_fields.items()]


def is_number(field: FieldInfo) -> bool:
    return any(kind in str(field.annotation) for kind in ("int", "float"))


@pytest.mark.parametrize(
    ("owner", "name", "field"), FIELDS, ids=lambda v: getattr(v, "__name__", str(v))[:24]
)
def test_every_option_is_stated_whole(owner: type[Settings], name: str, field: FieldInfo) -> None:
    assert field.description, f"{owner.__name__}.{name} has no help"
    assert field.description.endswith("."), f"the help of {name} is no sentence"
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    assert isinstance(extra["advanced"], bool)
    if is_number(field):
        bounds = {type(m) for m in field.metadata}
        assert bounds & {annotated_types.Ge, annotated_types.Gt}, f"{name} has no lower bound"
        assert bounds & {annotated_types.Le, annotated_types.Lt}, f"{name} has no upper bound"
        assert extra["step"], f"{name} has no step"
    elif "bool" not in str(field.annotation):
        assert choices_of(field) or field.metadata, f"{name} takes any text"


@pytest.mark.parametrize("owner", CLASSES, ids=lambda c: c.__name__)
def test_defaults_survive_json(owner: type[Settings]) -> None:
    made = owner()
    assert owner.model_validate_json(made.model_dump_json()) == made
    assert owner.model_validate(json.loads(json.dumps(made.model_dump()))) == made


def test_small_numbers_survive_json() -> None:
    made = TrainSettings(learning_rate=2e-4, prior=0.007)
    assert TrainSettings.model_validate_json(made.model_dump_json()).learning_rate == 2e-4


@pytest.mark.parametrize(
    ("owner", "values", "message"),
    [
        (PreprocessSettings, {"diameter": -1}, "greater than 0"),
        (PreprocessSettings, {"diameter": float("nan")}, "finite"),
        (PreprocessSettings, {"normalise": "gm"}, "one of gmm"),
        (NetworkSettings, {"architecture": "os.system"}, "one of small"),
        (TrainSettings, {"objective": "best"}, "ge-binomial"),
        (TrainSettings, {"held_out": 1.0}, "less than 1"),
        (TrainSettings, {"epoch": 3}, "Extra inputs"),
        (settings.RunSettings, {"device": "gpu"}, "pattern"),
    ],
)
def test_wrong_values_are_refused(owner: type[Settings], values: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        owner(**values)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrainSettings().epochs = 3
