"""Which final score a method is judged by: the one that validation prefers, the same rule for every method.

The candidates are the method's own score and, where it trains a matching head, re-rankings of the best candidates; see
``pmrl.evaluation.reranking``. A method's headline on a data set and in a regime is the candidate with the highest mean
recall@1 on the validation split, over seeds and both directions between anchor and others; of equal ones the simplest.
"""

import pandas as pd

from pmrl.records import MIXTURE_25, MIXTURE_50, OWN, TOP_10

Scoring = tuple[str, bool]
"""The ``score`` of a record, and whether it is ``reranked``."""

TITLES: dict[Scoring, str] = {
    (OWN, False): "own score",
    (OWN, True): "top 50 by matching",
    (TOP_10, True): "top 10 by matching",
    (MIXTURE_25, True): "top 50, 25 % matching",
    (MIXTURE_50, True): "top 50, 50 % matching",
}
RUN = ["dataset", "method", "variant", "regime"]


def recalls(validation: pd.DataFrame) -> pd.DataFrame:
    """Mean recall@1 in percent over seeds and directions, per run without its seed and per candidate.

    Args:
        validation: records of one split.
    """
    chosen = validation[validation["metric"].eq("recall@1")]
    return chosen.groupby([*RUN, "score", "reranked"], sort=False)["value"].mean().reset_index()


def choose(validation: pd.DataFrame) -> dict[tuple[str, ...], Scoring]:
    """{(data set, method, variant, regime): the candidate that validation prefers}."""
    means = recalls(validation)
    order = [list(TITLES).index(one) for one in means[["score", "reranked"]].itertuples(index=False, name=None)]
    ranked = means.assign(order=order).sort_values(["value", "order"], ascending=[False, True], kind="stable")
    best = ranked.drop_duplicates(RUN)
    scorings = best[["score", "reranked"]].itertuples(index=False, name=None)
    return dict(zip(best[RUN].itertuples(index=False, name=None), scorings, strict=True))
