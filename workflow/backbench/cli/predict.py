"""``backbench predict``: class, cluster and nearest known images of new images."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from backbench import paths
from backbench.evaluate import chosen
from backbench.inference import fitting
from backbench.inference.known import Known
from backbench.inference.predicting import Predictor
from backbench.pictures.source import Source
from backbench.store import Store
from backbench.sweeping.describing import say


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    source = Source(chosen.finished(args.hash, store), store)
    predictor = Predictor(fitting.fit(source, say), Known(source), args.neighbours)
    files = [path for place in args.paths for path in _files(Path(place))]
    for prediction in predictor.files(files):
        print(json.dumps(asdict(prediction), default=str))
    return 0


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
