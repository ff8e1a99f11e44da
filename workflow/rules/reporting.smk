# Records to tables and figures. None of these jobs imports torch.


def study_folders():
    """The folder of every run of the study."""
    return [f"{RESULTS}/runs/{run}" for run in run_folders(config)]


def artefacts():
    """All files that a complete study leaves for people, and what says that it is complete."""
    return [
        f"{RESULTS}/records.parquet",
        f"{RESULTS}/complete",
        *expand(
            f"{RESULTS}/tables/{{name}}.{{format}}",
            name=applicable(config, "tables"),
            format=["csv", "md", "tex", "html"],
        ),
        *expand(f"{RESULTS}/figures/{{name}}.{{format}}", name=applicable(config, "figures"), format=["pdf", "png"]),
    ]


def sweeps():
    """The sensitivity sweeps of the study."""
    return [f"{RESULTS}/{file}" for file in sweep_files(config)]


def costs():
    """The measurement of costs, if the study asks for it."""
    return [f"{RESULTS}/costs.parquet"] if config["cost"] else []


rule collect:
    input:
        runs=[f"{folder}/{file}" for folder in study_folders() for file in RUN_FILES],
        sweeps=sweeps(),
    output:
        f"{RESULTS}/records.parquet",
        f"{RESULTS}/ranks.parquet",
        f"{RESULTS}/curves.parquet",
        f"{RESULTS}/contributions.parquet",
        f"{RESULTS}/methods.json",
        complete=f"{RESULTS}/complete",
    log:
        f"{RESULTS}/logs/collect.log",
    params:
        folders=study_folders(),
        results=RESULTS,
    shell:
        "pmrl collect {params.folders:q} --sweeps {input.sweeps:q} --results {params.results:q} 2>&1 | tee {log:q}"
        " && touch {output.complete:q}"


# One rule for each artefact, since a caption cannot depend on a wildcard.
for name in available_tables():

    rule:
        name:
            f"table_{name}"
        input:
            rules.collect.output,
            costs(),
            stores(),
            source("config/claims.yaml"),
            source("results/reference/published.csv"),
            source("pmrl/tables/render.py"),
            [source(path) for path in sources(f"pmrl/tables/{name}.py")],
        output:
            f"{RESULTS}/tables/{name}.csv",
            f"{RESULTS}/tables/{name}.md",
            f"{RESULTS}/tables/{name}.tex",
            report(
                f"{RESULTS}/tables/{name}.html",
                category="Tables",
                caption=f"../report/{name}.rst",
                labels={"table": name},
            ),
        log:
            f"{RESULTS}/logs/tables/{name}.log",
        params:
            name=name,
            results=RESULTS,
            data=DATA,
            settings=as_json(STUDY),
        shell:
            "pmrl table {params.name:q} --results {params.results:q} --data {params.data:q}"
            " --settings {params.settings:q} 2>&1 | tee {log:q}"


for name in available_figures():

    rule:
        name:
            f"figure_{name}"
        input:
            rules.collect.output,
            costs(),
            stores(),
            [source(path) for path in sources(f"pmrl/figures/{name}.py")],
        output:
            f"{RESULTS}/figures/{name}.pdf",
            report(
                f"{RESULTS}/figures/{name}.png",
                category="Figures",
                caption=f"../report/{name}.rst",
                labels={"figure": name},
            ),
        log:
            f"{RESULTS}/logs/figures/{name}.log",
        params:
            name=name,
            results=RESULTS,
            data=DATA,
            settings=as_json(STUDY),
        shell:
            "pmrl figure {params.name:q} --results {params.results:q} --data {params.data:q}"
            " --settings {params.settings:q} 2>&1 | tee {log:q}"
