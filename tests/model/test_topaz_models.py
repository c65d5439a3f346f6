"""Models of Topaz: read without executing anything, with the scores that Topaz gives."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from foreign_weights import RESNET8, RESNET16, add_norm, fill, resnet_state  # noqa: E402
from napari_topaz.model.picker import ModelFileError, PickerModel  # noqa: E402
from napari_topaz.model.scoring import score_image  # noqa: E402
from napari_topaz.model.topaz_models import read_topaz_model  # noqa: E402

SHIPPED = ("resnet8_u32", "resnet8_u64", "resnet16_u32")


@pytest.fixture(scope="session")
def weights() -> Path:
    """Folder with Topaz's own ``.sav`` files; nothing of the package is imported."""
    named = os.environ.get("NAPARI_TOPAZ_WEIGHTS")
    found = importlib.util.find_spec("topaz")
    places = [Path(named)] if named else []
    places += [Path(p) / "pretrained/detector" for p in (found and found.submodule_search_locations) or ()]
    for folder in places:
        if (folder / "resnet8_u32.sav").is_file():
            return folder
    pytest.skip(
        "no weights of Topaz (install topaz-em, or set NAPARI_TOPAZ_WEIGHTS to a folder of .sav files)"
    )


# -- states, and the logits that they should give, written from the description alone ---------------


def _normed(state: dict, name: str, x):
    if f"{name}.running_mean" not in state:
        return x
    s = {k: state[f"{name}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}
    return F.batch_norm(x, s["running_mean"], s["running_var"], s["weight"], s["bias"])


def resnet_logits(state: dict, name: str, x):
    first, blocks = RESNET8 if name == "resnet8" else RESNET16
    at = "features.features"
    get = state.get
    x = F.conv2d(x, state[f"{at}.0.conv.weight"], get(f"{at}.0.conv.bias"), stride=first)
    x = F.relu(_normed(state, f"{at}.0.bn", x))
    for i, (stride, dilation) in enumerate(blocks, 1):
        p = f"{at}.{i}"
        h = F.conv2d(x, state[f"{p}.conv0.weight"], get(f"{p}.conv0.bias"))
        h = F.relu(_normed(state, f"{p}.bn0", h))
        weight, bias = state[f"{p}.conv1.weight"], get(f"{p}.conv1.bias")
        h = F.conv2d(h, weight, bias, stride=stride, dilation=dilation)
        c = 1 + dilation
        kept = x[:, :, c:-c, c:-c]
        if f"{p}.proj.weight" in state:
            kept = F.conv2d(kept, state[f"{p}.proj.weight"], stride=stride)
        else:
            kept = kept[:, :, ::stride, ::stride]
        x = F.relu(_normed(state, f"{p}.bn1", h + kept))
    p = f"{at}.{len(blocks) + 1}"
    x = F.relu(_normed(state, f"{p}.bn", F.conv2d(x, state[f"{p}.conv.weight"], get(f"{p}.conv.bias"))))
    return F.conv2d(x, state["classifier.weight"], state["classifier.bias"])[:, 0]


def plain_state(kernels: tuple[int, ...], names: tuple[str, str, str], u: int = 4) -> dict:
    """Convolution, norm, PReLU; `names` are format strings of the number of the layer."""
    rng, state, before = torch.Generator().manual_seed(5), {}, 1
    for i, kernel in enumerate(kernels):
        after = u * 2**i
        conv, norm, slope = (n.format(i=i, a=3 * i, b=3 * i + 1, c=3 * i + 2) for n in names)
        fill(state, f"features.{conv}.weight", (after, before, kernel, kernel), rng)
        if norm:
            add_norm(state, f"features.{norm}", after, rng)
        else:
            fill(state, f"features.{conv}.bias", (after,), rng)
        state[f"features.{slope}.weight"] = torch.tensor([0.1 + 0.1 * i])
        before = after
    fill(state, "classifier.weight", (1, before, 1, 1), rng)
    fill(state, "classifier.bias", (1,), rng)
    return state


def plain_logits(state: dict, kernels: tuple[int, ...], names: tuple[str, str, str], x):
    for i in range(len(kernels)):
        conv, norm, slope = (n.format(i=i, a=3 * i, b=3 * i + 1, c=3 * i + 2) for n in names)
        stride = 1 if i == len(kernels) - 1 else 2
        x = F.conv2d(x, state[f"features.{conv}.weight"], state.get(f"features.{conv}.bias"), stride=stride)
        x = F.prelu(_normed(state, f"features.{norm}", x), state[f"features.{slope}.weight"])
    return F.conv2d(x, state["classifier.weight"], state["classifier.bias"])[:, 0]


def saved(state: object, path: Path, **options) -> Path:
    torch.save(state, path, **options)
    return path


# -- the weights that come with Topaz ----------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_scores_equal_those_of_topaz(name: str, shared: Path, weights: Path) -> None:
    reference = np.load(shared / "reference/networks.npz")
    model = read_topaz_model(weights / f"{name}.sav")
    ours = score_image(model.network, reference["image"])
    theirs = reference[name][::4, ::4]
    inside = -(-(model.network.field // 2) // 4)  # the peer pads with zeros
    ours, theirs = (a[inside:-inside, inside:-inside] for a in (ours, theirs))
    assert ours.size > 100
    assert theirs.std() > 1
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shapes_of_all_shipped_networks_are_known(name: str, shared: Path, tmp_path: Path) -> None:
    shapes = json.loads((shared / "reference/networks.json").read_text())[name]
    field = shapes.pop("receptive field")
    rng = torch.Generator().manual_seed(0)
    state = {
        k: torch.randn(shape, generator=rng) / np.sqrt(np.prod(shape[1:]) or 1) for k, shape in shapes.items()
    }
    model = read_topaz_model(saved(state, tmp_path / "a.sav"))
    assert f"{model.card.network.architecture}_u{model.card.network.width}" == name
    assert (model.network.field, model.network.stride) == (field, 4)
    assert not model.card.network.batch_norm
    x = torch.randn((2, 1, field + 8, field + 4), generator=rng)
    with torch.no_grad():
        expected = resnet_logits(state, model.card.network.architecture, x)
        np.testing.assert_allclose(model.network(x), expected, atol=1e-4)


# -- all networks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet8", "resnet16"])
@pytest.mark.parametrize(("norm", "bias"), [(False, True), (True, False), (True, True)])
def test_residual_networks_with_and_without_batch_norm(
    name: str, norm: bool, bias: bool, tmp_path: Path
) -> None:
    state = resnet_state(name, norm=norm, bias=bias)
    shuffled = {k: state[k] for k in sorted(state, reverse=True)}  # the order in the file means nothing
    model = read_topaz_model(saved(shuffled, tmp_path / "a.sav"))
    assert model.card.network.architecture == name
    assert model.card.network.batch_norm is norm
    x = torch.randn((1, 1, 103, 99), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        np.testing.assert_allclose(model.network(x), resnet_logits(state, name, x), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "kernels"), [("conv31", (7, 5, 5)), ("conv63", (7, 5, 5, 5)), ("conv127", (7, 5, 5, 5, 5))]
)
@pytest.mark.parametrize(
    "names",
    [
        ("{a}", "{b}", "{c}"),
        ("features.{i}.conv", "features.{i}.bn", "features.{i}.act"),
        ("{i}.conv", "", "{i}.act"),
    ],
)
def test_plain_networks_whatever_their_layers_are_called(name: str, kernels, names, tmp_path: Path) -> None:
    state = plain_state(kernels, names)
    model = read_topaz_model(saved(state, tmp_path / "a.sav"))
    assert model.card.network.architecture == name
    assert model.card.network.batch_norm is bool(names[1])
    size = int(name.removeprefix("conv")) + 17
    x = torch.randn((1, 1, size, size + 16), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        np.testing.assert_allclose(model.network(x), plain_logits(state, kernels, names, x), atol=1e-4)


def test_it_becomes_a_model_like_any_other(tmp_path: Path) -> None:
    model = read_topaz_model(saved(resnet_state("resnet8"), tmp_path / "theirs.sav"))
    assert not model.knows_preprocessing
    assert (model.card.pretrained, model.card.threshold, model.name) == ("theirs.sav", 0.0, "theirs.sav")
    assert not model.network.training
    again = PickerModel.load(model.save(tmp_path / "ours.safetensors"))
    image = np.random.default_rng(0).normal(size=(90, 101)).astype("f4")
    np.testing.assert_array_equal(score_image(again.network, image), score_image(model.network, image))


# -- whole modules -------------------------------------------------------------------------------------


class _Module(nn.Module):
    pass


def whole_module(monkeypatch: pytest.MonkeyPatch, state: dict, **extra: nn.Module) -> nn.Module:
    """A module whose classes go by the names of Topaz's, as in the files that users have."""
    made = {}
    for parent in ("topaz", "topaz.model", "topaz.model.features"):
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    for path, title in (
        ("topaz.model.classifier", "LinearClassifier"),
        ("topaz.model.features.resnet", "ResNet8"),
        ("topaz.model.features.resnet", "ResidA"),
    ):
        made[title] = type(title, (_Module,), {"__module__": path})
        module = sys.modules.get(path) or types.ModuleType(path)
        setattr(module, title, made[title])
        monkeypatch.setitem(sys.modules, path, module)
    root = made["LinearClassifier"]()
    root.latent_dim, root.width = 3, 71
    root.features = made["ResNet8"]()
    root.features.features = nn.Sequential(*(made["ResidA"]() for _ in range(5)))
    for k, v in state.items():
        *path, layer, kind = k.split(".")
        home = root.get_submodule(".".join(path))
        if layer not in home._modules:
            w = state[k.removesuffix(kind) + "weight"]
            is_norm = k.removesuffix(kind) + "running_mean" in state
            bias = k.removesuffix(kind) + "bias" in state
            made_layer = (
                nn.BatchNorm2d(len(w))
                if is_norm
                else nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], bias=bias)
            )
            home.add_module(layer, made_layer)
        with torch.no_grad():
            getattr(home._modules[layer], kind).copy_(v)
        home.act = nn.ReLU()
    for name, module in extra.items():
        root.features.add_module(name, module)
    return root


@pytest.mark.parametrize("norm", [True, False])
def test_whole_modules_are_read_without_their_classes(
    norm: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = resnet_state("resnet8", norm=norm, bias=not norm)
    with monkeypatch.context() as patch:
        module = whole_module(patch, state, dropout=nn.Dropout(0.5))
        path = saved(module, tmp_path / "users.sav")
    assert "topaz.model.classifier" not in sys.modules
    model = read_topaz_model(path)
    x = torch.randn((1, 1, 79, 83), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        np.testing.assert_allclose(model.network(x), resnet_logits(state, "resnet8", x), atol=1e-4)
    assert model.card.network.batch_norm is norm
    assert not any(name.startswith("topaz") for name in sys.modules)
    with pytest.raises(Exception, match="LinearClassifier"):  # nothing is left allowed behind
        torch.load(path, weights_only=True)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_whole_modules_of_an_old_torch_are_refused_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        module = whole_module(patch, resnet_state("resnet8"))
        path = saved(module, tmp_path / "old.sav", _use_new_zipfile_serialization=False)
    with pytest.raises(ModelFileError, match=r"old\.sav .* torch older than 1\.6"):
        read_topaz_model(path)


def test_a_network_with_pooling_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        module = whole_module(patch, resnet_state("resnet8"), pool=nn.MaxPool2d(3))
        path = saved(module, tmp_path / "pooled.sav")
    with pytest.raises(ModelFileError, match=r"pooling\.MaxPool2d"):
        read_topaz_model(path)


def test_a_module_within_itself_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        module = whole_module(patch, resnet_state("resnet8"))
        module.features._modules["itself"] = module
        path = saved(module, tmp_path / "users.sav")
    with pytest.raises(ModelFileError, match="damaged"):
        read_topaz_model(path)


# -- what must not be run, and what is no model --------------------------------------------------------


class Evil:
    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
@pytest.mark.parametrize("kind", ["system", "eval", "import_module"])
def test_foreign_code_is_named_and_not_run(kind: str, options: dict, tmp_path: Path) -> None:
    target = tmp_path / "was_run"
    source = f"__import__('pathlib').Path({str(target)!r}).touch()"
    evil = {
        "system": Evil(os.system, f"touch {target}"),
        "eval": Evil(eval, source),
        "import_module": Evil(importlib.import_module, "antigravity"),
    }[kind]
    path = saved({**resnet_state("resnet8"), "extra": evil}, tmp_path / "evil.sav", **options)
    with pytest.raises(ModelFileError, match=rf"evil\.sav asks for \S*{kind}") as caught:
        read_topaz_model(path)
    assert not target.exists()
    assert "antigravity" not in sys.modules
    assert "\n" not in str(caught.value)
    torch.load(path, weights_only=False) if kind == "eval" else None
    assert target.exists() is (kind == "eval")  # so this test would see it


def test_a_class_of_topaz_is_never_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        module = types.ModuleType("topaz.model.tool")
        module.run = lambda *a: None
        module.run.__module__, module.run.__qualname__, module.run.__name__ = "topaz.model.tool", "run", "run"
        for name in ("topaz", "topaz.model", "topaz.model.tool"):
            patch.setitem(sys.modules, name, module)
        path = saved({"a": Evil(module.run, "x")}, tmp_path / "evil.sav")
    with pytest.raises(ModelFileError, match="damaged"):
        read_topaz_model(path)


def _truncated(path: Path) -> None:
    saved(resnet_state("resnet8"), path)
    path.write_bytes(path.read_bytes()[:-2000])


def _without_a_layer(path: Path) -> None:
    state = resnet_state("resnet8")
    saved({k: v for k, v in state.items() if ".3.conv1." not in k}, path)


def _without_head(path: Path) -> None:
    saved({k: v for k, v in resnet_state("resnet8").items() if "classifier" not in k}, path)


def _other_widths(path: Path) -> None:
    state = resnet_state("resnet8")
    state["classifier.weight"] = torch.zeros(1, 7, 1, 1)
    saved(state, path)


def _nan(path: Path) -> None:
    state = resnet_state("resnet8")
    state["classifier.bias"][0] = torch.nan
    saved(state, path)


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")


BROKEN = {
    "text": lambda path: path.write_text("hello"),
    "empty": lambda path: path.touch(),
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "zip": _zip,
    "truncated": _truncated,
    "number": lambda path: saved(3, path),
    "tensor": lambda path: saved(torch.zeros(3), path),
    "list": lambda path: saved([torch.zeros(3)], path),
    "no tensors": lambda path: saved({"a": 1}, path),
    "nothing": lambda path: saved({}, path),
    "other tensors": lambda path: saved({"a": torch.zeros(3), "b.weight": torch.zeros(3, 1)}, path),
    "numbers for names": lambda path: saved({1: torch.zeros(3)}, path),
    "a layer less": _without_a_layer,
    "no head": _without_head,
    "other widths": _other_widths,
    "not a number": _nan,
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_model_of_topaz_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    path = tmp_path / "model.sav"
    BROKEN[case](path)
    with pytest.raises(ModelFileError, match=r"model\.sav") as caught:
        read_topaz_model(path)
    assert "\n" not in str(caught.value)
