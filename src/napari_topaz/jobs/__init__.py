"""The user's verbs: generators of events that return a result.

The viewer, the command line and a cluster drive the same generators; see :mod:`napari_topaz.events`.
"""
