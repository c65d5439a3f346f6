"""A model that picks: a trained network, and all that it takes to use it."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from napari_topaz import __version__
from napari_topaz.files.atomic import flush_folder, replace_file
from napari_topaz.files.errors import FileError
from napari_topaz.files.safetensors_file import NO_MODEL, read_safetensors
from napari_topaz.model.networks import Classifier, build
from napari_topaz.model.scales import joined, smaller
from napari_topaz.model.scoring import score_image
from napari_topaz.numerics.deviations import box_deviations
from napari_topaz.preprocess import Prepared
from napari_topaz.score_map import ScoreMap
from napari_topaz.settings import NetworkSettings, PreprocessSettings, Settings, TrainSettings
from napari_topaz.settings.fitted import FittedPreprocess

#: Key of the card in the metadata of a model file.
CARD_KEY = "napari_topaz"
#: Tensors whose names begin so may lie beside a model's own (:mod:`napari_topaz.jobs.training_files`).
BESIDE = "state."
#: What the card of the package's general model has as its origin.
GENERAL = "the general model"


class ModelFileError(ValueError):
    """A model file cannot be used; one sentence."""


class EpochRecord(Settings):
    """One line of a training's history; `held_out` is the estimated average precision."""

    epoch: int
    step: int
    loss: float
    held_out: float | None
    seconds: float


class ModelCard(Settings):
    """All that picking needs besides the weights, and where the model comes from.

    Attributes
    ----------
    pixel_size : float or None
        Å per pixel of the micrographs that it was trained on.
    expected, prior : float
        Expected particles per micrograph, and π.
    threshold : float
        Logit from which a region counts as a pick by default.
    labels, micrographs : int
        How many labels on how many micrographs it learnt from.
    pretrained : str
        Where its first weights come from; empty where they were random.
    deviation_range : tuple of float or None
        Of the standard deviations of the boxes round the labelled particles, in preprocessed pixels: a
        little wider than from the lowest to the highest; None where it is not known.
    deviation_box : int
        Edge of those boxes, odd, preprocessed pixels.
    average : tuple of tuples of float
        Rows of the average of the labelled particles, turned alike, in preprocessed pixels; empty where
        there were few of them (see :func:`napari_topaz.numerics.refinement.particle_average`).
    average_radius : float
        Of the particle on it, in preprocessed pixels.
    score_slope, score_offset : float
        A score is the network's logit times the slope plus the offset: the logit of the probability that a
        pick of that score is a particle. 1 and 0 where nobody knows (see :attr:`calibrated`).
    expected_precision : float or None
        Of the picks at and above the threshold, on the labelled micrographs; None where it is not known.
    scales : tuple of float
        Micrographs are scored so many times smaller, too (:mod:`napari_topaz.model.scales`); the first is 1.
    """

    format_version: int = 1
    plugin_version: str = __version__
    network: NetworkSettings
    preprocess: FittedPreprocess | PreprocessSettings
    train: TrainSettings
    pixel_size: float | None = None
    expected: float = 0.0
    prior: float = 0.0
    threshold: float = 0.0
    labels: int = 0
    micrographs: int = 0
    best_epoch: int = 0
    pretrained: str = ""
    deviation_range: tuple[float, float] | None = None
    deviation_box: int = 0
    average: tuple[tuple[float, ...], ...] = ()
    average_radius: float = 0.0
    score_slope: float = 1.0
    score_offset: float = 0.0
    expected_precision: float | None = None
    scales: tuple[float, ...] = (1.0,)
    history: tuple[EpochRecord, ...] = ()


@dataclass(frozen=True, eq=False)
class PickerModel:
    """A trained network with its card.

    Attributes
    ----------
    network : Classifier
        On the device where it scores.
    card : ModelCard
        Preprocessing, threshold and history.
    name : str
        Of the file that it was read from; empty where it was not.
    """

    network: Classifier
    card: ModelCard
    name: str = ""

    @property
    def knows_preprocessing(self) -> bool:
        """Whether the card says how micrographs are preprocessed; that of a model of Topaz does not."""
        return self.card.preprocess.diameter is not None

    @property
    def is_general(self) -> bool:
        """Whether it is the general model of the package, which has learnt from no label of anybody.

        The card says so, whatever the file is called and whether it knows a diameter by now: a session or
        *Save model* may have written it.
        """
        return self.card.labels == 0 and self.card.pretrained == GENERAL

    @property
    def calibrated(self) -> bool:
        """Whether sigmoid(score) is the probability that a pick is a particle."""
        return self.card.expected_precision is not None

    def with_card(self, **changes: object) -> PickerModel:
        """Return the same network with other entries in its card."""
        return replace(self, card=self.card.model_copy(update=changes))

    def snapshot(self) -> PickerModel:
        """Return a copy on the CPU that shares no memory with this one."""
        network = build(self.card.network)
        network.load_state_dict({k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()})
        return PickerModel(network.eval(), self.card)

    def to(self, device: torch.device | str) -> PickerModel:
        """Return the same model on another device; this one stays where it is.

        A module's own `to` would move it while another thread scores with it.
        """
        if next(self.network.parameters()).device == torch.device(device):
            return self
        return replace(self, network=deepcopy(self.network).to(device))

    def radius(self, pixel_size: float | None = None) -> float:
        """Particle radius in pixels of a micrograph of `pixel_size` Å/px (the training's if None).

        Raises
        ------
        ValueError
            Where neither is known.
        """
        size = self.card.preprocess.pixel_size or pixel_size or self.card.pixel_size
        if self.card.preprocess.diameter is None or not size:
            raise ValueError("The model does not know its particle's diameter in pixels; give --pixel-size.")
        return self.card.preprocess.diameter / size / 2

    def score(self, prepared: Prepared, *, symmetries: str = "auto") -> ScoreMap:
        """Score one preprocessed micrograph.

        Parameters
        ----------
        prepared : Prepared
            Preprocessed by this model's own settings.
        symmetries : str
            What to average over (:data:`napari_topaz.choices.SYMMETRIES`); ``auto``: as the card says.
        """
        if symmetries == "auto":
            symmetries = self.card.train.symmetries
        stride = self.network.stride
        deviations = None
        if self.card.deviation_range is not None:
            deviations = box_deviations(prepared.image, self.card.deviation_box)[::stride, ::stride].copy()
        return ScoreMap(
            name=prepared.name,
            logits=self._logits(prepared, symmetries),
            step_yx=(stride * prepared.step_yx[0], stride * prepared.step_yx[1]),
            border=ceil(self.network.field // 2 * max(self._scales(prepared)) / stride),
            shape=prepared.shape,
            deviations=deviations,
            mask=prepared.mask,
            image=prepared.image if self.card.average else None,
        )

    def _logits(self, prepared: Prepared, symmetries: str) -> NDArray[np.float32]:
        """Score the image at all sizes, as the card wants them."""
        how, maps, sizes = self.card.preprocess.normalise, [], []
        for scale in self._scales(prepared):
            image = prepared.image if scale == 1 else smaller(prepared.image, scale, how)
            logits = score_image(self.network, image, symmetries=symmetries)
            logits *= np.float32(self.card.score_slope)
            logits += np.float32(self.card.score_offset)
            maps.append(logits)
            sizes.append(image.shape)
        return joined(maps, sizes) if len(maps) > 1 else maps[0]

    def _scales(self, prepared: Prepared) -> list[float]:
        """Scales of the card at which an image is no smaller than what the network sees at once."""
        return [s for s in self.card.scales if s == 1 or min(prepared.image.shape) >= s * self.network.field]

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to other processes as weights and card, and arrive on the CPU."""
        return _rebuilt, (self.card, save(self.tensors()), self.name)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the weights by name, on the CPU."""
        return {k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()}

    def save(self, path: str | Path, *, make_folder: bool = True) -> Path:
        """Write a safetensors file, whole or not at all; the card is in its metadata."""
        path = Path(path)
        data = save(self.tensors(), {CARD_KEY: self.card.model_dump_json()})
        with replace_file(path, make_folder=make_folder) as temporary:
            temporary.write_bytes(data)
        flush_folder(path.parent)
        return path

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> Self:
        """Read a model file. Nothing in it is executed.

        Raises
        ------
        ModelFileError
            Where it is missing, not a safetensors file, not one of this package's models, or written to
            meanwhile.
        """
        path = Path(path)
        if not path.is_file():
            raise ModelFileError(f"There is no model file {path}.")
        try:
            about, data = read_safetensors(path)
            text = about.get(CARD_KEY)
            tensors = {key: tensor for key, tensor in load(data).items() if not key.startswith(BESIDE)}
        except FileError as error:
            raise ModelFileError(str(error)) from error
        except (SafetensorError, ValueError) as error:
            raise ModelFileError(f"{path} {NO_MODEL}.") from error
        if text is None:
            raise ModelFileError(f"{path} is a safetensors file, but not a model of napari-topaz.")
        return cls(*_assembled(path, text, tensors, torch.device(device)), name=path.name)


def _rebuilt(card: ModelCard, data: bytes, name: str) -> PickerModel:
    """Return the model that :meth:`PickerModel.__reduce__` took apart."""
    network = build(card.network)
    network.load_state_dict(load(data))
    return PickerModel(network.eval(), card, name)


def _assembled(
    path: Path, text: str, tensors: dict[str, torch.Tensor], device: torch.device
) -> tuple[Classifier, ModelCard]:
    try:
        version = json.loads(text).get("format_version", 0)
        if version > 1:
            raise ModelFileError(f"{path} was written by a newer version of napari-topaz; please update.")
        card = ModelCard.model_validate_json(text)
        with torch.device("meta"):  # a network that the weights do not fit may be of any size
            expected = build(card.network).state_dict()
        if {k: t.shape for k, t in tensors.items()} != {k: t.shape for k, t in expected.items()}:
            raise RuntimeError("weights of other shapes")
        network = build(card.network)
        network.load_state_dict(tensors)
    except (ValidationError, json.JSONDecodeError, RuntimeError, AttributeError, TypeError) as error:
        raise ModelFileError(f"{path} is damaged: its description and weights do not fit.") from error
    return network.to(device).eval(), card
