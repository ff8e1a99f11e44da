# From records to tables and figures. None of these jobs imports torch.


def run_inputs(files):
    """Those of ``files`` that each run of the study writes."""
    return [
        f"{RESULTS}/runs/{run}/{file}"
        for run in run_folders(config)
        for file in files
        if file in run_files(*split_run(run))
    ]


def split_run(run):
    """(folder, seed) of a run's path below runs/, without the data set: `digits/pmrl/main/seed_0`."""
    _, *folder, seed = run.split("/")
    return "/".join(folder), int(seed.removeprefix("seed_"))


def artefacts():
    """All tables and figures of a complete study, its records, and the file that marks it as complete."""
    return [
        f"{RESULTS}/{records.TABLES['records']}",
        f"{RESULTS}/{records.COMPLETE}",
        *expand(
            f"{RESULTS}/tables/{{name}}.{{format}}",
            name=applicable(config, "tables"),
            format=["csv", "md", "tex", "html"],
        ),
        *expand(f"{RESULTS}/figures/{{name}}.{{format}}", name=applicable(config, "figures"), format=["pdf", "png"]),
    ]


def site_sources():
    """The guides that the site shows, and what its pages load."""
    folders = [ROOT, ROOT / "docs", ROOT / "config"]
    guides = [path for folder in folders for path in sorted(folder.glob("*.md"))]
    assets = sorted((ROOT / "pmrl" / "reporting" / "site" / "assets").iterdir())
    return [os.path.relpath(path) for path in [*guides, *assets]]


def sweeps():
    """The sensitivity sweeps of the study."""
    return [f"{RESULTS}/{file}" for file in sweep_files(config)]


def figure_tables():
    """What figures show of the seed 0; a study of other seeds has none of it."""
    return records.FIGURE_TABLES if 0 in seeds(config) else ()


def reads(kind, name):
    """The files that a table or figure reads, as its module declares in READS, as far as this study makes them."""
    special = {
        records.METHODS: [f"{RESULTS}/{records.METHODS_FILE}"],
        records.STORES: stores(),
        **{
            name: [f"{RESULTS}/{records.TABLES[name]}"] if name in figure_tables() else []
            for name in records.FIGURE_TABLES
        },
        "costs": [f"{RESULTS}/{records.TABLES['costs']}"] if config["cost"] else [],
        "sweep": [f"{RESULTS}/{records.TABLES['sweep']}"] if sweeps() else [],
    }
    files = []
    for part in discovery.reads(kind, name):
        files += [source(part)] if "/" in part else special.get(part, [f"{RESULTS}/{records.TABLES.get(part)}"])
    return files


rule collect:
    input:
        run_inputs([*records.RUN_FILES, *records.FIGURE_FILES]),
    output:
        [f"{RESULTS}/{records.TABLES[name]}" for name in (*records.RUN_TABLES, *figure_tables())],
        f"{RESULTS}/{records.METHODS_FILE}",
        complete=f"{RESULTS}/{records.COMPLETE}",
    log:
        f"{RESULTS}/logs/collect.log",
    resources:
        mem_mb=reporting_memory,
    params:
        folders=[f"{RESULTS}/runs/{run}" for run in run_folders(config)],
        results=RESULTS,
        data=DATA,
        settings=as_json(config),
        code=code("reporting/collect.py"),
    shell:
        "pmrl collect {params.folders:q} --results {params.results:q} --data {params.data:q}"
        " --settings {params.settings:q} 2>&1 | tee {log:q} && touch {output.complete:q}"


if sweeps():

    rule collect_sweeps:
        input:
            sweeps(),
        output:
            f"{RESULTS}/{records.TABLES['sweep']}",
        log:
            f"{RESULTS}/logs/collect_sweeps.log",
        resources:
            mem_mb=reporting_memory,
        params:
            results=RESULTS,
            code=code("reporting/collect.py"),
        shell:
            "pmrl collect --sweeps {input:q} --results {params.results:q} 2>&1 | tee {log:q}"


# One rule for each artefact, since a caption cannot depend on a wildcard.
for name in discovery.tables():

    rule:
        name:
            f"table_{name}"
        input:
            reads("table", name),
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
        resources:
            mem_mb=reporting_memory,
        params:
            name=name,
            results=RESULTS,
            data=DATA,
            settings=as_json(STUDY),
            code=provenance.code(ROOT / "pmrl/reporting/write_table.py", ROOT / f"pmrl/tables/{name}.py"),
        shell:
            "pmrl table {params.name:q} --results {params.results:q} --data {params.data:q}"
            " --settings {params.settings:q} 2>&1 | tee {log:q}"


for name in discovery.figures():

    rule:
        name:
            f"figure_{name}"
        input:
            reads("figure", name),
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
        resources:
            mem_mb=reporting_memory,
        params:
            name=name,
            results=RESULTS,
            data=DATA,
            settings=as_json(STUDY),
            code=provenance.code(ROOT / "pmrl/reporting/write_figure.py", ROOT / f"pmrl/figures/{name}.py"),
        shell:
            "pmrl figure {params.name:q} --results {params.results:q} --data {params.data:q}"
            " --settings {params.settings:q} 2>&1 | tee {log:q}"


rule site:
    input:
        artefacts(),
        stores(),
        site_sources(),
    output:
        f"{RESULTS}/site/index.html",
    log:
        f"{RESULTS}/logs/site.log",
    resources:
        mem_mb=reporting_memory,
    params:
        results=RESULTS,
        data=DATA,
        settings=as_json(site_settings(config, os.path.relpath(workflow.configfiles[-1]))),
        code=provenance.code(
            "pmrl/reporting/site/write.py", *(f"pmrl/reporting/site/pages/{name}.py" for name in discovery.pages())
        ),
    shell:
        "pmrl site --results {params.results:q} --data {params.data:q} --settings {params.settings:q}"
        " 2>&1 | tee {log:q}"
