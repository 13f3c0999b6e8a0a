"""Random claims over everything that a manifest can say, and their corpora: what the calibrations ask right code about."""

import numpy as np

from verifier.checks.examination import Item
from verifier.contracts.mlp.claims import HIDDEN_ACTIVATIONS, LOSSES, OUTPUT_ACTIVATIONS, Claims, goes_with
from verifier.verification.corpus import draw_corpus
from verifier.verification.profiles import Profile


def draw_claims(seed: int, block: int) -> Claims:
    """The claims of a block: each key as by default or any other, with the probabilities written here."""
    generator = np.random.default_rng([seed, block])

    def some(words: tuple[str, ...], at_most: int) -> tuple[str, ...]:
        count = int(generator.integers(1, at_most + 1))
        return tuple(str(word) for word in generator.choice(words, size=count, replace=False))

    def maybe(probability: float, *values: float) -> float | None:
        return float(generator.choice(values)) if generator.random() < probability else None

    losses = some(LOSSES, 3)
    possible = tuple(word for word in OUTPUT_ACTIVATIONS if any(goes_with(word, loss) for loss in losses))
    outputs = some(possible, min(3, len(possible)))
    losses = tuple(loss for loss in losses if any(goes_with(word, loss) for word in outputs))
    logarithmic = any("entropy" in loss for loss in losses)
    return Claims(
        activations=some(HIDDEN_ACTIVATIONS, 4),
        output_activations=outputs,
        losses=losses,
        reduction=str(generator.choice(["mean", "sum", "mean_all"])),
        loss_scale=maybe(0.2, 0.5, -1.0, 3.0, 1e-3, 1e3) or 1.0,
        l2=maybe(0.3, 1e-4, 0.05, 1.0) or 0.0,
        l2_over_batch=bool(generator.random() < 0.5),
        targets=str(generator.choice(["probability", "binary", "one_hot"])) if logarithmic and generator.random() < 0.6 else None,
        bias="none" if generator.random() < 0.15 else "vector",
        batch="single" if generator.random() < 0.1 else "rows",
        dtypes=(("float64",), ("float32",), ("float64", "float32"))[int(generator.integers(3))],
        max_layers=6,
        max_width=32 if generator.random() < 0.1 else 10,
        leaky_slope=maybe(0.3, 0.0, 0.001, 0.2, 0.5) or 0.01,
        log_epsilon=maybe(0.15, 1e-12, 1e-8, 1e-4),
        clip_output=maybe(0.1, 1e-15, 1e-7, 1e-3),
        clip_preactivation=maybe(0.1, 2.0, 20.0, 50.0),
        softplus_threshold=maybe(0.2, 20.0),
    )


def draw_block(seed: int, block: int, networks: int) -> tuple[Claims, tuple[Item, ...]]:
    """A block's claims and its ordinary networks with their references, as a run of that size would draw them."""
    claims = draw_claims(seed, block)
    profile = Profile("block", networks=networks, differences=0, seed=block, kept=False)
    return claims, draw_corpus(claims, profile, seed * 1_000_003 + block, lambda done, total: None).items
