#!/bin/sh
# Install the locked dependencies and this package into a virtual environment, by uv, or by pip where uv cannot be had.
#
#   sh scripts/install.sh .venv/bin
#   sh scripts/install.sh .venv/bin cpu                 PyTorch without CUDA: 2 GB instead of 7
#   sh scripts/install.sh .venv/bin cpu dependencies    all but the package itself, and then
#   sh scripts/install.sh .venv/bin cpu package         that alone: two layers of a container
set -eu
bin=$1
torch=${2:-locked}
part=${3:-all}

if "$bin/pip" install --quiet --disable-pip-version-check uv; then
    compile=--compile-bytecode
    install() { "$bin/uv" pip install --quiet --python "$bin/python" "$@"; }
else
    echo "uv could not be installed; going on with pip, which takes longer" >&2
    compile=--compile
    install() { "$bin/pip" install --quiet "$@"; }
fi

# PyTorch's wheels for the CPU come from its own index: the lock has their versions, and the hashes of others.
cpu_dependencies() {
    rest=$(mktemp)
    trap 'rm -f "$rest"' EXIT
    awk '/^[^ ]/ { kept = $0 !~ /^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==/ } kept' \
        requirements.lock >"$rest"
    # shellcheck disable=SC2046
    install $compile --no-deps --index-url https://download.pytorch.org/whl/cpu \
        $(sed -n 's/^\(torch\|torchvision\)==\([^ ;]*\).*/\1==\2/p' requirements.lock)
    install $compile --no-deps --require-hashes -r "$rest"
}

if [ "$part" != package ]; then
    if [ "$torch" = cpu ]; then
        cpu_dependencies
    else
        install $compile --require-hashes -r requirements.lock
    fi
fi
if [ "$part" != dependencies ]; then
    install --no-deps --no-build-isolation -e .
fi
