# syntax=docker/dockerfile:1
# backbench with its locked dependencies; results go to /results.
#
#   docker build --tag backbench .
#   docker run --rm --init --shm-size 2g --volume "$PWD/results:/results" --user "$(id -u):$(id -g)" backbench sweep
#
# With CUDA (7 GB instead of 2): --build-arg TORCH=locked
# For profiles/kubernetes: --build-arg PLUGINS=snakemake-executor-plugin-kubernetes==0.5.1

FROM python:3.12-slim-bookworm AS build
ARG TORCH=cpu
ARG PLUGINS=
WORKDIR /opt/backbench
# The environment first: it changes with the lock alone.
COPY requirements.lock ./
COPY scripts/install.sh scripts/
RUN --mount=type=cache,target=/root/.cache \
    python -m venv /opt/venv && UV_LINK_MODE=copy sh scripts/install.sh /opt/venv/bin "$TORCH" dependencies
COPY . ./
RUN --mount=type=cache,target=/root/.cache \
    UV_LINK_MODE=copy sh scripts/install.sh /opt/venv/bin "$TORCH" package && \
    if [ -n "$PLUGINS" ]; then /opt/venv/bin/uv pip install --python /opt/venv/bin/python $PLUGINS; fi

FROM python:3.12-slim-bookworm
RUN useradd --uid 1000 --create-home backbench && install --directory --owner 1000 --mode 0777 /results
COPY --from=build /opt/venv /opt/venv
# Snakemake keeps its records beside the workflow when it is started there.
COPY --from=build --chown=1000 /opt/backbench /opt/backbench
# Caches of weights stay with the results; the others are written by whichever user runs the container.
ENV PATH=/opt/venv/bin:$PATH \
    BACKBENCH_RESULTS=/results \
    TORCH_HOME=/results/weights/torch \
    HF_HOME=/results/weights/huggingface \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/cache/matplotlib \
    NUMBA_CACHE_DIR=/tmp/cache/numba \
    PYTHONDONTWRITEBYTECODE=1
USER 1000
WORKDIR /results
VOLUME /results
ENTRYPOINT ["backbench"]
CMD ["--help"]
