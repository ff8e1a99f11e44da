# Feature stores: downloads by the package manager, real encoders, one folder per data set.


rule prepare:
    input:
        lambda wildcards: [source(path) for path in code_files(wildcards.dataset)],
    output:
        f"{DATA}/{{dataset}}.checksum",
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}.log",
    threads: 1
    params:
        data=DATA,
    shell:
        "pmrl prepare {wildcards.dataset:q} --data {params.data:q} > {log:q} 2>&1"
