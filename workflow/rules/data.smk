# Feature stores, one folder per data set: data from installed packages or the user's files, encoded by real encoders.


rule prepare:
    input:
        lambda wildcards: [
            os.path.relpath(path)
            for path in registry.input_files(wildcards.dataset, folder_of(config, wildcards.dataset))
        ],
    output:
        f"{DATA}/{{dataset}}.checksum",
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}.log",
    threads: 1
    params:
        data=DATA,
        code=lambda wildcards: registry.code(wildcards.dataset),
        versions=lambda wildcards: as_json(
            registry.package_versions(wildcards.dataset, folder_of(config, wildcards.dataset))
        ),
        folder=lambda wildcards: f"--folder={folder_of(config, wildcards.dataset) or ''}",
    shell:
        "pmrl prepare {wildcards.dataset:q} --data {params.data:q} {params.folder:q} 2>&1 | tee {log:q}"
