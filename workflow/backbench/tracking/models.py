"""A run as an MLflow model: a folder that `mlflow models serve` serves and `mlflow.pyfunc.load_model` loads.

It holds the portable model, this package as its code, and the versions that it needs. MLflow loads it by a module, so
that it has no pickle. Equal models make equal folders, byte for byte.
"""

import base64
import contextlib
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backbench
from backbench import hashing
from backbench.exports._folder import UNFINISHED
from backbench.files import make_folder
from backbench.inference import portable, serving
from backbench.inference.model import Model
from backbench.inference.portable import Portable
from backbench.pictures.source import Source
from backbench.tracking import service

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

FOLDER = "mlflow_model"
LOADER = serving.__name__
PACKAGE = Path(backbench.__file__).parent
MEGABYTE = 1_000_000
# MLflow's file about a model has the name of its folder in it.
CONFIG_HASH, COLLECTION, CONTENT, AGREEMENT = "config_hash", "collection", "content", "agreement"


def write(
    source: Source, model: Model, root: Path, known: bool = True, say: Callable[[str], None] = lambda text: None
) -> Path:
    """Write the MLflow model of a run into the folder `root`, replacing that of an earlier export; returns its folder.

    Parameters
    ----------
    known : whether the features and names of the known images go with it
    say : is told its size before it is written, and how far it agrees with the run

    Raises
    ------
    ConfigError
        If the backbone cannot be taken away: it was trained in the sweep, or its embeddings were made elsewhere.
    """
    say(_size(model, known))
    make_folder(root)
    scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=root))
    try:
        data, new = scratch / "model", scratch / FOLDER
        data.mkdir()
        portable.write(source, model, data, known)
        agreement = portable.agreement(source, Portable.load(data))
        say(_agreement(agreement))
        _save(source, data, new, agreement)
        if (root / FOLDER).exists():
            (root / FOLDER).replace(scratch / "earlier")
        new.replace(root / FOLDER)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return root / FOLDER


def digest(folder: Path) -> str:
    """SHA-256 of what a model consists of: the names and bytes of its files, but for MLflow's own about them."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "MLmodel":
            total.update(f"{path.relative_to(folder).as_posix()} {hashing.file_digest(path)}\n".encode())
    return total.hexdigest()


def _size(model: Model, known: bool) -> str:
    total, of_known = portable.size(model)
    if not known:
        return f"MLflow model: {(total - of_known) / MEGABYTE:,.1f} MB"
    share = f"{of_known / MEGABYTE:,.1f} MB of it are the features of the known images"
    return f"MLflow model: {total / MEGABYTE:,.1f} MB; {share} (--no-neighbours leaves them out)"


def _agreement(agreement: dict[str, int]) -> str:
    differs = ", ".join(f"{name} for {count}" for name, count in agreement.items() if name != "images")
    return f"computed anew from {agreement['images']} test images, other than in the run: {differs}"


def _save(source: Source, data: Path, target: Path, agreement: dict[str, int]) -> None:
    """Write the folder of an MLflow model around the portable model in `data`."""
    with _quiet():
        import mlflow.pyfunc
        from mlflow.models import Model as Described

        model = Portable.load(data).model
        about = {"backbench": backbench.__version__, CONFIG_HASH: model.run, "run": model.about["name"]}
        about |= {COLLECTION: source.row.collection, AGREEMENT: agreement}
        described = Described(utc_time_created=_computed(source), model_uuid=model.run[:32], metadata=about)
        mlflow.pyfunc.save_model(
            str(target),
            loader_module=LOADER,
            data_path=str(data),
            code_paths=[str(PACKAGE)],
            mlflow_model=described,
            signature=_signature(),
            input_example=_example(model),
            pip_requirements=[*portable.requirements(model), f"mlflow=={mlflow.__version__}"],
        )
        # It is in the sums of nothing that MLflow checks.
        described.metadata = {**about, CONTENT: digest(target)}
        described.save(str(target / "MLmodel"))


def _computed(source: Source) -> datetime:
    """When the last result of the run was computed: a time of its own would make equal models differ."""
    times = [record["provenance"].get("finished", 0) for record in source.row.records.values()]
    return datetime.fromtimestamp(max(times, default=0), UTC).replace(tzinfo=None, microsecond=0)


def _signature() -> "ModelSignature":
    """What goes in, what comes out, and the parameters."""
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, Map, Object, ParamSchema, ParamSpec, Property, Schema

    text, real = DataType.string, DataType.double
    near = Object([Property("name", text), Property("class", text, required=False), Property("distance", real)])
    kinds: dict[str, Any] = {
        **dict.fromkeys(("reason", "class", "scores_kind", "known"), text),
        **{"scores": Map(real), "cluster": DataType.long, "distance": real, "nearest": Array(near)},
        **{"unlike": DataType.boolean, "embedding": Array(real)},
    }
    asked = serving.Asked()
    return ModelSignature(
        inputs=Schema([ColSpec(text, serving.IMAGE)]),
        outputs=Schema([ColSpec(kinds[name], name, required=name == "reason") for name in serving.COLUMNS]),
        params=ParamSchema(
            [
                ParamSpec("neighbours", DataType.long, asked.neighbours),
                ParamSpec("embedding", DataType.boolean, asked.embedding),
                ParamSpec("exact", DataType.boolean, asked.exact),
            ]
        ),
    )


def _example(model: Model) -> Any:
    """A table with one image, which is of nobody: shades of grey."""
    import pandas
    from PIL import Image

    held = io.BytesIO()
    Image.linear_gradient("L").resize((model.policy.size,) * 2).convert("RGB").save(held, "PNG")
    return pandas.DataFrame({serving.IMAGE: [base64.b64encode(held.getvalue()).decode("ascii")]})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """MLflow without telemetry and chatter; it would copy the lock file of whatever folder one is in."""
    service.hush()
    before = os.environ.get("MLFLOW_UV_AUTO_DETECT")
    os.environ["MLFLOW_UV_AUTO_DETECT"] = "false"
    try:
        yield
    finally:
        os.environ.pop("MLFLOW_UV_AUTO_DETECT")
        if before is not None:
            os.environ["MLFLOW_UV_AUTO_DETECT"] = before
