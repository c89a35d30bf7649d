# What the jobs of a cluster do: each computes a batch of shards, one after the other. Jobs on one machine compute a shard
# each (prepare.smk, fit.smk).
# Needs: results/launches/PLAN-batches.json. Makes: members of every stage, and the receipts of their shards.


rule compute_batch:
    input:
        batches_before,
    output:
        RECEIPTS / "batch/{id}.json",
    log:
        LOGS / "batch/{id}.log",
    benchmark:
        BENCHMARKS / "batch/{id}.tsv"
    threads: batch_threads
    resources:
        mem_mb=batch_mem_mb,
        runtime=batch_minutes,
        try_number=attempt_number,
    params:
        script=SCRIPTS / "compute_batch.py",
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --batch {wildcards.id} --threads {threads}"
        " --mem-mb {resources.mem_mb} --minutes {resources.runtime} --attempt {resources.try_number} --receipt {output:q} 2> {log:q}"


rule compute_on_gpu:
    input:
        batches_before,
    output:
        RECEIPTS / "gpu_batch/{id}.json",
    log:
        LOGS / "gpu_batch/{id}.log",
    benchmark:
        BENCHMARKS / "gpu_batch/{id}.tsv"
    threads: batch_threads
    resources:
        mem_mb=batch_mem_mb,
        runtime=batch_minutes,
        gpu=1,
        try_number=attempt_number,
    params:
        script=SCRIPTS / "compute_batch.py",
    shell:
        "{PYTHON:q} {params.script:q} --plan {PLAN_FILE:q} --batch {wildcards.id} --threads {threads}"
        " --mem-mb {resources.mem_mb} --minutes {resources.runtime} --attempt {resources.try_number} --receipt {output:q} 2> {log:q}"
