# The join of stage results into runs, and their record in MLflow.
# Needs: every receipt of the plan. Makes: results/sweeps/ID/results.json, runs in MLflow.


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
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} 2> {log:q}"


rule track_runs:
    input:
        JOINED,
    output:
        TRACKED,
    log:
        LOGS / "track" / f"{PLAN_FILE.stem[:12]}.log",
    benchmark:
        BENCHMARKS / "track" / f"{PLAN_FILE.stem[:12]}.tsv"
    params:
        script=SCRIPTS / "track_runs.py",
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} 2> {log:q}"
