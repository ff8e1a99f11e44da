# The study: data -> foundation -> methods -> records -> tables and figures.
# `snakemake --cores all` makes everything that config/config.yaml asks for; stages stand in workflow/rules/.

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/reporting.smk"
include: "workflow/rules/tuning.smk"


rule all:
    default_target: True
    input:
        artefacts(),


onsuccess:
    print(time_summary())
