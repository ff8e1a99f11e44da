# `make calibrate`: heads, optimiser and steps, compared on validation data for all methods together. Not part of `all`;
# the records are committed in config/.


rule compare:
    input:
        store=f"{DATA}/{{dataset}}.checksum",
    output:
        f"{RESULTS}/calibration/{{dataset}}/{{setting}}.csv",
    log:
        f"{RESULTS}/logs/calibration/{{dataset}}.{{setting}}.log",
    threads: 1
    resources:
        mem_mb=training_memory,
    params:
        results=RESULTS,
        data=DATA,
        code=code("experiments/calibrate.py", config["foundation_method"], *config["methods"]),
        settings=as_json(calibration_settings(config)),
    shell:
        "pmrl calibrate --settings {params.settings:q} --dataset {wildcards.dataset:q} --setting {wildcards.setting:q}"
        " --results {params.results:q} --data {params.data:q} 2>&1 | tee {log:q}"


rule calibrate:
    input:
        [f"{RESULTS}/{file}" for file in calibration_files(config)],
