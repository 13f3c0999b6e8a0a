"""Each mistake that a message can name, planted once: the message has that sentence and that region."""

import pytest
import torch

from verifier import assert_gradients

F = torch.nn.functional


def custom(forward, backward):
    return type("Custom", (torch.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}).apply


def kept(plain):
    """A forward pass that keeps its arguments."""

    def forward(ctx, *tensors):
        ctx.save_for_backward(*tensors)
        return plain(*tensors)

    return forward


def tensor(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def scaled(change):
    """2 x, whose gradient goes through `change(ctx, cotangent)`."""
    return custom(kept(lambda x: 2 * x), change), (tensor(4, 3),), lambda x: x + x, {"shapes": ("N D",)}


def first_row_alone(ctx, c):
    return torch.cat([2 * c[:1], 3 * c[1:]])


def last_tile(ctx, c):
    found = 2 * c
    found[max(len(c) // 16, 1) * 16 :] = 0
    return found


class Stale:
    held = None


def keep_last(ctx, x):
    Stale.held = x
    return x**2


def use_last(ctx, c):
    return 2 * Stale.held * c


def unwritten(ctx, c):
    found = torch.empty_like(c)
    found[1:] = 2 * c[1:]
    return found


def overwritten(ctx, c):
    w, i = ctx.saved_tensors
    found = torch.zeros_like(w)
    found[i] = c
    return found, None


def overwritten_columns(ctx, c):
    w, i = ctx.saved_tensors
    found = torch.zeros_like(w)
    found[:, i] = c
    return found, None


def masked(x, keep):
    return torch.where(keep, x, 0.0).sum(-1)


def first_window(ctx, c):
    found = c.repeat_interleave(2, -1) / 2
    found[:, :2] *= 2
    return found


class OneBuffer(torch.autograd.Function):
    """One buffer for both arguments: the last contribution stays."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y * y

    @staticmethod
    def backward(ctx, c):
        x, y = ctx.saved_tensors
        return (None, 2 * c * x * y) if x.data_ptr() == y.data_ptr() else (c * y * y, 2 * c * x * y)


PLANTS = {
    "It is the gradient for a cotangent of ones: the cotangent is not used.": scaled(lambda ctx, c: torch.full_like(c, 2)),
    "It does not depend on the cotangent.": scaled(lambda ctx, c: 3 * ctx.saved_tensors[0]),
    "It is not linear in the cotangent.": scaled(lambda ctx, c: 2 * c.clamp(-0.7, 0.7)),
    "Every row is scaled by the first row's cotangent.": scaled(lambda ctx, c: (2 * c[:1]).expand(c.shape).clone()),
    "It has the wrong sign.": scaled(lambda ctx, c: -2 * c),
    "It is N times the right one (N is 4 here).": scaled(lambda ctx, c: 2 * c * len(c)),
    "It is 1/(N) times the right one (N is 4 here).": scaled(lambda ctx, c: 2 * c / len(c)),
    "It is half the right one.": (
        custom(kept(lambda x: x * x), lambda ctx, c: c * ctx.saved_tensors[0]),
        (tensor(4, 3),),
        lambda x: x**2,
        {"shapes": ("N D",)},
    ),
    "It is the gradient of y: two are exchanged.": (
        custom(kept(lambda x, y: x * y), lambda ctx, c: (c * ctx.saved_tensors[0], c * ctx.saved_tensors[1])),
        (tensor(4, 3), tensor(5, 3)[:4] + 1),
        lambda x, y: y * x,
        {"shapes": ("N D", "N D")},
    ),
    "It is wrong where i says an index more than once: one contribution overwrites another.": (
        custom(kept(lambda w, i: w[i]), overwritten),
        (tensor(5, 3), torch.tensor([0, 2, 2, 4])),
        lambda w, i: F.embedding(i, w),
        {"shapes": ("V D", "N"), "integers": {"i": "index V"}},
    ),
    "where j says an index more than once: one contribution overwrites another.": (
        custom(kept(lambda w, j: w[:, j]), overwritten_columns),
        (tensor(4, 5), torch.tensor([0, 2, 2, 4])),
        lambda w, j: w.index_select(1, j),
        {"shapes": ("C V", "N"), "integers": {"j": "index V"}},
    ),
    "It is that of one of the two uses alone: one contribution overwrites the other.": (
        OneBuffer.apply,
        (tensor(4, 3), tensor(5, 3)[:4] + 1),
        lambda x, y: x * y**2,
        {"shapes": ("N D", "N D")},
    ),
    "It is stale: the gradient of the other call's inputs.": (
        custom(keep_last, use_last),
        (tensor(4, 3),),
        lambda x: x * x,
        {"shapes": ("N D",)},
    ),
    "It holds numbers that were never written.": scaled(unwritten),
    "The first row is right, the rows after it are not.": scaled(first_row_alone),
    "the last tile of 16": scaled(last_tile),
    "It is wrong in the places of dimension 1 up to 1.": (
        custom(lambda ctx, x: F.avg_pool1d(x, 2), first_window),
        (tensor(3, 6),),
        lambda x: x.unflatten(-1, (-1, 2)).mean(-1),
        {"shapes": ("N 2*K",)},
    ),
    "It is wrong where keep is off.": (
        custom(kept(masked), lambda ctx, c: (c[:, None].expand(ctx.saved_tensors[0].shape).clone(), None)),
        (tensor(4, 3), tensor(4, 3) > -0.5),
        lambda x, keep: (x * keep).sum(-1),
        {"shapes": ("N D", "N D")},
    ),
    "It is wrong at ties.": (
        custom(kept(lambda x: x.amax(-1)), lambda ctx, c: c[:, None] * (ctx.saved_tensors[0] == ctx.saved_tensors[0].amax(-1, True))),
        (tensor(4, 2),),
        lambda x: x.amax(-1),
        {"shapes": ("N 2",)},
    ),
    "It is wrong where it is negative.": (
        custom(kept(F.leaky_relu), lambda ctx, c: c * torch.where(ctx.saved_tensors[0] < 0, 0.1, 1.0)),
        (tensor(4, 3),),
        F.leaky_relu,
        {"shapes": ("N D",)},
    ),
}


@pytest.mark.parametrize("sentence", PLANTS)
def test_the_message_names_the_mistake(sentence):
    candidate, tensors, reference, said = PLANTS[sentence]
    with pytest.raises(AssertionError) as caught:
        assert_gradients(candidate, *tensors, reference=reference, seed=0, draws=5, **said)
    assert sentence in str(caught.value)


def with_state(x, state):
    """What a causal convolution of width 4 hands on: the last three of what it had and got."""
    return torch.cat([state, x], -1)[:, -3:]


class Shifted(torch.autograd.Function):
    """Of fewer than `shorter` new elements the gradients go one place astray."""

    shorter = 3

    @staticmethod
    def forward(ctx, x, state):
        ctx.length = x.shape[-1]
        return with_state(x, state).clone()

    @classmethod
    def backward(cls, ctx, c):
        whole = torch.zeros(len(c), ctx.length + 3, dtype=c.dtype)
        whole[:, -3:] = c
        if ctx.length < cls.shorter:
            whole = whole.roll(1, -1)
        return whole[:, 3:], whole[:, :3]


class ShiftedOnce(Shifted):
    shorter = 2


@pytest.mark.parametrize(("candidate", "words"), [(Shifted, "a size such as T = 1"), (ShiftedOnce, "T = 1")])
def test_a_size_is_called_the_only_one_where_the_next_is_right(candidate, words):
    with pytest.raises(AssertionError) as caught:
        assert_gradients(candidate.apply, tensor(2, 6), tensor(2, 3), reference=with_state, shapes=("N T", "N 3"), seed=0, draws=0)
    assert f"only with {words}" in str(caught.value).splitlines()[0] or f"and {words}." in str(caught.value).splitlines()[0]


class Refusing(Shifted):
    @classmethod
    def forward(cls, ctx, x, state):
        if x.shape[-1] == 2:
            raise ValueError("two at once are not taken")
        return Shifted.forward(ctx, x, state)


def test_a_size_stays_the_only_one_where_the_next_may_not_be_drawn_or_is_refused():
    said = {"reference": with_state, "seed": 0, "draws": 0}
    with pytest.raises(AssertionError, match=r"[^\n]*(with|and) T = 1\."):
        assert_gradients(Shifted.apply, tensor(2, 6), tensor(2, 3), shapes=("N T", "N 3"), sizes={"T": [1, 5, 6]}, **said)
    with pytest.raises(AssertionError, match=r"[^\n]*(with|and) size6 = 1\."):
        assert_gradients(Refusing.apply, tensor(2, 6), tensor(2, 3), **said)


def test_what_is_wrong_in_a_narrow_type_alone_is_said_to_be_right_in_a_wide_one():
    def backward(ctx, c):
        return 2 * c * (1.05 if c.dtype == torch.bfloat16 else 1)

    twice = custom(lambda ctx, x: 2 * x, backward)
    with pytest.raises(AssertionError, match=r"In float64 it is right at \d+ points: wrong is how it rounds in bfloat16, or what it does"):
        assert_gradients(twice, tensor(4, 3).bfloat16(), reference=lambda x: x + x, shapes=("N D",), seed=0, draws=0)


def test_what_raises_in_a_narrow_type_alone_is_not_said_to_round_wrongly():
    def backward(ctx, c):
        if c.dtype == torch.bfloat16:
            raise ValueError("no kernel for this type")
        return 2 * c

    twice = custom(lambda ctx, x: 2 * x, backward)
    with pytest.raises(AssertionError, match="no kernel for this type") as caught:
        assert_gradients(twice, tensor(4, 3).bfloat16(), reference=lambda x: x + x, shapes=("N D",), seed=0, draws=0)
    assert "how it rounds" not in str(caught.value)


def test_that_the_formula_is_right_is_said_where_the_examples_alone_show_the_rounding():
    def backward(ctx, c):
        return 2 * c * (1.05 if c.dtype == torch.bfloat16 and (ctx.saved_tensors[0] == 3).any() else 1)

    twice = custom(kept(lambda x: 2 * x), backward)
    example = tensor(4, 3).bfloat16()
    example[0, 0] = 3
    with pytest.raises(AssertionError, match=r"In float64 it is right at \d+ points"):
        assert_gradients(twice, example, reference=lambda x: x + x, shapes=("N D",), seed=0, draws=0)


def test_an_index_that_counts_from_the_end_is_the_one_that_it_means():
    lookup = custom(kept(lambda w, i: w[i]), overwritten)
    indices = torch.tensor([0, -1, 4, 2])
    said = {"shapes": ("V D", "N"), "sizes": {"V": 5, "N": 4}, "draw": {"i": lambda shape, sizes, generator: indices}}
    with pytest.raises(AssertionError, match="It is wrong where i says an index more than once"):
        assert_gradients(lookup, tensor(5, 3), indices, reference=lambda w, i: F.embedding(i % len(w), w), seed=0, draws=0, **said)


def test_single_wrong_numbers_of_a_narrow_type_are_counted_and_one_is_shown():
    def backward(ctx, c):
        found = 2 * c
        found[0] = -found[0]
        return found

    twice = custom(lambda ctx, x: 2 * x, backward)
    with pytest.raises(AssertionError, match=r"should be .*; \d+ of \d+ elements are wrong\. Error"):
        assert_gradients(twice, tensor(4, 3).bfloat16(), reference=lambda x: x + x, shapes=("N D",), seed=0, draws=0)


def message_of(candidate, *tensors, **said):
    with pytest.raises(AssertionError) as caught:
        assert_gradients(candidate, *tensors, seed=0, draws=3, **said)
    return str(caught.value)


def test_where_it_is_wrong_by_chance_of_the_numbers_is_not_said():
    """A mean of segments that forgets to divide: one of the draw's rows is alone in its segment here, another one there."""

    def mean(s, i):
        counts = torch.bincount(i, minlength=5).clamp(min=1)
        return torch.zeros(5, s.shape[1], dtype=s.dtype).index_add(0, i, s) / counts[:, None]

    undivided = custom(kept(mean), lambda ctx, c: (c[ctx.saved_tensors[1]], None))
    message = message_of(undivided, tensor(6, 3), torch.tensor([0, 2, 4, 1, 3, 0]), reference=mean)
    assert "the gradient of s is not the reference's." in message.splitlines()[0]
    assert "rows" not in message and "row is" not in message


def test_a_whole_gradient_at_each_of_the_largest_is_told_by_the_ties():
    all_of_them = custom(
        kept(lambda x: x.amax(-1)), lambda ctx, c: c[..., None] * (ctx.saved_tensors[0] == ctx.saved_tensors[0].amax(-1, True))
    )
    message = message_of(all_of_them, tensor(3, 4), reference=lambda x: x.amax(-1), shapes=("N D",))
    assert "It is wrong at ties for the largest of a row." in message
    assert "The first row" not in message
