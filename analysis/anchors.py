"""CUD's anchors: which samples several unlearning methods agree to be easiest and hardest."""

import pandas as pd


def consensus(final_nll: pd.DataFrame, n_anchors: int) -> tuple[list, list]:
    """Easy and hard anchors (index labels) from each method's post-unlearning answer NLL (rows samples, columns methods).

    Higher NLL = easier. A method votes for its `n_anchors` most extreme samples on each side; the samples with most votes win,
    ties go by mean rank, then by row. A sample on both sides stays easy, and the hard side is refilled by mean hard rank. The
    rule of CUD's released code, whose least number of votes, filled up in the same order, changes nothing about it.

    Raises ValueError if there are fewer than 2 * n_anchors samples.
    """
    if len(final_nll) < 2 * n_anchors or n_anchors < 1:
        raise ValueError(f"{n_anchors} easy and {n_anchors} hard anchors need {2 * n_anchors} samples, got {len(final_nll)}")
    easy_rank = final_nll.rank(ascending=False, method="first")
    hard_rank = final_nll.rank(ascending=True, method="first")
    easy = _by_votes(easy_rank, n_anchors)[:n_anchors]
    hard = [s for s in _by_votes(hard_rank, n_anchors)[:n_anchors] if s not in easy]
    refill = [s for s in hard_rank.mean(axis=1).sort_values(kind="stable").index if s not in easy and s not in hard]
    return easy, hard + refill[: n_anchors - len(hard)]


def _by_votes(rank: pd.DataFrame, n_anchors: int) -> list:
    table = pd.DataFrame({"votes": (rank <= n_anchors).sum(axis=1), "mean_rank": rank.mean(axis=1)})
    return table.sort_values(["votes", "mean_rank"], ascending=[False, True], kind="stable").index.tolist()
