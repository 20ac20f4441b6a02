"""Fits the local moderator: ``python -m trainer.moderation.fit --data FOLDER`` reads the data sets, writes weights and figures."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from trainer.moderation import corpus, local
from trainer.moderation.corpus import UNKNOWN, Sample
from trainer.moderation.features import featurize, normalize, windows
from trainer.moderation.local import HEADS, LocalModerator, lexicon
from trainer.moderation.protocol import Verdict

SEED = 17

REGULARIZATION = 3.0
"""Inverse strength of the L2 penalty (scikit-learn's C). Of 2, 3, 4 and 10 the larger ones fit Davidson better and unseen wordings worse."""

LEANING = 0.15
"""Added to each log-odds: harmless everyday text is flagged far less often than the 5 % allowed, so more of the harmful can be caught."""

CORRECTED = frozenset({"group", "slur", "insult", "dehuman", "violence", "hatred", "expel"})
"""Classes whose misspelt words are recognised."""

SHORTEST = 5
"""Letters of the shortest word whose misspelt forms are recognised; shorter ones turn into other words."""

ORDINARY = ("persona_chat", "squad", "openstax", "questions", "requests", "taskmaster")
"""Sources of harmless text, of which the false-positive rate is told."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, save, measure on what was held out, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets, the one that holds moderation/")
    parser.add_argument("--out", type=Path, default=local.WEIGHTS, help="weights to write (default: the ones that ship)")
    parser.add_argument("--c", type=float, default=REGULARIZATION, help="inverse strength of the penalty")
    parser.add_argument(
        "--leave-out", choices=["templates", "cases"], help="only measure HateCheck, a third of its templates or cases left out in turn"
    )
    parser.add_argument(
        "--held-out", type=Path, metavar="FOLDER", help="only write what is never fitted on, a file per source, for `tutee eval moderation`"
    )
    options = parser.parse_args(arguments)
    texts = corpus.load(options.data, SEED)
    if options.held_out:
        figures: dict[str, float] = dict(write_held_out(texts, options.held_out))
    elif options.leave_out:
        figures = cross_validate(texts, options.c, by_template=options.leave_out == "templates")
    else:
        fit(texts, options.out, options.c)
        figures = measure(texts.test, LocalModerator(weights=options.out))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


def fit(texts: corpus.Corpus, out: Path, c: float = REGULARIZATION) -> None:
    """One logistic regression per category, over the texts whose data set tells that category; long texts by their first window."""
    words = lexicon(texts.slurs, corrections(texts))
    matrix = featurize([windows(sample.text)[0] for sample in texts.fit], words)
    labels = np.array([sample.labels for sample in texts.fit])
    importance = np.array([sample.weight for sample in texts.fit])
    weights = np.zeros((matrix.shape[1], len(HEADS)), dtype=np.float32)
    bias = np.zeros(len(HEADS), dtype=np.float32)
    for column in range(len(HEADS)):
        known = np.flatnonzero(labels[:, column] != UNKNOWN)
        weights[:, column], bias[column] = _fit_one(matrix[known], labels[known, column], importance[known], c)
    local.save(out, weights, bias, texts.slurs, words)


def write_held_out(texts: corpus.Corpus, folder: Path) -> dict[str, int]:
    """A file of labelled texts per source; how many there are in each."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for source in dict.fromkeys(sample.source for sample in texts.test):
        rows = [json.dumps({"text": sample.text, "flagged": sample.flagged}) for sample in texts.test if sample.source == source]
        (folder / f"{source}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
        found[source] = len(rows)
    return found


def cross_validate(texts: corpus.Corpus, c: float, *, by_template: bool, folds: int = 3) -> dict[str, float]:
    """HateCheck's figures where each sentence is scored by a classifier that was fitted without it, or without all of its template."""
    cases = [sample for sample in texts.fit if sample.source == "hatecheck"]
    keys = sorted({sample.template if by_template else sample.text for sample in cases})
    random.Random(SEED).shuffle(keys)
    verdicts: dict[str, Verdict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for fold in range(folds):
            out = set(keys[fold::folds])
            left_out = [sample for sample in cases if (sample.template if by_template else sample.text) in out]
            without = set(left_out)
            path = Path(folder) / f"{fold}.safetensors"
            fit(corpus.Corpus(tuple(sample for sample in texts.fit if sample not in without), (), texts.slurs), path, c)
            asked = [sample.text for sample in left_out]
            verdicts.update(zip(asked, LocalModerator(weights=path).check(asked), strict=True))
    truth = np.array([sample.labels[0] == 1 for sample in cases])
    judged = [verdicts[sample.text] for sample in cases]
    flagged = np.array([verdict.flagged for verdict in judged])
    figures = {
        "auroc": float(roc_auc_score(truth, [verdict.score for verdict in judged])),
        "auroc of hate": float(roc_auc_score(truth, [verdict.scores["hate"] for verdict in judged])),
        "recall": float(flagged[truth].mean()),
        "false positives": float(flagged[~truth].mean()),
    }
    return {f"hatecheck, unseen {'templates' if by_template else 'cases'}, {name}": round(figure, 4) for name, figure in figures.items()}


def corrections(texts: corpus.Corpus) -> dict[str, str]:
    """Misspelt forms (a letter dropped, two swapped) of the words that matter, where the form is no word that harmless text uses."""
    real = {word for sample in texts.fit if sample.source in ORDINARY for word in normalize(sample.text)}
    classes = lexicon(texts.slurs, {}).classes
    found: dict[str, str] = {}
    for word, kinds in sorted(classes.items()):
        if kinds[0] in CORRECTED and len(word) >= SHORTEST:
            for form in _misspelt(word):
                if form not in real and form not in classes:
                    found.setdefault(form, word)
    return found


def measure(test: Sequence[Sample], moderator: LocalModerator) -> dict[str, float]:
    """AUROC of the highest score on each held-out data set, and the share of harmless text that is flagged, by source."""
    found = {}
    for source in dict.fromkeys(sample.source for sample in test):
        samples = [sample for sample in test if sample.source == source]
        verdicts = moderator.check([sample.text for sample in samples])
        truth = np.array([sample.flagged for sample in samples])
        flagged = np.array([verdict.flagged for verdict in verdicts])
        if source not in ORDINARY:
            found[f"{source} auroc"] = float(roc_auc_score(truth, [verdict.score for verdict in verdicts]))
            found[f"{source} recall"] = float(flagged[truth].mean())
        found[f"{source} false positives"] = float(flagged[~truth].mean())
    return {name: round(figure, 4) for name, figure in found.items()}


def _misspelt(word: str) -> list[str]:
    # The first letter stays: people read by it, and without it too many other words come out.
    dropped = [word[:at] + word[at + 1 :] for at in range(1, len(word))]
    swapped = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 1)]
    return [form for form in (*dropped, *swapped) if form != word]


def _fit_one(
    matrix: scipy.sparse.csr_matrix, labels: NDArray[np.int_], importance: NDArray[np.float64], c: float
) -> tuple[NDArray[np.float32], float]:
    model = LogisticRegression(C=c, max_iter=400)
    model.fit(matrix, labels, sample_weight=importance)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0]) + LEANING


if __name__ == "__main__":
    raise SystemExit(main())
