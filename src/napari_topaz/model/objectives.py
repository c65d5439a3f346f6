"""Objectives of positive-unlabelled learning: free functions of logits, labels and π.

All take

* ``logits`` – shape (n,): s of each region of a minibatch;
* ``labels`` – shape (n,), integers: 1 labelled positive, 0 unlabelled, −1 labelled negative, −2 background
  (of a micrograph whose particles are all labelled), anything
  else ignored (masks, not selections: nothing here waits for a GPU);
* ``prior`` – π, the fraction of positives among the *unlabelled* regions of the minibatch

and return a scalar. g = sigmoid(s); H(s, 1) = softplus(−s) and H(s, 0) = softplus(s) are binary
cross-entropies. Expectations over labelled positives and negatives are means. Labelled negatives
are few and hard, and must not drown among the unlabelled: in the GE objectives the first expectation
runs over all labelled regions (Bepler et al. 2018, discussion), `pn-pi` and `nnpu` are mixed with the
supervised risk of the labelled regions (PNU learning, :func:`supervised_share`). In `pn` and
`squared-error` they weigh what an unlabelled region weighs.

Background is a plain sample of the negatives' distribution, as the unlabelled are one of the mixture: in
`cvir`, `pn`, `pn-pi` and `squared-error` both share one mean, in which `cvir` spares no background region as
a presumed positive; the GE objectives, whose expectation is that of the unlabelled alone, add
E_B H(s, 0); `nnpu` needs it for π alone, as its unlabelled regions are a sample of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

from napari_topaz.choices import OBJECTIVES

Objective = Callable[..., Tensor]

#: Objectives that assume independent regions: they get patches drawn one by one, not tiles.
INDEPENDENT = frozenset({"ge-binomial", "ge-binomial-exact"})
#: Objectives that weigh an expectation by λ; they cannot do without unlabelled positives.
WITH_SLACK = frozenset({"ge-kl", "ge-binomial", "ge-binomial-exact"})
#: Objectives whose unlabelled regions are a plain sample, labelled positives included; π is not reduced.
WHOLE_SAMPLE = frozenset({"nnpu"})
#: Objectives whose π is that of all regions, labelled or not: it weighs positives against the rest.
ALL_REGIONS = frozenset({"pn-pi"})

#: Weight η of the supervised risk where there are labelled negatives; half, as neither side is known better.
SUPERVISED = 0.5


def mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask`, 0 where nothing is; without a host synchronisation."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def labelled_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the labelled regions: H(s, 1) of positives, H(s, 0) of negatives.

    The background has an expectation of its own: of whole micrographs it would drown the positives.
    """
    labelled = mean_where(softplus(-logits * labels), labels.abs() == 1)
    return labelled + mean_where(softplus(logits), labels == -2)


def pn(logits: Tensor, labels: Tensor, prior: float) -> Tensor:
    """Mean cross-entropy over all regions with the unlabelled ones as negatives."""
    return mean_where(softplus(torch.where(labels == 1, -logits, logits)), labels <= 1)


def supervised_share(labels: Tensor) -> Tensor:
    """Return the weight η of the supervised risk, as in PNU learning (Sakai et al. 2017).

    η·(π·E_P H(s, 1) + (1 − π)·E_N H(s, 0)) + (1 − η)·R, R the risk without labelled negatives;
    0 in a minibatch that has none. (Their η weighs the other risk; here both have ½.)
    """
    return SUPERVISED * (labels == -1).any()


def pn_pi(logits: Tensor, labels: Tensor, prior: float) -> Tensor:
    """Return π·E_P H(s, 1) + (1 − π)·E_U H(s, 0), with labelled negatives as in PNU learning."""
    share, risks = supervised_share(labels), softplus(logits)
    positives = mean_where(softplus(-logits), labels == 1)
    at_large = (labels == 0) | (labels == -2)
    negatives = (1 - share) * mean_where(risks, at_large) + share * mean_where(risks, labels == -1)
    return prior * positives + (1 - prior) * negatives


def squared_error(logits: Tensor, labels: Tensor, prior: float) -> Tensor:
    """Return Σ (g − y)² / 2N of Zhu et al. 2017; y is 1 for positives and 0 for all else.

    They have labelled negatives alone; here unlabelled regions are negatives too.
    """
    return 0.5 * mean_where((torch.sigmoid(logits) - (labels == 1).to(logits.dtype)) ** 2, labels <= 1)


def nnpu(logits: Tensor, labels: Tensor, prior: float) -> Tensor:
    """Non-negative risk of Kiryo et al. 2017, π·E_P H(s, 1) + max(0, E_U H(s, 0) − π·E_P H(s, 0)).

    Where the second part is negative the step follows −(that part), as in algorithm 1 there: the
    returned scalar has the risk's value and the step's gradient. Labelled negatives as in PNU learning.
    """
    share, risks = supervised_share(labels), softplus(logits)
    positive = prior * mean_where(softplus(-logits), labels == 1)
    negative = mean_where(risks, labels == 0) - prior * mean_where(risks, labels == 1)
    risk = positive + negative.clamp(min=0)
    step = torch.where(negative < 0, -negative, positive + negative)
    supervised = positive + (1 - prior) * mean_where(risks, labels == -1)
    return (1 - share) * (step + (risk - step).detach()) + share * supervised


class MovingMean:
    """Exponential moving average of the mean score of the unlabelled regions.

    Parameters
    ----------
    decay : float
        Weight of what has been; 0 keeps no memory.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        #: So far; None before the first minibatch, NaN before the first unlabelled region.
        self.mean: Tensor | None = None

    def update(self, mean: Tensor, seen: Tensor) -> Tensor:
        """Return the average so far, with the gradient of this minibatch's `mean`.

        Where the minibatch had no unlabelled region (`seen` is False) the average stays as it is.
        """
        now = mean.detach()
        before = torch.full_like(now, math.nan) if self.mean is None else self.mean
        new = torch.where(before.isnan(), now, self._decay * before + (1 - self._decay) * now)
        self.mean = torch.where(seen, new, before)
        return torch.where(seen, new + (mean - now), mean)


def ge_kl(
    logits: Tensor, labels: Tensor, prior: float, slack: float = 10.0, moving: MovingMean | None = None
) -> Tensor:
    """GE-KL of Bepler et al. 2018: labelled loss + λ·KL(π ‖ ḡ), ḡ the mean of g over the unlabelled.

    Written with logsumexp, so that the gradient stays finite as ḡ → 0 or 1. With `moving` ḡ is an average
    over minibatches: KL is convex, so that the noise of a minibatch's mean biases it upwards.
    """
    unlabelled = labels == 0
    if moving is not None:
        now = mean_where(torch.sigmoid(logits), unlabelled)
        mean = moving.update(now, unlabelled.any()).clamp(1e-6, 1 - 1e-6)
        log_g, log_not_g = mean.log(), (1 - mean).log()
    else:
        log_n = unlabelled.sum().clamp(min=1).log()
        # Tiles may all lie on complete micrographs: then there is no expectation, and no gradient of it.
        hidden = torch.where(unlabelled.any(), -math.inf, 0.0).to(logits.dtype)
        log_g = torch.logsumexp(torch.where(unlabelled, -softplus(-logits), hidden), 0) - log_n
        log_not_g = torch.logsumexp(torch.where(unlabelled, -softplus(logits), hidden), 0) - log_n
    divergence = prior * (math.log(prior) - log_g) + (1 - prior) * (math.log1p(-prior) - log_not_g)
    return labelled_loss(logits, labels) + slack * unlabelled.any() * divergence


def _log_binomial(n: Tensor, size: int, prior: float) -> tuple[Tensor, Tensor]:
    """Log probabilities of k = 0 … size under Binomial(n, π) (0 where k > n), and the mask of k ≤ n."""
    k = torch.arange(size + 1, device=n.device, dtype=n.dtype)
    possible = k <= n
    rest = torch.where(possible, n - k, 0)
    log_choose = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(rest + 1)
    log_p = log_choose + k * math.log(prior) + rest * math.log1p(-prior)
    return torch.where(possible, log_p, 0), possible


def ge_binomial(logits: Tensor, labels: Tensor, prior: float, slack: float = 1.0) -> Tensor:
    """GE-binomial of Bepler et al. 2018: labelled loss − λ·Σₖ qₖ log pₖ, k = 0 … N.

    p is Binomial(N, π); q a Gaussian with μ = Σg and σ² = Σg(1 − g) over the N unlabelled regions,
    evaluated at the integers and renormalised over them. (The papers print + and k from 1.)
    """
    unlabelled = labels == 0
    log_p, possible = _log_binomial(unlabelled.sum().to(logits.dtype), len(logits), prior)
    k = torch.arange(len(log_p), device=logits.device, dtype=logits.dtype)
    g = torch.sigmoid(logits) * unlabelled
    mu, variance = g.sum(), (g * (1 - g)).sum()
    # Where all scores saturate the variance is 0: the floor keeps the softmax and its gradient finite.
    exponent = -0.5 * (k - mu) ** 2 / variance.clamp(min=1e-6)
    q = torch.softmax(torch.where(possible, exponent, -math.inf), 0)
    return labelled_loss(logits, labels) - slack * (q * log_p).sum()


def ge_binomial_exact(logits: Tensor, labels: Tensor, prior: float, slack: float = 1.0) -> Tensor:
    """GE-binomial with the exact distribution of the number of positives in place of the Gaussian.

    q is the Poisson-binomial of the scores, from its characteristic function by a discrete Fourier
    transform (Hong 2013). Its gradient does not die where scores saturate.
    """
    unlabelled = labels == 0
    log_p, _ = _log_binomial(unlabelled.sum().to(logits.dtype), len(logits), prior)
    g = torch.sigmoid(logits) * unlabelled
    turns = torch.arange(len(log_p), device=logits.device, dtype=logits.dtype) * (2 * math.pi / len(log_p))
    # Real and imaginary parts of Π(1 − g + g·exp(−iω)), as modulus and angle: no complex numbers needed.
    real = 1 - g + g * turns.cos()[:, None]
    imaginary = -g * turns.sin()[:, None]
    modulus = 0.5 * (real**2 + imaginary**2).clamp(min=1e-30).log().sum(1)
    angle = torch.atan2(imaginary, real).sum(1)
    k = torch.arange(len(log_p), device=logits.device, dtype=logits.dtype)
    q = (modulus.exp() * torch.cos(angle + k[:, None] * turns)).mean(1)
    return labelled_loss(logits, labels) - slack * (q * log_p).sum()


def cvir(logits: Tensor, labels: Tensor, prior: float, weight: float = 0.2) -> Tensor:
    """Conditional value ignoring risk (Garg et al. 2021, the training step of TED^n).

    The π·N unlabelled regions with the highest scores are taken to be positives and ignored, the
    other ones, the background and the labelled negatives are negatives, every one alike; positives have
    `weight`, negatives 1 − weight. Labelled negatives are never ignored, and they are drawn more often
    (half of the tiles lie round labels, particles or not). With more weight than that a few of them are
    learnt by heart, and look-alikes of the particles they are (docs/architecture.md has figures).
    """
    unlabelled = labels == 0
    hidden = torch.full_like(logits, -math.inf)
    ranked = torch.where(unlabelled, logits, hidden).detach().argsort(descending=True).argsort()
    known = (labels == -1) | (labels == -2)
    kept = known | unlabelled & (ranked >= torch.round(prior * unlabelled.sum()))
    negative = mean_where(softplus(logits), kept)
    return weight * mean_where(softplus(-logits), labels == 1) + (1 - weight) * negative


def by_name(name: str) -> Objective:
    """Return the objective of that name."""
    if name not in OBJECTIVES:
        raise ValueError(f"No objective is called {name!r}; there are {', '.join(OBJECTIVES)}.")
    function: Objective = globals()[name.replace("-", "_")]
    return function
