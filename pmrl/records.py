"""The words and columns of every table that the project writes: each name in one place, and no code.

``records.parquet``, one row per measured value:
    dataset, method, variant ("main" or a named ablation), regime (one of ``REGIMES``, "foundation", or "probe" for
    classification), seed (int), split ("test"; "validation" and "pretrain" hold the anchor's directions by the own and
    final scores only), score ("own" = the method's own multi-modality score, "cosine", or one of ``FINAL_SCORES``),
    reranked (bool: the matching head has ordered the best candidates again; with "own" the best 50, by matching alone),
    query, gallery (modality names; "others" = all but the anchor), corruption ("none" or one of ``CORRUPTIONS``), level
    (float, 0 = none, more is worse; units: see ``CORRUPTIONS``), folds (how a probe was made: one of ``PROTOCOLS``,
    else ""), metric ("recall@1", "recall@5", "recall@10" in percent, "median_rank"; of a probe those of
    ``PROBE_METRICS`` and "chance", in percent; those of ``SPACE_METRICS``, of all vectors; "better_by_" and one of
    ``ALIGNMENTS``: percent of the items that look better aligned by this score after noise on the modality ``query``),
    value, n (queries, classified instances, or items), gallery_size (of a probe: the number of classes), reason (why
    "unsupported", else "").
    Rows of a probe: query = "all" (modalities); method "raw_features" = the same on the input features.
``ranks.parquet``, one row per query, for paired tests:
    dataset, method, variant, regime, seed, score, reranked, query, gallery, item (id of the query), rank (float).
``curves.parquet``, one row per value logged in training:
    dataset, method, variant, stage (one of ``STAGES``), seed, step, quantity ("sigma_1" … "sigma_k", "uniformity",
    "gradient_norm", loss terms; from scratch also "gradient_of_<term>", "cosine of a, b" of each pair of modalities,
    "opposed", "sign_flips", "recall", see ``pmrl.evaluation.diagnosis``), value.
``contributions.parquet``, one row per item, for paired tests of means over several tasks:
    dataset, method, variant, seed, measure ("pairs": mean recall@1 over ordered pairs by cosine; "anchor": from the
    anchor to the others and back by the own score; "blur" and "sound_noise": by cosine over the pairs whose query can
    have this noise; "accuracy" of a probe; "better_by_" and one of ``ALIGNMENTS``: mean over the noisy modalities),
    corruption, level and folds as in records, item (id), value (percent; the mean over the items is the measure).
``methods.json``: {method: {title, reference, color, variants: [names], parameters: {dataset: {"encoders", "fused",
    "matching": number}}}}.
``data/<dataset>/card.yaml``, ``items.parquet``, ``views.parquet``: the feature store. Items have the columns
    ``ITEM_COLUMNS`` and perhaps ``OPTIONAL_ITEM_COLUMNS``: instance (items of one instance are views of one thing).
``costs.parquet``: method, modalities (int, their number k), parameters (int), step_milliseconds, epoch_seconds,
    peak_megabytes.
``sweep.parquet``, one row per trained setting of PMRL:
    dataset, seed, parameter ("temperatures" or "matching_weight", what is swept), alignment_temperature,
    instance_temperature, matching_weight, value (mean recall@1 over ordered pairs, percent).
``examples.parquet``, one row per retrieved item:
    dataset, method, query (modality), gallery (modality), item (id of the query), rank (1 … 5), retrieved (id of the
    gallery item), correct (bool).
``embeddings.parquet``, one row per embedded item:
    dataset, method, seed, item (id), label, modality (a modality name, or "leading_direction"), and the unit vector as
    columns e0 … e(d−1), float32.
``config/tuning_records*.csv``, one row per training of a search for hyper-parameters and split that it was measured on:
    dataset, method, variant, phase ("search" or "final"), split ("validation"; "test" of the default and the chosen
    values alone, after the choice), candidate (int, 0 = the defaults), seed, share (of the steps of a full training),
    steps (0 of a closed form), pairs and anchor (percent, measures as in contributions), pairs_before and anchor_before
    (of the same seed's foundation; empty from scratch and on test), queries (of the direction that has most), problem
    (why the training failed, else ""), criteria (of the phase "search": those whose searches include the training),
    grid (number of combinations of all values), and a column for each hyper-parameter, empty where a method lacks it.
"""

# What is compared.
PROPOSED = "pmrl"
OUTSIDE = "outside"  # of a foundation's settings: the files that its weights come from
FOUNDATION = "foundation"  # the shared warm start, tested like a method before training continues
RAW_FEATURES = "raw_features"  # of a probe: the input features, without any method
MAIN = "main"  # the method itself, beside its named variants

# Splits, regimes and stages of training.
PRETRAIN, TRAIN, VALIDATION, TEST = SPLITS = ("pretrain", "train", "validation", "test")
ZERO_SHOT, FINE_TUNED, SCRATCH, PROBE = "zero_shot", "fine_tuned", "scratch", "probe"
REGIMES = {ZERO_SHOT: "zero-shot", FINE_TUNED: "fine-tuned", SCRATCH: "from scratch"}
CONTINUED = "continued"
STAGES = (FOUNDATION, CONTINUED, FINE_TUNED, SCRATCH)
UNSUPPORTED = "unsupported"  # the metric of the single row of a method that refuses a data set

# Queries and galleries, scores and measures.
OTHERS = "others"  # all modalities but the anchor
JOINED = " + "  # between the names of two modalities that are one side
TWO_TO_ONE = "two_to_one"  # begins the metrics of retrieval between two modalities and a third
ALL_MODALITIES = "all"
LEADING_DIRECTION = "leading_direction"
OWN, COSINE = "own", "cosine"
# Final scores beside the paper's, see pmrl.evaluation.reranking: the best 10, and mixtures with 25 and 50 % matching.
TOP_10, MIXTURE_25, MIXTURE_50 = FINAL_SCORES = ("top_10", "mixture_25", "mixture_50")
PAIRS, ANCHOR, ACCURACY = "pairs", "anchor", "accuracy"  # measures of contributions
PAIR_COSINE = "cosine of "  # followed by two modalities: a quantity of curves
PROBE_METRICS = (ACCURACY, "auc", "sensitivity", "specificity")
ALIGNMENTS = VOLUME, SIGMA_1, MEAN_COSINE = ("volume", "sigma_1", "mean_cosine")  # scores of one item's vectors
BETTER_BY = "better_by_"  # followed by one of the alignments: a metric, and a measure of contributions
# Of all unit vectors: mean distance of two modalities' centroids (0 … 2); in percent, the share of the variance that
# lies between modalities, and the V-measure of k-means clusters against the modalities and against the classes.
SPACE_METRICS = CENTROID_DISTANCE, BETWEEN_MODALITIES, MODALITY_CLUSTERS, CLASS_CLUSTERS = (
    *("centroid_distance", "between_modalities", "modality_v_measure", "class_v_measure"),
)
CHANCE = "chance"  # of a probe: the accuracy of always naming the most frequent class

# How instances are classified (``pmrl.evaluation``), the column ``folds``: by a probe of the target part, in random
# folds and leaving sites out; likewise of all instances, with a network trained inside each training fold; by a probe
# from that many labelled instances per class; by the nearest other instances, within all modalities or across from one
# to another; by the class whose embedded name is nearest.
RANDOM_FOLDS, LEAVE_SITE_OUT = "random", "leave_site_out"
INSIDE_RANDOM, INSIDE_SITES = "inside_random", "inside_leave_site_out"
INSIDE_FOLDS = "inside_folds"  # what a config asks for to get these two
FEW_LABELS = {"few_1": 1, "few_5": 5, "few_10": 10}
NEIGHBOURS, NEIGHBOURS_ACROSS, CLASS_NAMES = "neighbours", "neighbours_across", "class_names"
FOLDED = (RANDOM_FOLDS, LEAVE_SITE_OUT, INSIDE_RANDOM, INSIDE_SITES)
PROTOCOLS = (*FOLDED, *FEW_LABELS, NEIGHBOURS, NEIGHBOURS_ACROSS, CLASS_NAMES)

# The search for hyper-parameters.
SEARCH, FINAL = "search", "final"  # phases: few steps and one seed for many candidates, then all steps and other seeds
LOGIT, GAIN, MEAN = "logit", "gain", "mean"
CRITERIA = (LOGIT, GAIN, PAIRS, ANCHOR, MEAN)  # see pmrl.study.tuning
DEFAULTS = 0  # the number of the candidate with the default hyper-parameters

# Kinds of modalities.
KINDS = TEXT, AUDIO, PICTURE, VIDEO, MEASUREMENT = ("text", "audio", "picture", "video", "measurement")

# Corruptions of the data, and the unit of their level in the records; 0 is clean for all of them.
CLEAN = "none"
GAUSSIAN = "gaussian"  # noise on the features, in standard deviations of each
BLUR, SOUND_NOISE = "blur", "sound_noise"  # sigma in pixels; 60 dB minus signal to noise in dB
MISSING, MISSING_TRAINING = "missing", "missing_training"  # share of the modalities
MISMATCHED_ANCHOR, MISMATCHED_MODALITY = "mismatched_anchor", "mismatched_modality"  # share of the items; of the cells
SIGNAL_NOISES = (BLUR, SOUND_NOISE)  # on the signal, before its encoder
MISMATCHES = (MISMATCHED_ANCHOR, MISMATCHED_MODALITY)
CORRUPTIONS = (GAUSSIAN, *SIGNAL_NOISES, MISSING, MISSING_TRAINING, *MISMATCHES)

# Columns.
ITEM_COLUMNS = ("id", "group", "label", "split", "caption")
OPTIONAL_ITEM_COLUMNS = ("instance",)
RUN = ["dataset", "method", "variant", "regime", "seed"]
TASK = ["score", "reranked", "query", "gallery"]
CONDITION = ["corruption", "level", "folds"]
COLUMNS = {
    "records": [*RUN, "split", *TASK, *CONDITION, "metric", "value", "n", "gallery_size", "reason"],
    "ranks": [*RUN, *TASK, "item", "rank"],
    "curves": ["dataset", "method", "variant", "stage", "seed", "step", "quantity", "value"],
    "contributions": ["dataset", "method", "variant", "seed", "measure", *CONDITION, "item", "value"],
    "costs": ["method", "modalities", "parameters", "step_milliseconds", "epoch_seconds", "peak_megabytes"],
    "sweep": [
        *["dataset", "seed", "parameter", "alignment_temperature", "instance_temperature", "matching_weight"],
        "value",
    ],
    "examples": ["dataset", "method", "query", "gallery", "item", "rank", "retrieved", "correct"],
    "embeddings": ["dataset", "method", "seed", "item", "label", "modality"],
}
# One row per setting, data set, method and seed of config/calibration_records.csv: steps of both stages; recall@1 on
# validation in percent, mean over ordered pairs by cosine and of the anchor's directions by the own score.
CALIBRATION_COLUMNS = ("setting", "foundation", "continued", "dataset", "method", "seed", "pairs", "anchor")
# The columns that name one cell, of the files in which a cell may have only one value.
CELL = {
    "records": [*RUN, "split", *TASK, *CONDITION, "metric"],
    "contributions": COLUMNS["contributions"][:-1],
    "costs": ["method", "modalities"],
    "sweep": COLUMNS["sweep"][:-1],
}

ONE_SEARCH = ["dataset", "method", "variant"]
TUNING = [
    *[*ONE_SEARCH, "phase", "split", "candidate", "seed", "share", "steps", PAIRS, ANCHOR, "pairs_before"],
    *["anchor_before", "queries", "problem", "criteria", "grid"],
]

# Files.
TABLES = {name: f"{name}.parquet" for name in COLUMNS}
RUN_TABLES = ("records", "ranks", "curves", "contributions")  # of every run
FIGURE_TABLES = ("embeddings", "examples")  # of the first seed of every method's main form
DESCRIPTION = "run.json"
# While a stage trains, beside its checkpoint: what it goes on from if it is stopped, and how far it is.
UNFINISHED, SIGN_OF_LIFE = ".unfinished", ".alive.json"
RUN_FILES = (*(TABLES[name] for name in RUN_TABLES), DESCRIPTION)
FIGURE_FILES = tuple(TABLES[name] for name in FIGURE_TABLES)
METHODS_FILE = "methods.json"
COLLECTED = "collected.json"  # the folders of the runs that records.parquet holds
COMPLETE = "complete"  # exists while records.parquet holds all runs of the study
TIME = "time.json"  # seconds, cores and the share outside training and evaluation of the call that made all runs
METHODS, STORES = "methods", "stores"  # what a table or figure may read beside TABLES: METHODS_FILE, feature stores
# Tables that not every study writes; tables and figures made from them then say that nothing is recorded.
OPTIONAL = ("contributions", "costs", "sweep", "examples", "embeddings")
