"""Numbers in, numbers out: numpy and scipy only, no files, no torch, no Qt."""
