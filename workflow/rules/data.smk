# Feature stores: downloads by the package manager, real encoders, one folder per data set.


rule prepare:
    input:
        source("pmrl/data/store.py"),
        lambda wildcards: source(f"pmrl/data/{wildcards.dataset}.py"),
    output:
        f"{DATA}/{{dataset}}/card.yaml",
    params:
        data=DATA,
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}.log",
    threads: 1
    shell:
        "pmrl prepare {wildcards.dataset:q} --data {params.data:q} > {log:q} 2>&1"
