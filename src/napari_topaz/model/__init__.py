"""Learning: tensors in, tensors out. The one place that imports torch; it knows no files but its own."""
