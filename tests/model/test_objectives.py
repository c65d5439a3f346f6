"""Objectives: reference values, gradients, and behaviour at the edges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from napari_topaz.choices import OBJECTIVES  # noqa: E402
from napari_topaz.model import objectives  # noqa: E402

REFERENCE_NAMES = {
    "pn": "pn",
    "pn_weighted": "pn-pi",
    "nnpu": "nnpu",
    "ge_kl": "ge-kl",
    "ge_binomial": "ge-binomial",
}


def minibatch(seed: int = 0, positives: int = 16, unlabelled: int = 240) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(positives + unlabelled, generator=generator, dtype=torch.float64)
    labels = torch.tensor([1] * positives + [0] * unlabelled, dtype=torch.int8)
    return logits.requires_grad_(), labels


def test_values_and_gradients_agree_with_the_reference(shared: Path) -> None:
    cases = json.loads((shared / "reference/losses.json").read_text())
    arrays = np.load(shared / "reference/losses.npz")
    for case in cases:
        name, method = case["case"], case["method"]
        logits = torch.tensor(arrays[f"{name}_logits"].astype(np.float64), requires_grad=True)
        labels = torch.tensor(arrays[f"{name}_labels"]).to(torch.int8)
        value = objectives.by_name(REFERENCE_NAMES[method])(logits, labels, case["pi"])
        (gradient,) = torch.autograd.grad(value, logits)
        # The reference states the loss on the positives and the penalty apart.
        expected = case["loss"] + case.get("ge_penalty", 0)
        assert value.item() == pytest.approx(expected, rel=2e-5, abs=1e-6), (name, method)
        reference = arrays[f"{name}_{method}_grad"]
        np.testing.assert_allclose(
            gradient.numpy(),
            reference,
            rtol=2e-5,
            atol=1e-5 * np.abs(reference).max(),
            err_msg=f"{name} {method}",
        )


def test_values_are_those_of_the_formulas() -> None:
    """Without the reference: sums written out, so that π‖ḡ is not ḡ‖π and weights stay where they are."""
    logits, labels = minibatch(positives=3, unlabelled=9)
    s, prior = logits.detach().numpy(), 0.2
    g = 1 / (1 + np.exp(-s))
    positive, mean = -np.log(g[:3]).mean(), g[3:].mean()
    as_negative = -np.log(1 - g[3:])
    divergence = prior * np.log(prior / mean) + (1 - prior) * np.log((1 - prior) / (1 - mean))
    expected = {
        "pn": (-np.log(g[:3]).sum() + as_negative.sum()) / 12,
        "pn-pi": prior * positive + (1 - prior) * as_negative.mean(),
        "ge-kl": positive + 10 * divergence,
    }
    for name, value in expected.items():
        assert objectives.by_name(name)(logits, labels, prior).item() == pytest.approx(value), name


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if n not in {"nnpu", "cvir"}])
def test_gradients_are_those_of_the_value(name: str) -> None:
    logits, labels = minibatch(positives=3, unlabelled=9)
    assert torch.autograd.gradcheck(lambda s: objectives.by_name(name)(s, labels, 0.2), logits)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
def test_saturated_scores_give_finite_values_and_gradients(name: str, scale: float) -> None:
    logits, labels = minibatch()
    value = objectives.by_name(name)(logits * scale, labels, 0.05)
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_ignored_regions_do_not_count(name: str) -> None:
    logits, labels = minibatch()
    with_ignored = torch.cat([logits, torch.full((7,), 3.0, dtype=torch.float64)])
    ignored = torch.cat([labels, torch.full((7,), 2, dtype=torch.int8)])
    function = objectives.by_name(name)
    assert function(with_ignored, ignored, 0.05).item() == pytest.approx(
        function(logits, labels, 0.05).item()
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_labelled_negatives_are_pushed_down(name: str) -> None:
    logits, labels = minibatch()
    labels[-5:] = -1
    (gradient,) = torch.autograd.grad(objectives.by_name(name)(logits, labels, 0.05), logits)
    assert (gradient[-5:] > 0).all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_minibatches_without_a_class_are_defined(name: str) -> None:
    function = objectives.by_name(name)
    for positives, unlabelled in ((0, 8), (8, 0), (1, 1)):
        logits, labels = minibatch(positives=positives, unlabelled=unlabelled)
        value = function(logits, labels, 0.1)
        (gradient,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_risks_are_mixed_with_the_supervised_one_where_negatives_are_labelled() -> None:
    """PNU learning: half of the negatives' part is of labelled negatives, however few they are."""
    logits = torch.tensor([2.0, -1.0, 0.5, -2.0, 1.5], dtype=torch.float64)
    labels = torch.tensor([1, 0, 0, 0, -1])
    h = torch.nn.functional.softplus
    positive, unlabelled, negative = h(-logits[0]), h(logits[1:4]).mean(), h(logits[4])
    mixed = 0.3 * positive + 0.7 * (unlabelled + negative) / 2
    assert float(objectives.pn_pi(logits, labels, 0.3)) == pytest.approx(float(mixed))
    plain = objectives.nnpu(logits[:4], labels[:4], 0.3)
    supervised = 0.3 * positive + 0.7 * negative
    assert float(objectives.nnpu(logits, labels, 0.3)) == pytest.approx(float((plain + supervised) / 2))


def test_nnpu_steps_against_a_negative_risk() -> None:
    logits = torch.tensor([5.0, -5.0, -5.0], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([1, 0, 0])
    value = objectives.nnpu(logits, labels, 0.5)
    (gradient,) = torch.autograd.grad(value, logits)
    # E_U H(s, 0) < π·E_P H(s, 0): the step raises what U says and lowers the positive's score.
    assert (gradient[1:] < 0).all()
    assert gradient[0] > 0
    assert value.item() == pytest.approx(0.5 * np.log1p(np.exp(-5.0)))


def test_ge_binomial_prefers_the_expected_number_of_confident_scores() -> None:
    labels = torch.zeros(200, dtype=torch.int8)

    def value(positives: int) -> float:
        logits = torch.full((200,), -12.0, dtype=torch.float64)
        logits[:positives] = 12.0
        return objectives.ge_binomial(logits, labels, 0.05).item()

    assert min(range(40), key=value) == 10


def test_the_squared_error_is_that_of_the_outputs() -> None:
    logits = torch.tensor([2.0, -1.0, 0.5, 3.0, 7.0], dtype=torch.float64)
    labels = torch.tensor([1, 1, 0, -1, 2])
    g = 1 / (1 + np.exp(-logits[:4].numpy()))
    expected = ((g - [1, 1, 0, 0]) ** 2).sum() / (2 * 4)
    assert objectives.squared_error(logits, labels, 0.3).item() == pytest.approx(expected)


def test_cvir_ignores_the_most_confident_share_of_the_unlabelled() -> None:
    logits, labels = minibatch(positives=4, unlabelled=20)
    (gradient,) = torch.autograd.grad(objectives.cvir(logits, labels, 0.25), logits)
    ignored = set(torch.argsort(logits[4:], descending=True)[:5].tolist())
    assert {n for n, g in enumerate(gradient[4:].tolist()) if g == 0} == ignored


def test_an_unknown_objective_is_named() -> None:
    with pytest.raises(ValueError, match=r"'nnpv'.*nnpu"):
        objectives.by_name("nnpv")


def test_the_exact_binomial_is_the_distribution_of_the_number_of_positives() -> None:
    logits, labels = minibatch(positives=0, unlabelled=6)
    g = torch.sigmoid(logits).tolist()
    exact = torch.zeros(7, dtype=torch.float64)
    for outcome in range(2**6):  # every set of positives
        bits = [outcome >> i & 1 for i in range(6)]
        exact[sum(bits)] += np.prod([p if b else 1 - p for p, b in zip(g, bits, strict=True)])
    log_p = torch.distributions.Binomial(6, 0.2).log_prob(torch.arange(7.0, dtype=torch.float64))
    assert objectives.ge_binomial_exact(logits, labels, 0.2).item() == pytest.approx(
        -(exact * log_p).sum().item(), rel=1e-5
    )


def test_the_exact_binomial_has_a_gradient_where_scores_saturate() -> None:
    logits = torch.full((40,), -14.0, requires_grad=True)
    labels = torch.zeros(40, dtype=torch.int8)
    (exact,) = torch.autograd.grad(objectives.ge_binomial_exact(logits, labels, 0.2), logits)
    assert (exact < 0).all()


def test_a_moving_mean_remembers_and_takes_the_gradient_of_now() -> None:
    moving = objectives.MovingMean(0.9)
    seen, unseen = torch.tensor(True), torch.tensor(False)
    moving.update(torch.tensor(0.0), unseen)  # nothing unlabelled yet: nothing to remember
    first = moving.update(torch.tensor(0.5), seen)
    mean = torch.tensor(0.1, requires_grad=True)
    moving.update(torch.tensor(0.0), unseen)
    second = moving.update(mean, seen)
    assert first.item() == pytest.approx(0.5)
    assert second.item() == pytest.approx(0.46)
    assert torch.autograd.grad(second, mean)[0].item() == 1
    logits, labels = minibatch()
    nothing = torch.full_like(labels, -2).clamp(max=-2)
    kept = objectives.MovingMean(0.9)
    assert torch.isfinite(objectives.ge_kl(logits, nothing, 0.05, moving=kept))
    whole = objectives.ge_kl(logits, labels, 0.05, moving=objectives.MovingMean(0.0))
    assert whole.item() == pytest.approx(objectives.ge_kl(logits, labels, 0.05).item(), rel=1e-6)


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"nnpu"}))
def test_background_is_pushed_down_and_is_nothing_unlabelled(name: str) -> None:
    logits, labels = minibatch()
    labels[-40:] = -2
    function = objectives.by_name(name)
    (gradient,) = torch.autograd.grad(function(logits, labels, 0.3), logits)
    assert (gradient[-40:] > 0).all(), "also where a score is high"
    few = function(logits[:-40], labels[:-40], 0.3)
    risk = torch.nn.functional.softplus(logits[-40:]).mean().item()
    if name.startswith("ge-"):
        assert function(logits, labels, 0.3).item() == pytest.approx(few.item() + risk)


def test_cvir_takes_background_and_the_rest_of_the_unlabelled_for_one_sample() -> None:
    logits = torch.tensor([1.0, 3.0, -1.0, 2.5, -2.0], dtype=torch.float64)
    labels = torch.tensor([1, 0, 0, -2, -2])
    s = np.log1p(np.exp(logits.numpy()))
    value = objectives.cvir(logits, labels, 0.5).item()  # the unlabelled 3.0 is presumed, 2.5 is not
    assert value == pytest.approx(0.2 * np.log1p(np.exp(-1.0)) + 0.8 * s[[2, 3, 4]].mean())


def test_in_pn_pi_background_weighs_what_the_unlabelled_do() -> None:
    logits = torch.tensor([1.0, 3.0, -1.0, 2.5], dtype=torch.float64)
    s = np.log1p(np.exp(logits.numpy()))
    value = objectives.pn_pi(logits, torch.tensor([1, 0, 0, -2]), 0.2).item()
    assert value == pytest.approx(0.2 * np.log1p(np.exp(-1.0)) + 0.8 * s[1:].mean())


def test_rejected_picks_weigh_what_other_negatives_do_and_are_never_ignored() -> None:
    h = torch.nn.functional.softplus
    logits = torch.tensor([2.0, -1.0, 0.5, -2.0, 4.0], dtype=torch.float64)
    labels = torch.tensor([1, 0, 0, 0, -1])
    # The best third of the unlabelled ones is ignored, the rejected pick is not, though its score is higher.
    wanted = 0.2 * h(-logits[0]) + 0.8 * (h(logits[1]) + h(logits[3]) + h(logits[4])) / 3
    assert float(objectives.cvir(logits, labels, 1 / 3)) == pytest.approx(float(wanted))
