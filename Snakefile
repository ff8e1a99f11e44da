# The study: data -> foundation -> methods -> records -> tables and figures -> site.
# `snakemake --cores all` makes everything that config/config.yaml asks for, with `--configfile FILE` what another study
# asks for; stages stand in workflow/rules/.

from snakemake.utils import min_version

min_version("9.0")

if not workflow.configfiles:

    configfile: "config/config.yaml"


report: "workflow/report/study.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/reporting.smk"
include: "workflow/rules/calibration.smk"
include: "workflow/rules/tuning.smk"


rule all:
    default_target: True
    input:
        artefacts(),
        rules.site.output,


onstart:
    check_executor()


onsuccess:
    print(time_summary())
