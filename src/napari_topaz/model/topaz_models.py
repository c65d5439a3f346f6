"""Models of Topaz (``.sav``): read without executing anything, and mapped onto this package's networks.

Two kinds of files are known: dictionaries of tensors (the networks that come with Topaz) and whole
pickled modules (networks that users trained). Of a module only the tensors are taken: its classes are
replaced by empty ones of the same names, so that nothing of Topaz is needed or run. Layers are told
by the shapes of their tensors and by the numbers in their names.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from napari_topaz.model.networks import Residual, build
from napari_topaz.model.picker import ModelCard, ModelFileError, PickerModel
from napari_topaz.settings import NetworkSettings, PreprocessSettings, TrainSettings

#: Networks of Topaz that this package has too.
KNOWN = ("resnet8", "resnet16", "conv31", "conv63", "conv127")
#: Classes of torch in pickled modules of these networks. Pooling is not among them: a network with
#: pooling has the same tensors, but scores differently.
TORCH_CLASSES = frozenset(
    {
        "torch.nn.modules.activation.PReLU",
        "torch.nn.modules.activation.ReLU",
        "torch.nn.modules.batchnorm.BatchNorm2d",
        "torch.nn.modules.container.ModuleList",
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.conv.Conv2d",
        "torch.nn.modules.dropout.Dropout",
        "torch.nn.modules.dropout.Dropout2d",
        "torch.nn.modules.linear.Identity",
        "torch.nn.modules.linear.Linear",
    }
)
#: How the names of Topaz's model files end.
SUFFIX = ".sav"
#: Where the classes of Topaz's networks lie.
TOPAZ_CLASSES = "topaz.model."
#: What every file may name; for messages.
OF_TENSORS = ("torch.", "collections.", "__builtin__.set", "builtins.set", TOPAZ_CLASSES)
#: Files of torch < 1.6 are no archives, but begin with so many pickles before that of the model.
OLD_HEADER = 3
#: Modules within modules: more is no network.
DEEPEST = 20
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def read_topaz_model(path: str | Path) -> PickerModel:
    """Read a model file of Topaz. Nothing in it is executed.

    Such a file states neither diameter nor preprocessing: the card's diameter is None, and must be
    given before the model can pick; the rest of the preprocessing is this package's default. The
    threshold is 0.

    Raises
    ------
    ModelFileError
        Where the file is missing or damaged, asks for any class or function that is no part of a
        network, or holds a network that this package does not have.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"There is no model file {path}.")
    settings, tensors = recognise(_tensors_of(_unpickled(path), path), path)
    network = build(settings)
    network.load_state_dict(tensors)
    card = ModelCard(
        network=settings,
        preprocess=PreprocessSettings(),
        train=TrainSettings(),
        pretrained=path.name,
    )
    return PickerModel(network.eval(), card, name=path.name)


# -- reading without executing --------------------------------------------------------------------


def _unpickled(path: Path) -> Any:
    """Return what the file holds, modules as empty objects with attributes."""
    wanted: list[str] = []
    try:
        wanted += _globals_of(path)
        known = {n for n in wanted if n in TORCH_CLASSES or n.startswith(TOPAZ_CLASSES)}
        # Of all other names torch.load knows those that make tensors, and refuses the rest.
        with torch.serialization.safe_globals([_stand_in(name) for name in known]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises anything
        raise _sentence(path, wanted, str(error)) from error


def _globals_of(path: Path) -> Iterator[str]:
    """Names of the classes and functions that a file asks for, found without loading any of them."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("torch compresses nothing, so that this may become of any size")
            name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            yield from _globals_in(BytesIO(archive.read(name)))
        return
    with path.open("rb") as file:
        for _ in range(OLD_HEADER + 1):
            yield from _globals_in(file)


def _globals_in(pickled: IO[bytes]) -> Iterator[str]:
    words: list[str] = []
    for code, argument, _ in pickletools.genops(pickled):
        if code.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif code.name == "STACK_GLOBAL":  # in newer pickles; torch.load refuses them
            yield ".".join(words[-2:])
        elif "UNICODE" in code.name:
            words.append(str(argument))


def _stand_in(name: str) -> type:
    """Make an empty class that goes by a name, ``module.Class``."""
    module, _, title = name.rpartition(".")
    return type(title, (), {"__module__": module})


def _sentence(path: Path, wanted: list[str], message: str) -> ModelFileError:
    """Say why a file was not read; `message` is torch's, `wanted` what the file asks for."""
    named = re.search(r"GLOBAL (\S+)", message)
    foreign = [named[1]] if named else [n for n in wanted if not n.startswith(OF_TENSORS)]
    if foreign:
        return ModelFileError(
            f"{path} asks for {foreign[0]}, which is no part of the networks that can be read "
            f"({', '.join(KNOWN)}); it was not opened, as that might run foreign code."
        )
    if "persistent_load" in message:  # a whole module in the form before archives
        return ModelFileError(
            f"{path} was written with a torch older than 1.6; load and save it again with a newer one."
        )
    return _damaged(path)


def _damaged(path: Path) -> ModelFileError:
    return ModelFileError(f"{path} is not a model of Topaz or is damaged; choose another file.")


def _tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """Tensors by name, of a dictionary of tensors or of a module."""
    pairs = loaded.items() if isinstance(loaded, Mapping) else _walk(loaded, "", 0)
    try:
        found = dict(pairs)
    except (TypeError, AttributeError, ValueError) as error:
        raise _damaged(path) from error
    tensors = {k: v.detach() for k, v in found.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if not tensors or len(tensors) < len(found):
        raise _damaged(path)
    if not all(bool(torch.isfinite(t).all()) for t in tensors.values()):
        raise ModelFileError(f"{path} has weights that are no numbers; train the model again.")
    return tensors


def _walk(module: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Tensors of the stand-in of a module, as its state dict would name them."""
    if depth > DEEPEST:
        raise ValueError("modules within modules without end")
    parts = vars(module)
    for kind in ("_parameters", "_buffers"):
        for name, tensor in parts.get(kind, {}).items():
            if tensor is not None:
                yield prefix + name, tensor
    for name, child in parts.get("_modules", {}).items():
        if child is not None:
            yield from _walk(child, f"{prefix}{name}.", depth + 1)


# -- from their names to ours ---------------------------------------------------------------------


@dataclass
class _Block:
    """Layers that belong together: a convolution with what follows, or a residual block."""

    convolutions: list[dict[str, Tensor]] = field(default_factory=list)
    projections: list[dict[str, Tensor]] = field(default_factory=list)
    norms: list[dict[str, Tensor]] = field(default_factory=list)
    slopes: list[dict[str, Tensor]] = field(default_factory=list)

    def add(self, layer: dict[str, Tensor]) -> None:
        """Sort a layer in, by the shapes of its tensors."""
        weight = layer["weight"]
        if "running_mean" in layer:
            self.norms.append(layer)
        elif weight.ndim == 4:
            (self.projections if weight.shape[2:] == (1, 1) else self.convolutions).append(layer)
        elif weight.ndim == 1 and len(layer) == 1:
            self.slopes.append(layer)
        else:
            raise _NoFitError("a layer is of no known kind")

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return len(self.convolutions), len(self.projections), len(self.norms), len(self.slopes)


class _NoFitError(Exception):
    """The tensors are not those of a network."""


def recognise(tensors: Mapping[str, Tensor], path: Path) -> tuple[NetworkSettings, dict[str, Tensor]]:
    """Find the network that tensors belong to.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        By Topaz's names: ``features.….N.…`` in the order of the numbers, and ``classifier``.
    path : Path
        For messages.

    Returns
    -------
    settings : NetworkSettings
        Architecture, width and whether there is batch normalisation.
    state : dict of str to Tensor
        The state of the network that these settings build.

    Raises
    ------
    ModelFileError
        Where they belong to no network that this package has.
    """
    try:
        layers = _layers(tensors)
        head = layers.pop("classifier")
        blocks = _blocks(layers)
        norm = any(block.norms for block in blocks)
        width = blocks[0].convolutions[0]["weight"].shape[0]
        choices = [NetworkSettings(architecture=a, width=width, batch_norm=norm) for a in KNOWN]
        for settings in choices:
            state = _fitted(settings, blocks, head)
            if state is not None:
                return settings, state
    except (_NoFitError, KeyError, IndexError, ValueError) as error:
        raise _unknown(path) from error
    raise _unknown(path)


def _unknown(path: Path) -> ModelFileError:
    return ModelFileError(
        f"{path} holds a network that this package does not have; it reads {', '.join(KNOWN)} "
        f"of Topaz, with widths that double."
    )


def _layers(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by layer, in the order of the numbers in their names."""
    layers: dict[str, dict[str, Tensor]] = {}
    for name in sorted(tensors, key=_natural):
        layer, _, kind = name.rpartition(".")
        layers.setdefault(layer, {})[kind] = tensors[name].float()
    return layers


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _blocks(layers: Mapping[str, dict[str, Tensor]]) -> list[_Block]:
    """Layers by the last number in their path; what has no convolution belongs to the one before."""
    blocks: dict[str, _Block] = {}
    key = ""
    for path, layer in layers.items():
        numbered = re.match(r"features\.(?:.*\.)?\d+(?=\.|$)", path)
        if numbered is None:
            raise _NoFitError(f"{path} is not a numbered layer")
        if "running_mean" not in layer and layer["weight"].ndim == 4:
            key = numbered[0]
        # Norm and projection of a residual block may be named before its convolutions.
        home = numbered[0] if numbered[0] in blocks or numbered[0] != path else key
        blocks.setdefault(home, _Block()).add(layer)
    return list(blocks.values())


def _fitted(
    settings: NetworkSettings, blocks: list[_Block], head: dict[str, Tensor]
) -> dict[str, Tensor] | None:
    """State of the network of these settings; None where the tensors are of another one."""
    with torch.device("meta"):
        network = build(settings)
    if len(network.features) != len(blocks):
        return None
    weight = head["weight"]
    state = {"head.weight": weight.reshape(*weight.shape, *(1,) * (4 - weight.ndim))}
    state["head.bias"] = head.get("bias", torch.zeros(1))
    for i, (target, block) in enumerate(zip(network.features, blocks, strict=True)):
        part = _residual(target, block) if isinstance(target, Residual) else _single(target, block)
        state |= {f"features.{i}.{name}": tensor for name, tensor in part.items()}
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    return state if {name: tensor.shape for name, tensor in state.items()} == wanted else None


def _single(target: nn.Module, block: _Block) -> dict[str, Tensor]:
    """State of convolution, norm and activation; empty where the block is another one."""
    parts = list(target.children())
    norm, slope = isinstance(parts[1], nn.BatchNorm2d), isinstance(parts[2], nn.PReLU)
    if block.counts != (1, 0, int(norm), int(slope)):
        return {}
    state = _convolution("0", "1", block.convolutions[0], block.norms[0] if norm else None)
    return state | ({"2.weight": block.slopes[0]["weight"]} if slope else {})


def _residual(target: Residual, block: _Block) -> dict[str, Tensor]:
    """State of a residual block; empty where the block is another one."""
    norm, project = isinstance(target.first_norm, nn.BatchNorm2d), target.project is not None
    if block.counts != (2, int(project), 2 * int(norm), 0):
        return {}
    norms = block.norms if norm else [None, None]
    state = _convolution("first", "first_norm", block.convolutions[0], norms[0])
    state |= _convolution("second", "second_norm", block.convolutions[1], norms[1])
    for name, tensor in block.projections[0].items() if project else ():
        state[f"project.{name}"] = tensor
    return state


def _convolution(
    name: str, norm_name: str, layer: dict[str, Tensor], norm: dict[str, Tensor] | None
) -> dict[str, Tensor]:
    """State of a convolution and the norm after it.

    Ours has no bias before a norm: one that is there moves the norm's mean, which is the same.
    """
    bias = layer.get("bias", torch.zeros(layer["weight"].shape[0]))
    state = {f"{name}.weight": layer["weight"]}
    if norm is None:
        return state | {f"{name}.bias": bias}
    full = {"num_batches_tracked": torch.tensor(0.0), **norm}
    full["running_mean"] = full["running_mean"] - bias
    return state | {f"{norm_name}.{kind}": full[kind] for kind in NORM}
