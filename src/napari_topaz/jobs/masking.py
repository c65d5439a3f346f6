"""Put masks and margins on preprocessed micrographs: what is trained on and picked then honours them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from napari_topaz.events import Job, JobError, Warned
from napari_topaz.masks import Mask
from napari_topaz.picks import Picks
from napari_topaz.preprocess import Prepared
from napari_topaz.training_set import covered_labels

#: Masks by micrograph name; those of a folder are read when they are asked for.
Masks = Mapping[str, Mask]


def masked(prepared: Prepared, masks: Masks | None, margin: float = 0.0) -> Prepared:
    """Return a preprocessed micrograph with its mask.

    Parameters
    ----------
    prepared : Prepared
    masks : mapping of str to Mask, optional
        By micrograph name; those that are missing hide nothing.
    margin : float
        From the edges, Å.

    Raises
    ------
    ValueError
        Where the mask cannot be read or does not fit, or a margin is given and no pixel size is known.
    """
    mask = None if masks is None else masks.get(prepared.name)
    if mask is not None:
        try:
            mask.check(prepared.shape)
        except ValueError as error:
            raise ValueError(f"{prepared.name}: {error}") from error
    if margin:
        if not prepared.pixel_size:
            raise ValueError(
                f"The pixel size of {prepared.name!r} is not known, so the margin in Å cannot become pixels; "
                "give --pixel-size."
            )
        pixels = margin / prepared.pixel_size
        mask = (mask or Mask()).with_margin(max(pixels, mask.margin if mask else 0.0))
    return prepared if mask is None else replace(prepared, mask=mask)


def masked_for_training(
    prepared: Sequence[Prepared], picks: Mapping[str, Picks], masks: Masks | None, margin: float = 0.0
) -> Job[list[Prepared]]:
    """Do so for all labelled micrographs, and tell which labels are not used then.

    Yields
    ------
    Warned

    Raises
    ------
    JobError
        See :func:`masked`.
    """
    try:
        done = [masked(p, masks, margin) for p in prepared]
        covered = covered_labels(done, picks)
    except ValueError as error:
        raise JobError(str(error)) from error
    if covered:
        n, first = sum(covered.values()), next(iter(covered))
        where = first if len(covered) == 1 else f"{len(covered)} micrographs, for example {first}"
        lie = "1 label lies" if n == 1 else f"{n} labels lie"
        yield Warned(
            f"{lie} under masks or within the margin and {'is' if n == 1 else 'are'} not used ({where})."
        )
    return done
