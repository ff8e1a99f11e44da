# Feature stores, one folder per data set: data from installed packages or the user's files, encoded by real encoders.


def own_files(wildcards):
    """The user's own files that a store is built from."""
    force_stale()
    files = registry.input_files(wildcards.dataset, folder_of(config, wildcards.dataset))
    return [os.path.relpath(path) for path in files]


rule prepare:
    input:
        own_files,
    output:
        f"{DATA}/{{dataset}}.checksum",
    log:
        f"{RESULTS}/logs/prepare/{{dataset}}.log",
    threads: 1
    resources:
        mem_mb=lambda wildcards, input: 2000 + 6 * megabytes(*input),
    params:
        data=DATA,
        code=lambda wildcards: registry.code(wildcards.dataset),
        versions=lambda wildcards: as_json(
            registry.package_versions(wildcards.dataset, folder_of(config, wildcards.dataset))
        ),
        folder=lambda wildcards: f"--folder={folder_of(config, wildcards.dataset) or ''}",
    shell:
        "pmrl prepare {wildcards.dataset:q} --data {params.data:q} {params.folder:q} 2>&1 | tee {log:q}"
