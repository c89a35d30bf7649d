# The fits: every shard is some families of plugins on one matrix.
# Needs: members of dataset, features and matrix. Makes: members of clustering, classification, retrieval, and their scores.
# Fits are scored by the jobs that fit; score_fits is for those that are there and whose metrics are not, or are of other code.


rule fit_clusterers:
    input:
        parent_receipts("clustering"),
    output:
        RECEIPTS / "clustering/{family}-{id}.json",
    log:
        LOGS / "clustering/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "clustering/{family}-{id}.tsv"
    threads: threads_of("clustering")
    resources:
        mem_mb=mem_mb_of("clustering"),
    params:
        script=SCRIPTS / "fit_clusterers.py",
        shard=shard_id("clustering"),
        code=code_of("clustering"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"


rule fit_classifiers:
    input:
        parent_receipts("classification"),
    output:
        RECEIPTS / "classification/{family}-{id}.json",
    log:
        LOGS / "classification/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "classification/{family}-{id}.tsv"
    priority: 1
    threads: threads_of("classification")
    resources:
        mem_mb=mem_mb_of("classification"),
    params:
        script=SCRIPTS / "fit_classifiers.py",
        shard=shard_id("classification"),
        code=code_of("classification"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"


rule retrieve_neighbours:
    input:
        parent_receipts("retrieval"),
    output:
        RECEIPTS / "retrieval/{family}-{id}.json",
    log:
        LOGS / "retrieval/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "retrieval/{family}-{id}.tsv"
    threads: threads_of("retrieval")
    resources:
        mem_mb=mem_mb_of("retrieval"),
    params:
        script=SCRIPTS / "retrieve_neighbours.py",
        shard=shard_id("retrieval"),
        code=code_of("retrieval"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"


rule score_fits:
    input:
        request_of,
        parent_receipts("scores"),
    output:
        RECEIPTS / "scores/{family}-{id}.json",
    log:
        LOGS / "scores/{family}-{id}.log",
    benchmark:
        BENCHMARKS / "scores/{family}-{id}.tsv"
    threads: threads_of("scores")
    resources:
        mem_mb=mem_mb_of("scores"),
    params:
        script=SCRIPTS / "score_fits.py",
        shard=shard_id("scores"),
        code=code_of("scores"),
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --shard {params.shard} --threads {threads} 2> {log:q}"
