#!/bin/sh
# Install the locked dependencies and this package into a virtual environment, by uv, or by pip where uv cannot be had.
#
#   sh scripts/install.sh .venv/bin
set -eu
bin=$1

if "$bin/pip" install --quiet --disable-pip-version-check uv; then
    "$bin/uv" pip install --quiet --python "$bin/python" --compile-bytecode --require-hashes -r requirements.lock
    "$bin/uv" pip install --quiet --python "$bin/python" --no-deps --no-build-isolation -e .
else
    echo "uv could not be installed; going on with pip, which takes longer" >&2
    "$bin/pip" install --quiet --require-hashes -r requirements.lock
    "$bin/pip" install --quiet --no-deps --no-build-isolation -e .
fi
