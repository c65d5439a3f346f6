"""Kill the program at any moment, take its disk and memory away, and see what is lost: ``./run faults``."""

import os

# One thread: whatever is forked finds no locks that others hold, and small tensors are faster so.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
