"""What can be chosen by name, with one line of help each.

The command line and the viewer list these without importing what stands behind them. A name here needs
its function in the module that the comment names; a test fails where it is missing.
"""

from __future__ import annotations

#: Objectives by name; each is the function of that name ("-" is "_") in :mod:`napari_topaz.model.objectives`.
OBJECTIVES = {
    "cvir": "the most confident π of the unlabelled regions are ignored, the rest are negatives (Garg 2021)",
    "ge-binomial": "the number of positives in a minibatch follows a binomial of π (Bepler 2019)",
    "ge-binomial-exact": "the same with the exact Poisson-binomial in place of a Gaussian",
    "ge-kl": "the mean score of the unlabelled regions is π (Bepler 2018)",
    "nnpu": "non-negative risk estimate (Kiryo 2017)",
    "pn": "unlabelled regions are taken as negatives, every region of a minibatch weighs the same",
    "pn-pi": "unlabelled regions are taken as negatives, weights π and 1 − π",
    "squared-error": "half the squared error of the output, unlabelled regions are negatives (Zhu 2017)",
}

#: Networks by name; each is the function of that name in :mod:`napari_topaz.model.networks`.
ARCHITECTURES = {
    "small": "84 000 weights, field of 37 px, made for tiles and two CPU cores",
    "conv31": "the papers' network: three convolutions, field of 31 px",
    "conv63": "four convolutions, field of 63 px",
    "conv127": "five convolutions, field of 127 px",
    "resnet8": "residual network of 8 layers, field of 71 px",
    "resnet16": "residual network of 16 layers, field of 91 px",
    "deepem": "three convolutions with mean pooling on a box of 1.5 diameters (Zhu 2017)",
}

#: Networks whose field is a box of any size.
BOXED = frozenset({"deepem"})

#: How regions are drawn for training; see :mod:`napari_topaz.model.sampling`.
SAMPLINGS = {
    "auto": "what suits the objective",
    "tiles": "tiles with many regions each: much less arithmetic a region",
    "patches": "regions one by one, 16 positive and 240 unlabelled, at any angle, as in the papers",
    "boxes": "regions one by one, as many positive as negative ones, in quarter turns (Zhu 2017)",
}

#: Courses of the learning rate by name; see :mod:`napari_topaz.model.training`.
SCHEDULES = {
    "cosine": "rises over 20 steps, then falls to 0 as a cosine",
    "constant": "stays, as in the papers",
}

#: Over which images of a micrograph scores are averaged; see :data:`napari_topaz.model.scoring.SYMMETRIES`.
SYMMETRIES = {
    "eight": "the four rotations by 90° and their mirror images",
    "four": "the four rotations by 90°",
    "none": "the micrograph alone, eight times faster",
}

#: Weights that training starts from, where no model is given; see :mod:`napari_topaz.model.general`.
STARTS = {
    "pretrained": "those of the package, learnt from simulated particles of many shapes, where they fit",
    "random": "random ones",
}

#: Presets by name; their values stand in :mod:`napari_topaz.settings.presets`.
PRESETS = {
    "default": "quick, on tiles, also with a few labels",
    "paper": "the hyperparameters of Bepler et al.: slow without a GPU",
    "deepem": "boxes, their network and their filter of picks, as Zhu et al. 2017",
}

#: Normalisations by name; see :mod:`napari_topaz.numerics.normalise`.
NORMALISATIONS = {
    "gmm": "brighter component of a mixture of two Gaussians, per micrograph",
    "gmm-dataset": "dominant component of one mixture for all micrographs, each with its own scale",
    "affine": "mean and standard deviation, per micrograph",
    "none": "as stored",
}

#: Whether a filter of picks is used that a model has a wish about.
FILTERS = {"auto": "as the model was trained to", "on": "whatever the model says", "off": "all are kept"}

#: What else than its scores tells where a pick is centred.
CENTRINGS = {"auto": "the image, where the model has an average of 20 labels or more", "scores": "nothing"}

#: What keeps its distance.
SUPPRESSIONS = {
    "disc": "the same in all directions",
    "ellipse": "elongated particles may be nearer to one another side by side than end to end",
}

#: What becomes of a box that reaches beyond the micrograph; see :mod:`napari_topaz.numerics.boxes`.
EDGES = {
    "drop": "left out",
    "reflect": "the micrograph is continued by its mirror image",
    "repeat": "the micrograph is continued by its outermost pixels",
    "mean": "filled with the mean of the part inside",
}

#: Pickers that need no training, by name; see :mod:`napari_topaz.jobs.reference_picker`.
REFERENCE_PICKERS = {
    "log": "blobs of the particle's size, by the Laplacian of a Gaussian",
    "dog": "blobs of the particle's size, by a difference of Gaussians",
    "template": "correlation with averages of the labelled particles, or with given templates",
}

#: Shapes of simulated particles by name; see :mod:`napari_topaz.numerics.shapes`.
SHAPES = {
    "globular": "four lobes of different size",
    "barrel": "four rings of seven subunits, like a proteasome",
    "rod": "slightly bent, with a knob at one end; about four times as long as wide",
    "ring": "eleven subunits round a hole",
    "l-shape": "two arms at a right angle",
    "y-shape": "three arms on hinges, like an antibody",
    "disc": "flat disc with a domain on one face, like a membrane protein in a nanodisc",
    "shell": "hollow icosahedral shell, like a capsid",
}

#: What particles look like in a micrograph.
CONTRASTS = {
    "auto": "as the labelled particles are; dark where there are none",
    "dark": "darker than the ice, as micrographs are recorded",
    "bright": "brighter than the ice",
}

#: What is drawn round labels and picks.
OUTLINES = {
    "circle": "a circle of the particle's diameter",
    "box": "a box of 1.5 diameters, as exported with the picks",
}

#: Formats of picks by name; see :data:`napari_topaz.files.PICK_FORMATS`.
PICK_FORMATS = {
    "star": "RELION STAR",
    "topaz": "Topaz table",
    "box": "EMAN boxes, one file per micrograph",
    "csv": "micrograph,x,y,score,kind",
    "cs": "cryoSPARC particles",
    "cbox": "crYOLO boxes, one file per micrograph",
    "eman-json": "EMAN2 info, one file per micrograph",
    "via": "VGG Image Annotator",
    "imod": "IMOD points, one file per micrograph",
    "box-centre": "Boxes by their centre, one file per micrograph",
}
