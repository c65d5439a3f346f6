"""``python -m napari_topaz``: the command line, also where its script is not on the path."""

from napari_topaz.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
