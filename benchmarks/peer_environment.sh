#!/usr/bin/env bash
# The peer's environment, .venv-peer: topaz-em 0.3.20 as a program to measure against. Nothing of it is imported
# by this package. Without --no-deps torchvision would replace a CPU build of torch by several GB of CUDA.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/.venv-peer
packages=(topaz-em==0.3.20 torch==2.13.0 torchvision==0.28.0)
needs=(numpy pandas scikit-learn scipy tqdm pillow h5py psutil future)

state="${packages[*]} ${needs[*]}"
[ -f "$venv/.stamp" ] && [ "$(cat "$venv/.stamp")" = "$state" ] && exit
python=${PYTHON:-$PWD/.venv/bin/python}
[ -x "$(command -v "$python")" ] || python=python3
echo "Setting up the peer's environment in .venv-peer (once; a few minutes) …" >&2
rm -rf "$venv"
"$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" "${packages[1]}" "${needs[@]}"
"${pip[@]}" --no-deps "${packages[0]}" "${packages[2]}"
"$venv/bin/python" benchmarks/peer_launcher.py --version >/dev/null
printf '%s' "$state" >"$venv/.stamp"
