# The join of stage results into runs, their record in MLflow, and what people look at.
# Needs: every receipt of the plan. Makes: results/sweeps/ID (results.json, pictures, report.html), runs in MLflow.


rule join_runs:
    input:
        head_receipts(),
    output:
        JOINED,
    log:
        LOGS / "join" / f"{PLAN_FILE.stem[:12]}.log",
    benchmark:
        BENCHMARKS / "join" / f"{PLAN_FILE.stem[:12]}.tsv"
    params:
        script=SCRIPTS / "join_runs.py",
        batches=["--batches"] if BATCHES is not None else [],
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} {params.batches} 2> {log:q}"


rule track_runs:
    input:
        JOINED,
        page_if_last(),
    output:
        TRACKED,
    log:
        LOGS / "track" / f"{PLAN_FILE.stem[:12]}.log",
    benchmark:
        BENCHMARKS / "track" / f"{PLAN_FILE.stem[:12]}.tsv"
    params:
        script=SCRIPTS / "track_runs.py",
        pages=["--pages"] if page_if_last() else [],
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} {params.pages} 2> {log:q}"


rule draw_pictures:
    input:
        JOINED,
    output:
        receipt=DRAWN,
        folder=report(
            directory(PICTURES),
            patterns=["{name}.png"],
            category="Pictures",
            caption="../report/pictures.rst",
            labels={"picture": "{name}"},
        ),
    log:
        LOGS / "draw" / f"{PLAN_FILE.stem[:12]}.log",
    benchmark:
        BENCHMARKS / "draw" / f"{PLAN_FILE.stem[:12]}.tsv"
    priority: -1
    threads: BESIDE
    resources:
        mem_mb=drawing_mem_mb,
        runtime=drawing_minutes,
    params:
        script=SCRIPTS / "draw_pictures.py",
        cores=all_cores,
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --threads {params.cores} 2> {log:q}"


rule write_report:
    input:
        JOINED,
        drawn_if_wanted(),
    output:
        page=report(
            PAGE,
            category="Answer",
            caption="../report/answer.rst",
            labels={"file": "the answer on one page"},
        ),
        table=report(
            TABLE,
            category="Answer",
            caption="../report/leaderboards.rst",
            labels={"file": "the leaderboards as a table"},
        ),
    log:
        LOGS / "report" / f"{PLAN_FILE.stem[:12]}.log",
    benchmark:
        BENCHMARKS / "report" / f"{PLAN_FILE.stem[:12]}.tsv"
    priority: -1
    threads: 2
    params:
        script=SCRIPTS / "write_report.py",
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --threads {threads} 2> {log:q}"


rule attach_pages:
    input:
        TRACKED,
        PAGE,
        drawn_if_wanted(),
    output:
        ATTACHED,
    log:
        LOGS / "attach" / f"{PLAN_FILE.stem[:12]}.log",
    benchmark:
        BENCHMARKS / "attach" / f"{PLAN_FILE.stem[:12]}.tsv"
    priority: -1
    params:
        script=SCRIPTS / "attach_pages.py",
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --receipt {output:q} 2> {log:q}"
