"""Drop the n-grams of an ARPA model that change its predictions least (A. Stolcke, arXiv cs/0006025).

    python tools/prune_ngrams.py IN.arpa OUT.arpa --threshold 7e-8

Without an n-gram, the model backs off to the shorter history. The cost is the relative entropy between the model and the model
without it. N-grams below the threshold are dropped, from the longest to the shortest, but those that longer ones need. Then the
backoff weights are computed anew.

The cost is weighted by the probability of the history. Kneser-Ney's unigrams count the words that stand before a word, not its
occurrences, so that probability starts from the counts of words where they are at hand.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LOG_10 = np.log(10.0)
SMALLEST = 1e-9  # of the probability that a history leaves to words it has not seen


@dataclass
class Order:
    """All n-grams of one length.

    Attributes:
        words: Word ids, shape (n-grams, length).
        log_probs: Natural logarithms of the probabilities, shape (n-grams,).
        backoffs: Natural logarithms of the backoff weights, shape (n-grams,).
        contexts: Index of the first words among the n-grams that are one word shorter, shape (n-grams,).
        suffixes: Index of the last words among the n-grams that are one word shorter, shape (n-grams,).
    """

    words: np.ndarray
    log_probs: np.ndarray
    backoffs: np.ndarray
    contexts: np.ndarray | None = None
    suffixes: np.ndarray | None = None


def read_arpa(path: Path) -> tuple[list[str], list[Order]]:
    """Read an ARPA file: its vocabulary and its orders."""
    vocabulary: dict[str, int] = {}
    sizes, orders = [], []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("ngram "):
                sizes.append(int(line.split("=")[1]))
            if line.startswith("\\1-grams"):
                break
        for length, size in enumerate(sizes, 1):
            order = Order(np.empty((size, length), "int64"), np.empty(size), np.zeros(size))
            for i in range(size):
                fields = file.readline().rstrip("\n").split("\t")
                if length == 1:
                    vocabulary[fields[1]] = i
                order.log_probs[i] = float(fields[0]) * LOG_10
                order.words[i] = [vocabulary[word] for word in fields[1].split(" ")]
                if len(fields) > 2:
                    order.backoffs[i] = float(fields[2]) * LOG_10
            orders.append(order)
            next((line for line in file if line.startswith("\\")), None)
    link_orders(orders)
    return list(vocabulary), orders


def link_orders(orders: list[Order]) -> None:
    """Find each n-gram's context and suffix, and raise ValueError where one is missing."""
    num_words = len(orders[0].words)
    tables: list = [None]

    def find(words: np.ndarray) -> np.ndarray:
        index = words[:, 0]
        for (keys, places), word in zip(tables[1:], words.T[1:], strict=False):
            key = index * num_words + word
            position = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
            if (keys[position] != key).any():
                raise ValueError("an n-gram's context or suffix is not in the file: estimate the model with lmplz")
            index = places[position]
        return index

    for order in orders[1:]:
        order.contexts, order.suffixes = find(order.words[:, :-1]), find(order.words[:, 1:])
        keys = order.contexts * num_words + order.words[:, -1]
        places = np.argsort(keys)
        tables.append((keys[places], places))


def history_log_probs(orders: list[Order], counts: np.ndarray) -> list[np.ndarray]:
    """Return the log probability of each n-gram as a history, by the chain rule from the counts of words."""
    logs = [np.log(np.maximum(counts, counts[counts > 0].min()) / counts.sum())]
    for order in orders[1:]:
        logs.append(logs[-1][order.contexts] + order.log_probs)
    return logs


def pruning_costs(order: Order, shorter: Order, histories: np.ndarray) -> np.ndarray:
    """Return the relative entropy that dropping each n-gram would cost, in nats a word."""
    log_probs, backed_off = order.log_probs, shorter.log_probs[order.suffixes]
    probs, shorter_probs = np.exp(log_probs), np.exp(backed_off)
    num_contexts = len(shorter.log_probs)
    left = 1 - np.bincount(order.contexts, probs, num_contexts)[order.contexts]
    shorter_left = 1 - np.bincount(order.contexts, shorter_probs, num_contexts)[order.contexts]
    left, shorter_left = np.maximum(left, SMALLEST), np.maximum(shorter_left, SMALLEST)
    backoff = np.log(left / shorter_left)
    new_backoff = np.log((left + probs) / (shorter_left + shorter_probs))
    change = probs * (backed_off + new_backoff - log_probs) + left * (new_backoff - backoff)
    return -np.exp(histories[order.contexts]) * change


def prune_orders(orders: list[Order], threshold: float, counts: np.ndarray) -> list[np.ndarray]:
    """Choose the n-grams to keep and compute the backoff weights of what is kept.

    Args:
        orders: The orders of a model. Their backoff weights are changed.
        threshold: Smallest relative entropy of an n-gram to keep, in nats a word.
        counts: Occurrences of each word, or in proportion to them, shape (words,).

    Returns:
        For each order, which n-grams are kept, shape (n-grams,).
    """
    histories = history_log_probs(orders, counts)
    kept = [np.ones(len(order.log_probs), bool) for order in orders]
    for i in range(len(orders) - 1, 0, -1):
        kept[i] = pruning_costs(orders[i], orders[i - 1], histories[i - 1]) >= threshold
        if i + 1 < len(orders):  # what longer n-grams need
            kept[i][orders[i + 1].contexts[kept[i + 1]]] = True
            kept[i][orders[i + 1].suffixes[kept[i + 1]]] = True
    for i in range(1, len(orders)):
        order, shorter, keep = orders[i], orders[i - 1], kept[i]
        contexts, num_contexts = order.contexts[keep], len(shorter.log_probs)
        seen = np.bincount(contexts, np.exp(order.log_probs[keep]), num_contexts)
        shorter_seen = np.bincount(contexts, np.exp(shorter.log_probs[order.suffixes[keep]]), num_contexts)
        left, shorter_left = np.maximum(1 - seen, SMALLEST), np.maximum(1 - shorter_seen, SMALLEST)
        shorter.backoffs = np.where(seen > 0, np.log(left / shorter_left), 0.0)
    return kept


def write_arpa(path: Path, vocabulary: list[str], orders: list[Order], kept: list[np.ndarray]) -> None:
    """Write the kept n-grams as an ARPA file."""
    with path.open("w", encoding="utf-8") as file:
        file.write("\\data\\\n" + "".join(f"ngram {i}={keep.sum()}\n" for i, keep in enumerate(kept, 1)))
        for i, (order, keep) in enumerate(zip(orders, kept, strict=True), 1):
            file.write(f"\n\\{i}-grams:\n")
            values = (order.log_probs[keep] / LOG_10, order.backoffs[keep] / LOG_10, order.words[keep])
            for log_prob, backoff, words in zip(*(value.tolist() for value in values), strict=True):
                end = f"\t{backoff:.6g}" if i < len(orders) else ""
                file.write(f"{log_prob:.6g}\t{' '.join(vocabulary[word] for word in words)}{end}\n")
        file.write("\n\\end\\\n")


def prune_arpa(source: Path, target: Path, threshold: float, counts: dict[str, int] | None = None) -> int:
    """Prune an ARPA file.

    Args:
        source: The ARPA file of a backoff model in which each n-gram's context and suffix are n-grams too, as lmplz writes it.
        target: File to write.
        threshold: Smallest relative entropy of an n-gram to keep, in nats a word.
        counts: Occurrences of words. "<s>" counts the sentences. Default: the model's own unigrams.

    Returns:
        Number of n-grams kept.
    """
    vocabulary, orders = read_arpa(source)
    if counts is None:
        occurrences = np.exp(orders[0].log_probs)
        occurrences[vocabulary.index("<s>")] = occurrences[vocabulary.index("</s>")]  # written with probability 1
    else:
        occurrences = np.array([counts.get(word, 0) for word in vocabulary], dtype=float)
    kept = prune_orders(orders, threshold, occurrences)
    write_arpa(target, vocabulary, orders, kept)
    return int(sum(keep.sum() for keep in kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--threshold", type=float, required=True, help="smallest relative entropy to keep, nats a word")
    args = parser.parse_args()
    print(f"{prune_arpa(args.source, args.target, args.threshold):,} n-grams -> {args.target}")


if __name__ == "__main__":
    main()
