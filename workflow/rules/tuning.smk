# `make tune`: the search for hyper-parameters. Not part of `all`; the chosen values are committed in config/.


rule tuning_foundations:
    input:
        store=f"{DATA}/{{dataset}}.checksum",
        outside=lambda wildcards: foundation_files(config, wildcards.dataset),
    output:
        run_outputs(["foundation"], tuning_seeds(config)),
    log:
        f"{RESULTS}/logs/tuning/{{dataset}}.foundations.log",
    priority: 20
    threads: 1
    resources:
        **GPU,
        mem_mb=training_memory,
        runtime=training_minutes,
    params:
        settings=lambda wildcards: as_json(foundation_settings(config, wildcards.dataset)),
        seeds=tuning_seeds(config),
        results=RESULTS,
        data=DATA,
        device=config["device"],
        code=code("experiments/foundation.py", config["foundation_method"]),
        torch=TORCH,
    shell:
        "pmrl foundation --dataset {wildcards.dataset:q} --seeds {params.seeds} --device {params.device:q}"
        " --settings {params.settings:q} --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"


rule search:
    input:
        store=f"{DATA}/{{dataset}}.checksum",
        foundation=run_outputs(["foundation"], tuning_seeds(config)) if config["tuning"]["regime"] == ZERO_SHOT else [],
    output:
        f"{RESULTS}/tuning/{{dataset}}/{{method}}/{{variant}}.csv",
    log:
        f"{RESULTS}/logs/tuning/{{dataset}}.{{method}}.{{variant}}.log",
    threads: 1
    resources:
        **GPU,
        mem_mb=training_memory,
        runtime=training_minutes,
    params:
        results=RESULTS,
        data=DATA,
        code=lambda wildcards: code("experiments/tune.py", config["foundation_method"], wildcards.method),
        settings=lambda wildcards: as_json(tuning_settings(config, wildcards.method, wildcards.variant)),
        torch=TORCH,
    shell:
        "pmrl tune --settings {params.settings:q} --dataset {wildcards.dataset:q} --method {wildcards.method:q}"
        " --variant {wildcards.variant:q} --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"


rule tune:
    input:
        [f"{RESULTS}/tuning/{name}/{method}/{variant}.csv" for name in DATASETS for method, variant in searches(config)],
