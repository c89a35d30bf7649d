# The workflow: dataset -> features -> matrices -> fits -> runs -> MLflow, pictures, report.
# Needs: conf/ (the grid). Makes: results/store (stage results), results/sweeps, results/pictures, results/mlflow.db.
#
#   snakemake --cores all                              the default experiment
#   snakemake --cores all --config experiment=NAME     another one of conf/experiment


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/fit.smk"
include: "workflow/rules/batch.smk"
include: "workflow/rules/record.smk"


# Seconds of work that need the tracker: on a cluster they run where the launcher does.
localrules:
    all,
    join_runs,
    track_runs,
    write_report,
    attach_pages,


rule all:
    default_target: True
    input:
        LAST,


onstart:
    launching.suit_cluster(workflow.executor_settings)


onsuccess:
    launching.finish(PLAN)
