# One job trains a few seeds of a method's main form, or of all its variants, on one data set in all regimes, and
# evaluates them. Jobs that others wait for and longer jobs come first, so that the cores finish together.
# Checkpoints are not declared as outputs: they outlive a failed job, and a rerun continues from those still valid.

for chunk in seed_chunks():

    rule:
        name:
            f"foundation_seeds_{chunk[0]}_to_{chunk[-1]}"
        input:
            store=f"{DATA}/{{dataset}}.checksum",
            outside=lambda wildcards: foundation_files(config, wildcards.dataset),
        output:
            run_outputs(["foundation"], chunk),
        log:
            f"{RESULTS}/logs/foundation/{{dataset}}.seeds_{chunk[0]}_to_{chunk[-1]}.log",
        priority: 20
        threads: PROCESSES
        resources:
            **GPUS,
            mem_mb=training_memory,
            runtime=training_minutes,
        params:
            settings=lambda wildcards: as_json(foundation_settings(config, wildcards.dataset)),
            seeds=chunk,
            results=RESULTS,
            data=DATA,
            device=config["device"],
            code=code("experiments/foundation.py", config["foundation_method"]),
            torch=TORCH,
        shell:
            "{LAUNCH}pmrl foundation {CHECKPOINTS} --dataset {wildcards.dataset:q} --seeds {params.seeds} --device {params.device:q}"
            " --settings {params.settings:q} --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"

    for group in training_groups():

        rule:
            name:
                f"{group.name}_seeds_{chunk[0]}_to_{chunk[-1]}"
            input:
                store=f"{DATA}/{{dataset}}.checksum",
                foundation=run_outputs(["foundation"], chunk),
            output:
                run_outputs([f"{{method}}/{variant}" for variant in group.variants], chunk),
            log:
                f"{RESULTS}/logs/{group.name}/{{dataset}}.{{method}}.seeds_{chunk[0]}_to_{chunk[-1]}.log",
            wildcard_constraints:
                method=group.methods,
            priority: len(group.variants)
            threads: PROCESSES
            resources:
                **GPUS,
                mem_mb=training_memory,
                runtime=training_minutes,
            params:
                settings=group.settings,
                seeds=chunk,
                results=RESULTS,
                data=DATA,
                device=config["device"],
                code=lambda wildcards: code("experiments/train.py", wildcards.method),
                torch=TORCH,
            shell:
                "{LAUNCH}pmrl train {CHECKPOINTS} --dataset {wildcards.dataset:q} --method {wildcards.method:q}"
                " --seeds {params.seeds} --device {params.device:q} --settings {params.settings:q}"
                " --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"


rule sweep:
    input:
        store=f"{DATA}/{{dataset}}.checksum",
        foundation=[
            f"{RESULTS}/runs/{{dataset}}/foundation/seed_{seed}/{records.DESCRIPTION}" for seed in swept_seeds(config)
        ],
    output:
        f"{RESULTS}/sweep/{{dataset}}.parquet",
    log:
        f"{RESULTS}/logs/sweep/{{dataset}}.log",
    priority: 10
    threads: 1
    resources:
        mem_mb=training_memory,
    params:
        settings=as_json(sweep_settings(config)),
        tuned=lambda wildcards: as_json(tuned_values(config, wildcards.dataset, records.PROPOSED)),
        code=code("experiments/sweep.py", records.PROPOSED, config["foundation_method"]),
        results=RESULTS,
        data=DATA,
        torch=TORCH,
    shell:
        "pmrl sweep --dataset {wildcards.dataset:q} --settings {params.settings:q}"
        " --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"


# Takes all cores, so that nothing else disturbs the timing.
rule cost:
    input:
        store=f"{DATA}/{config['cost']}.checksum",
    output:
        f"{RESULTS}/costs.parquet",
    log:
        f"{RESULTS}/logs/cost.log",
    threads: os.cpu_count()
    resources:
        mem_mb=training_memory,
    params:
        settings=as_json(cost_settings(config)),
        code=code("experiments/cost.py", *config["methods"]),
        dataset=config["cost"],
        results=RESULTS,
        data=DATA,
    shell:
        "pmrl cost --dataset {params.dataset:q} --settings {params.settings:q}"
        " --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"
