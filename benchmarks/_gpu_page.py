"""The page of ``gpu.py``, made anew from the records after each of them; what has no record is marked."""

import re
import statistics
from collections.abc import Iterator
from typing import Any

from _gpu_plan import BARS, FAMILIES, PEERS, ROWS, configurations

Data = dict[str, Any]
MISSING = "not measured"
# Families without kernels for a device run on the CPU whatever the device is.
WITHOUT = "mini-batch k-means, DBSCAN, HDBSCAN, agglomerative and spectral clustering, SVMs, forests, UMAP"


def name(data: Data) -> str:
    """The name of the files: of the GPU, or of a trial."""
    if data["device"] == "cpu":
        return "gpu-cpu-trial"
    words = re.sub(r"[^a-z0-9]+", "-", (data["gpu"] or "unknown").lower()).strip("-")
    return f"gpu-{words.removeprefix('nvidia-').removeprefix('geforce-')}"


def about(data: Data) -> dict[str, Any]:
    """What the machine is; empty as long as that is not known."""
    return next((record["about"] for record in data["records"] if "about" in record), {})


def wrong(data: Data) -> list[str]:
    """What is wrong, as sentences."""
    reasons = []
    for record in data["records"]:
        for agreement in record.get("agreements", ()):
            if not agreement["holds"]:
                reasons.append(f"{record['check']}: {_agreement(agreement)}")
        if record.get("holds") is False:
            reasons.append(
                f"{record['family']} of {record['n']:,} rows: {_agreement({'what': record['way'], **record})}"
            )
    skipped = any("check" in record and "skipped" in record for record in data["records"])
    if skipped or data["state"].get("checks", "done") != "done":
        reasons.append("the checks are not complete")
    return [*reasons, *data["breaks"]]


def line(record: dict[str, Any]) -> str:
    """A record in a line for the terminal."""
    if "rounds" in record:
        words = [
            str(record[key])
            for key in ("ceiling", "family", "way", "n", "network", "precision", "engine")
            if key in record
        ]
        return f"  {' '.join(words)}: {statistics.median(record['rounds']):.4g}"
    if "agreements" in record:
        broken = [_agreement(each) for each in record["agreements"] if not each["holds"]]
        return f"  {record['check']}: " + ("; ".join(broken) or f"all {len(record['agreements'])} hold")
    return f"  {record}"


def page(data: Data) -> str:
    """The whole page."""
    sections = (_head, _verdicts, _ceilings, _checks, _extraction, _jpegs, _rows, _cpu)
    return "\n".join(text for section in sections for text in [*section(data), ""])


def _head(data: Data) -> Iterator[str]:
    facts = about(data)
    yield f"# {data['gpu'] or 'A trial on a CPU'}"
    yield f"\n```bash\n{data['command']}\n```\n"
    if data["device"] == "cpu":
        yield "**A trial of the script on a CPU, with small sizes: none of its figures says anything about a GPU.**\n"
    if not facts:
        yield f"The machine: {MISSING}."
        return
    keys = ("capability", "device_memory_gib", "multiprocessors", "driver", "cuda", "cudnn")
    words = [f"{key.replace('_gib', ' GiB').replace('_', ' ')} {facts[key]}" for key in keys if key in facts]
    yield f"{facts['device']}{': ' if words else ''}{', '.join(words)}. {facts['cores']} cores of {facts['processor']},"
    yield f"{facts['memory_gib']} GiB. Python {facts['python']}, PyTorch {facts['torch']}, numpy {facts['numpy']};"
    yield ", ".join(f"{key} {version}" for key, version in facts["packages"].items()) + "."
    yield f"Not installed: {', '.join(facts['absent']) or 'none of what is looked for'}."
    yield f"Compiled networks: {MISSING + ', ' + facts['lacking'] if facts['lacking'] else facts['compiler']}."


# ------------------------------------------------------------------------------------------------ verdicts


def _verdicts(data: Data) -> Iterator[str]:
    yield "## Verdicts\n"
    reasons, agreements = wrong(data), [a for r in data["records"] for a in r.get("agreements", ())]
    held = sum(agreement["holds"] for agreement in agreements)
    yield f"- {held} of {len(agreements)} agreements of the checks hold."
    yield from (f"- **wrong**: {reason}" for reason in reasons)
    for part in data["planned"]:
        state = data["state"].get(part, MISSING)
        if state != "done":
            yield f"- Part *{part}*: {state}."
    if data["device"] == "cpu":
        return
    yield "\n| end to end, half precision, compiled | bar: timm, RTX 4090 | images/s | ratio | verdict |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for network, bar in BARS.items():
        speeds = [(_middle(each), each) for each in _extracted(data) if each["network"] == network and each.get("bar")]
        if not speeds:
            yield f"| {network} | {bar:,} | {MISSING} | | |"
            continue
        speed, best = max(speeds, key=lambda pair: pair[0])
        verdict = "passed" if speed > bar else "**not passed**"
        yield f"| {network}, {best['precision']} | {bar:,} | {speed:,.0f} | {speed / bar:.2f} | {verdict} |"


def _checks(data: Data) -> Iterator[str]:
    yield "## Correctness\n"
    yield "The device against the CPU (PyTorch against numpy where both have the code); the functions of"
    yield "`benchmarks/_device_checks.py`, which the tests call as well.\n"
    yield "| check | what | measure | off | allowed | |\n| --- | --- | --- | ---: | ---: | --- |"
    records = [record for record in data["records"] if "check" in record]
    for record in records:
        for key in {"skipped", "absent"} & set(record):
            yield f"| {record['check']} | {record[key]} | | | | |"
        for each in record.get("agreements", ()):
            numbers = "| | |" if each["off"] is None else f"| {each['off']:.2g} | {each['allowed']:g} |"
            yield f"| {record['check']} | {each['what']} | {each['measure']} {numbers} {_holds(each)} |"
    if not records:
        yield f"| {MISSING} | | | | | |"


def _ceilings(data: Data) -> Iterator[str]:
    yield "## Ceilings of the machine\n"
    yield "| | median | |\n| --- | ---: | --- |"
    for record in data["records"]:
        if "ceiling" in record:
            yield f"| {record['ceiling']} | {_middle(record):.4g} | {record['unit']} |"


# ------------------------------------------------------------------------------------------------ extraction


def _extracted(data: Data) -> list[dict[str, Any]]:
    return [record for record in data["records"] if record["part"] == "extraction" and "rounds" in record]


def _extraction(data: Data) -> Iterator[str]:
    yield "## Extraction from decoded images\n"
    yield "Images per second, medians (least to most) of interleaved rounds. End to end: uint8 in ordinary memory,"
    yield "through the stage's batches and lanes, to a file of features. Bare: the same network with its normalisation"
    yield "on a batch that lies on the device. The first batch compiles and is in no other figure.\n"
    yield "| network | precision | engine | end to end | bare | ratio | batch | opening, first batch (s) | peak GiB |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    records = {(each["network"], each["precision"], each["engine"]): each for each in _extracted(data)}
    lacking = about(data).get("lacking")
    for asked in sorted(configurations(data["device"], data["size"]), key=lambda each: (each[0], each[2], each[1])):
        reason = f"{MISSING}: {lacking}" if lacking and asked[2] == "inductor" else MISSING
        yield _extraction_row(asked, records.get(asked), reason)
    others = [(each, name, speed) for each in records.values() for name, speed in each["others"].items()]
    if others:
        yield "\nWhat the engine leaves out for the sake of equal bits, bare:\n"
        yield "| network | precision | with | images/s | of the engine's |\n| --- | --- | --- | ---: | ---: |"
        for each, name, speed in others:
            share = speed / statistics.median(each["bare"])
            yield f"| {each['network']} | {each['precision']} | {name} | {speed:,.0f} | {share:.2f} |"


def _extraction_row(asked: tuple[str, str, str], record: dict[str, Any] | None, reason: str) -> str:
    if record is None:
        return f"| {' | '.join(asked)} | {reason} | | | | | |"
    ratio = statistics.median(a / b for a, b in zip(record["rounds"], record["bare"], strict=True))
    peak = "" if record["peak_gib"] is None else f"{record['peak_gib']:.1f}"
    times = f"{record['opening_s']:.1f}, {record['first_batch_s']:.1f}"
    cells = (_spread(record["rounds"]), _spread(record["bare"]), f"{ratio:.2f}", str(record["batch"]), times, peak)
    return f"| {' | '.join([*asked, *cells])} |"


def _jpegs(data: Data) -> Iterator[str]:
    yield "## From JPEG files\n"
    records = [record for record in data["records"] if record["part"] == "JPEG files"]
    if not records:
        yield f"{MISSING.capitalize()}."
    for record in records:
        if "skipped" in record:
            yield f"{MISSING.capitalize()}: {record['skipped']}."
            continue
        yield f"{record['files']:,} files of {record['megabytes']:.2f} MB, listed again until there are"
        yield f"{record['images']:,}, through {record['network']},"
        yield f"{record['precision']}, eager: **{_spread(record['rounds'])}** images/s. Decoding alone,"
        yield f"in {record['threads']} threads: {_spread(record['decoding'])}."


# ------------------------------------------------------------------------------------------------ families


def _rows(data: Data) -> Iterator[str]:
    few, *larger = ROWS[data["size"]]
    yield "## Families\n"
    yield "Seconds from rows in ordinary memory to the result there, medians of the rounds (how many; the first"
    yield "is left out, but where *cold*: there was no time for another), and how often the engine's time the others"
    yield "take; in brackets how far their results are from the engine's, and the rounds. *plain* is the shortest way"
    yield f"by hand in PyTorch, in float32. Without kernels for a device, and on the CPU whatever it is: {WITHOUT}.\n"
    for n in (few, *larger):
        yield f"### {n:,} rows of 128 columns\n"
        yield f"| | engine | peak GiB | against exact arithmetic | {' | '.join(PEERS)} |"
        yield f"| --- | ---: | ---: | --- |{' ---: |' * len(PEERS)}"
        yield from (_family_row(data, family, n) for family in FAMILIES)
        yield ""


def _family_row(data: Data, family: str, n: int) -> str:
    records = {r.get("way", "engine"): r for r in data["records"] if r.get("family") == family and r["n"] == n}
    engine = records.get("engine", {})
    if "rounds" not in engine:
        return f"| {FAMILIES[family]} | {MISSING}{': ' + engine['skipped'] if engine else ''} | | |{' |' * len(PEERS)}"
    peak = "" if engine["peak_gib"] is None else f"{engine['peak_gib']:.1f}"
    exact = f"{engine['measure']}: {engine['off']:.2g}, {_holds(engine)}" if "holds" in engine else ""
    cells = [
        f"{_middle(engine):.3g} ({_count(engine)})",
        peak,
        exact,
        *(_peer_cell(records.get(peer), engine) for peer in PEERS),
    ]
    return f"| {FAMILIES[family]} | {' | '.join(cells)} |"


def _peer_cell(record: dict[str, Any] | None, engine: dict[str, Any]) -> str:
    if record is None:
        return ""
    if "skipped" in record:
        return record["skipped"]
    return f"{_middle(record) / _middle(engine):.2f} ({record['measure']}: {record['off']:.2g}; {_count(record)})"


def _count(record: dict[str, Any]) -> str:
    return "1, cold" if record["cold"] else str(len(record["rounds"]))


def _cpu(data: Data) -> Iterator[str]:
    few = min(ROWS[data["size"]])
    yield f"## The device and the CPU, {few:,} rows\n"
    yield "As one job of many: BLAS has one thread, and the engine uses several cores for the nearest rows, precision@k"
    yield "and the silhouettes; the other families have one core where the rows are as few as here.\n"
    yield "| | CPU, as one job (s) | device (s) | ratio | agreement | |\n| --- | ---: | ---: | ---: | --- | --- |"
    for family, title in FAMILIES.items():
        records = {r.get("way"): r for r in data["records"] if r.get("family") == family and r["n"] == few}
        if not {"engine", "CPU"} <= set(records):
            yield f"| {title} | {MISSING} | | | | |"
            continue
        ours, theirs = _middle(records["engine"]), _middle(records["CPU"])
        agreement = f"{records['CPU']['measure']}: {records['CPU']['off']:.2g} (allowed {records['CPU']['allowed']:g})"
        yield f"| {title} | {theirs:.3g} | {ours:.3g} | {theirs / ours:.1f} | {agreement} | {_holds(records['CPU'])} |"


def _middle(record: dict[str, Any]) -> float:
    return statistics.median(record["rounds"])


def _spread(rounds: list[float]) -> str:
    return f"{statistics.median(rounds):,.0f} ({min(rounds):,.0f} to {max(rounds):,.0f})"


def _holds(record: dict[str, Any]) -> str:
    return "holds" if record["holds"] else "**wrong**"


def _agreement(each: dict[str, Any]) -> str:
    if each["off"] is None:
        return str(each["what"])
    return f"{each['what']}, {each['measure']}: {each['off']:.3g}, allowed {each['allowed']:g}"
