# From a collection of images to the matrices that the heads work on.
# What others wait for goes first, so that all cores have something to do until the end. Snakemake chooses the jobs with
# the largest sum of priorities: those of jobs that take all cores are multiplied by these.
# Needs: the plan; the network or the user's own files. Makes: members of dataset, audit, features,
# matrix, neighbours, judge, and the pages in results/audits.


rule fetch_dataset:
    input:
        parent_receipts("dataset"),
    output:
        RECEIPTS / "dataset/{family}-{id}.json",
    log:
        LOGS / "dataset/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "dataset/{family}-{id}.tsv"
    priority: 4 * CORES
    threads: 2
    resources:
        mem_mb=mem_mb_of("dataset"),
    params:
        script=SCRIPTS / "fetch_dataset.py",
        shard=shard_id("dataset"),
        code=code_of("dataset"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"


rule audit_images:
    input:
        parent_receipts("audit"),
    output:
        RECEIPTS / "audit/{family}-{id}.json",
    log:
        LOGS / "audit/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "audit/{family}-{id}.tsv"
    priority: 4 * CORES
    threads: 2
    resources:
        mem_mb=mem_mb_of("audit"),
    params:
        script=SCRIPTS / "audit_images.py",
        shard=shard_id("audit"),
        code=code_of("audit"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"


rule extract_features:
    input:
        parent_receipts("features"),
    output:
        RECEIPTS / "features/{family}-{id}.json",
    log:
        LOGS / "features/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "features/{family}-{id}.tsv"
    priority: 3 * CORES
    threads: extraction_threads
    resources:
        mem_mb=mem_mb_of("features"),
    params:
        script=SCRIPTS / "extract_features.py",
        cores=all_cores,
        shard=shard_id("features"),
        code=code_of("features"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {params.cores} 2> {log:q}"


rule transform_features:
    input:
        parent_receipts("matrix"),
    output:
        RECEIPTS / "matrix/{family}-{id}.json",
    log:
        LOGS / "matrix/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "matrix/{family}-{id}.tsv"
    priority: 2
    threads: threads_of("matrix")
    resources:
        mem_mb=mem_mb_of("matrix"),
    params:
        script=SCRIPTS / "transform_features.py",
        shard=shard_id("matrix"),
        code=code_of("matrix"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"


rule find_neighbours:
    input:
        parent_receipts("neighbours"),
    output:
        RECEIPTS / "neighbours/{family}-{id}.json",
    log:
        LOGS / "neighbours/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "neighbours/{family}-{id}.tsv"
    priority: 2 * CORES
    threads: workflow.cores
    resources:
        mem_mb=mem_mb_of("neighbours"),
    params:
        script=SCRIPTS / "find_neighbours.py",
        shard=shard_id("neighbours"),
        code=code_of("neighbours"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"


rule embed_judges:
    input:
        parent_receipts("judge"),
    output:
        RECEIPTS / "judge/{family}-{id}.json",
    log:
        LOGS / "judge/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "judge/{family}-{id}.tsv"
    priority: 2
    threads: 1
    resources:
        mem_mb=mem_mb_of("judge"),
    params:
        script=SCRIPTS / "embed_judges.py",
        shard=shard_id("judge"),
        code=code_of("judge"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"
