# `make tune`: the search for hyper-parameters. Not part of `all`; the chosen values are committed in config/.


rule search:
    input:
        store=f"{DATA}/{{dataset}}.checksum",
    output:
        f"{RESULTS}/tuning/{{dataset}}/{{method}}/{{variant}}.csv",
    log:
        f"{RESULTS}/logs/tuning/{{dataset}}.{{method}}.{{variant}}.log",
    threads: 1
    resources:
        mem_mb=training_memory,
    params:
        results=RESULTS,
        data=DATA,
        code=lambda wildcards: code("experiments/tune.py", config["foundation_method"], wildcards.method),
        settings=lambda wildcards: as_json(tuning_settings(config, wildcards.method, wildcards.variant)),
    shell:
        "pmrl tune --settings {params.settings:q} --dataset {wildcards.dataset:q} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"


rule tune:
    input:
        [f"{RESULTS}/tuning/{name}/{method}/{variant}.csv" for name in DATASETS for method, variant in searches(config)],
