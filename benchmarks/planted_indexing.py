"""Indices, windows, transforms and memory, written by hand in PyTorch, each right and with one mistake."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.exhibits import Gallery

F = torch.nn.functional
GALLERY = Gallery()
planted = GALLERY.planted


def _index_add(x: Tensor, i: Tensor, source: Tensor, *, alpha: float) -> Any:
    return x.index_add(0, i, source, alpha=alpha)


@planted("V D", "int<V> L", "L D", reference=_index_add, options={"alpha": [1.0, 0.5]})
def index_add(wrong: bool) -> Any:
    """The source's gradient is not scaled by alpha."""

    def forward(ctx: Any, x: Tensor, i: Tensor, source: Tensor, *, alpha: float) -> Any:
        ctx.alpha = 1.0 if wrong else alpha
        ctx.save_for_backward(i)
        return x.index_add(0, i, source, alpha=alpha)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (i,) = ctx.saved_tensors
        return dy, None, ctx.alpha * dy[i]

    return forward, backward


def _segment_mean(x: Tensor, i: Tensor, *, segments: int) -> Any:
    total = x.new_zeros(segments, x.shape[1]).index_add(0, i, x)
    return total / torch.bincount(i, minlength=segments).clamp_min(1)[:, None]


@planted("L D", "int<segments> L", reference=_segment_mean, options={"segments": [4]})
def segment_mean(wrong: bool) -> Any:
    """The gradient is divided by the number of segments, not of the segment's rows."""

    def forward(ctx: Any, x: Tensor, i: Tensor, *, segments: int) -> Any:
        ctx.save_for_backward(i, torch.bincount(i, minlength=segments).clamp_min(1))
        return _segment_mean(x, i, segments=segments)

    def backward(ctx: Any, dy: Tensor) -> Any:
        i, counts = ctx.saved_tensors
        return (dy / len(counts) if wrong else dy / counts[:, None])[i], None

    return forward, backward


def _bag(weight: Tensor, i: Tensor, each: Tensor) -> Any:
    return (weight[i] * each[..., None]).sum(1)


@planted("V D", "int<V> N L", "N L", reference=_bag)
def embedding_bag(wrong: bool) -> Any:
    """An index that comes twice adds once; the weights of the samples are right."""

    def forward(ctx: Any, weight: Tensor, i: Tensor, each: Tensor) -> Any:
        ctx.save_for_backward(weight, i, each)
        return _bag(weight, i, each)

    def backward(ctx: Any, dy: Tensor) -> Any:
        weight, i, each = ctx.saved_tensors
        rows = (dy[:, None] * each[..., None]).reshape(-1, weight.shape[1])
        dw = torch.zeros_like(weight).index_put((i.reshape(-1),), rows, accumulate=not wrong)
        return dw, None, (weight[i] * dy[:, None]).sum(-1)

    return forward, backward


def _padded_embedding(weight: Tensor, i: Tensor) -> Any:
    return F.embedding(i, weight, padding_idx=0)


@planted("V D", "int<V> N L", reference=_padded_embedding)
def padding_row(wrong: bool) -> Any:
    """The padding row gets a gradient."""

    def forward(ctx: Any, weight: Tensor, i: Tensor) -> Any:
        ctx.save_for_backward(weight, i)
        return weight[i]

    def backward(ctx: Any, dy: Tensor) -> Any:
        weight, i = ctx.saved_tensors
        dw = torch.zeros_like(weight).index_put((i,), dy, accumulate=True)
        if not wrong:
            dw[0] = 0
        return dw, None

    return forward, backward


def _largest(x: Tensor, *, k: int) -> Any:
    return torch.topk(x, k, -1).values


@planted("N L", reference=_largest, options={"k": [1, 2, 3]}, require=("k <= L",))
def top_k(wrong: bool) -> Any:
    """The gradient of all but the largest goes where the largest is."""

    def forward(ctx: Any, x: Tensor, *, k: int) -> Any:
        values, places = torch.topk(x, k, -1)
        ctx.save_for_backward(x, places)
        return values

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, places = ctx.saved_tensors
        return torch.zeros_like(x).scatter_add(-1, places[:, :1].expand(dy.shape) if wrong else places, dy)

    return forward, backward


@planted("N L", reference=lambda x: torch.sort(x, -1).values)
def sort_by_the_inverse(wrong: bool) -> Any:
    """The order is applied, not undone."""

    def forward(ctx: Any, x: Tensor) -> Any:
        values, order = torch.sort(x, -1)
        ctx.save_for_backward(order)
        return values

    def backward(ctx: Any, dy: Tensor) -> Any:
        (order,) = ctx.saved_tensors
        return dy.gather(-1, order) if wrong else torch.zeros_like(dy).scatter(-1, order, dy)

    return forward, backward


@planted("N L", reference=lambda x: x.amax(-1))
def maximum_at_ties(wrong: bool) -> Any:
    """Every tied element gets the whole gradient."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x, x.amax(-1))
        return x.amax(-1)

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, largest = ctx.saved_tensors
        hit = (x == largest[:, None]).to(x)
        return dy[:, None] * (hit if wrong else hit / hit.sum(-1, keepdim=True))

    return forward, backward


def _mean_windows(x: Tensor, *, padding: int, count_include_pad: bool) -> Any:
    return F.avg_pool1d(x, 3, 2, padding, count_include_pad=count_include_pad)


@planted("N C L", reference=_mean_windows, options={"padding": [0, 1], "count_include_pad": [True, False]}, require=("L + 2*padding >= 3",))
def average_beside_the_padding(wrong: bool) -> Any:
    """The gradient of windows at the border is divided by their whole length, whatever counts."""

    def forward(ctx: Any, x: Tensor, *, padding: int, count_include_pad: bool) -> Any:
        ctx.kept = padding, count_include_pad
        ctx.save_for_backward(x)
        return _mean_windows(x, padding=padding, count_include_pad=count_include_pad)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        padding, include = ctx.kept
        dx = torch.zeros_like(x)
        for place in range(dy.shape[-1]):
            begin, end = place * 2 - padding, place * 2 - padding + 3
            inside = slice(max(begin, 0), min(end, x.shape[-1]))
            count = 3 if include or wrong else inside.stop - inside.start
            dx[..., inside] += dy[..., place : place + 1] / count
        return dx

    return forward, backward


def _convolution(x: Tensor, weight: Tensor, *, dilation: int, groups: int) -> Any:
    return F.conv1d(x, weight, dilation=dilation, groups=groups)


@planted(
    "N groups*I L",
    "groups*O I K",
    reference=_convolution,
    options={"dilation": [1, 2], "groups": [1, 2]},
    require=("L > dilation*(K-1)",),
    sizes={"K": (1, 3)},
    typical={"K": 2, "L": 6},
)
def dilated_convolution(wrong: bool) -> Any:
    """The weight's gradient reads its input without dilation."""

    def forward(ctx: Any, x: Tensor, weight: Tensor, *, dilation: int, groups: int) -> Any:
        ctx.kept = dilation, groups
        ctx.save_for_backward(x, weight)
        return F.conv1d(x, weight, dilation=dilation, groups=groups)

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        dilation, groups = ctx.kept
        dx, dw, length = torch.zeros_like(x), torch.zeros_like(weight), dy.shape[-1]
        for group in range(groups):
            ins = slice(group * x.shape[1] // groups, (group + 1) * x.shape[1] // groups)
            outs = slice(group * len(weight) // groups, (group + 1) * len(weight) // groups)
            for k in range(weight.shape[-1]):
                at = k * dilation
                dx[:, ins, at : at + length] += torch.einsum("nol,oi->nil", dy[:, outs], weight[outs, :, k])
                read = k if wrong else at
                dw[outs, :, k] = torch.einsum("nol,nil->oi", dy[:, outs], x[:, ins, read : read + length])
        return dx, dw

    return forward, backward


def _enlarged(x: Tensor, *, align_corners: bool) -> Any:
    return F.interpolate(x, size=7, mode="linear", align_corners=align_corners)


@planted("N C L", reference=_enlarged, options={"align_corners": [False, True]})
def linear_upsampling(wrong: bool) -> Any:
    """Without aligned corners the backward pass places its samples as with them."""

    def forward(ctx: Any, x: Tensor, *, align_corners: bool) -> Any:
        ctx.aligned = align_corners or wrong
        ctx.length = x.shape[-1]
        return _enlarged(x, align_corners=align_corners)

    def backward(ctx: Any, dy: Tensor) -> Any:
        units = torch.eye(ctx.length, dtype=dy.dtype)[None]
        return dy @ _enlarged(units, align_corners=ctx.aligned)[0].T

    return forward, backward


def _nearest(x: Tensor) -> Any:
    return F.interpolate(x, size=5, mode="nearest")


@planted("N C L", reference=_nearest)
def nearest_upsampling(wrong: bool) -> Any:
    """An element that is read twice gets the gradient of its last copy."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.length = x.shape[-1]
        return _nearest(x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        places = _nearest(torch.arange(ctx.length, dtype=dy.dtype).reshape(1, 1, -1)).long().reshape(-1)
        dx = dy.new_zeros(*dy.shape[:-1], ctx.length)
        if wrong:
            dx[..., places] = dy
        else:
            dx.index_add_(-1, places, dy)
        return dx

    return forward, backward


def _reflected(x: Tensor) -> Any:
    return F.pad(x, (1, 1), mode="reflect")


@planted("N C L", reference=_reflected, sizes={"L": (2, 40)})
def reflected_border(wrong: bool) -> Any:
    """What the border reflects adds nothing to the element that it came from."""

    def forward(ctx: Any, x: Tensor) -> Any:
        return _reflected(x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        dx = dy[..., 1:-1].clone()
        if not wrong:
            dx[..., 1] += dy[..., 0]
            dx[..., -2] += dy[..., -1]
        return dx

    return forward, backward


def _sampled(table: Tensor, at: Tensor) -> Any:
    place = (at * (len(table) - 1)).clamp(0, len(table) - 1)
    low = place.floor().long().clamp_max(len(table) - 2)
    part = place - low
    return table[low] * (1 - part) + table[low + 1] * part


@planted("L", "unit N", reference=_sampled, sizes={"L": (2, 40)})
def interpolation_in_a_table(wrong: bool) -> Any:
    """The slope along the table is not multiplied by the number of its intervals."""

    def forward(ctx: Any, table: Tensor, at: Tensor) -> Any:
        ctx.save_for_backward(table, at)
        return _sampled(table, at)

    def backward(ctx: Any, dy: Tensor) -> Any:
        table, at = ctx.saved_tensors
        place = at * (len(table) - 1)
        low = place.floor().long().clamp_max(len(table) - 2)
        part = place - low
        dtable = torch.zeros_like(table).index_add(0, low, dy * (1 - part)).index_add(0, low + 1, dy * part)
        return dtable, dy * (table[low + 1] - table[low]) * (1 if wrong else len(table) - 1)

    return forward, backward


def _spectrum(x: Tensor) -> Any:
    return torch.fft.rfft(x).abs().square()


@planted("N L", reference=_spectrum)
def half_spectrum(wrong: bool) -> Any:
    """Every frequency but the first is counted twice; with an even length the last one is not."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x)
        return _spectrum(x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        length = x.shape[-1]
        halves = 2 * dy * torch.fft.rfft(x)
        once = torch.full((dy.shape[-1],), 0.5, dtype=x.dtype)
        once[0] = 1
        if length % 2 == 0 and not wrong:
            once[-1] = 1
        return torch.fft.irfft(halves * once, n=length) * length

    return forward, backward


def _product(a: Tensor, b: Tensor) -> Any:
    return torch.complex(a, b) * torch.complex(b, -a)


@planted("N D", "N D", reference=_product)
def complex_product(wrong: bool) -> Any:
    """The factor is not conjugated."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        ctx.save_for_backward(torch.complex(a, b), torch.complex(b, -a))
        return torch.complex(a, b) * torch.complex(b, -a)

    def backward(ctx: Any, dy: Tensor) -> Any:
        one, two = ctx.saved_tensors
        done, dtwo = (dy * two, dy * one) if wrong else (dy * two.conj(), dy * one.conj())
        return done.real - dtwo.imag, done.imag + dtwo.real

    return forward, backward


@planted("* N K", "K M", reference=lambda a, b: a @ b)
def product_of_a_batch(wrong: bool) -> Any:
    """The shared matrix gets the gradient of the first matrix of the batch."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        ctx.save_for_backward(a, b)
        return a @ b

    def backward(ctx: Any, dy: Tensor) -> Any:
        a, b = ctx.saved_tensors
        rows, slopes = a.reshape(-1, *a.shape[-2:]), dy.reshape(-1, *dy.shape[-2:])
        shared = rows.transpose(1, 2) @ slopes
        return dy @ b.T, shared[0] if wrong else shared.sum(0)

    return forward, backward


def _prefix(x: Tensor, i: Tensor) -> Any:
    return x.cumsum(0)[i]


@planted("L D", "int<L> N", reference=_prefix)
def sums_up_to_an_index(wrong: bool) -> Any:
    """The sum runs up to the element before the index."""

    def forward(ctx: Any, x: Tensor, i: Tensor) -> Any:
        ctx.save_for_backward(i)
        ctx.length = len(x)
        return _prefix(x, i)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (i,) = ctx.saved_tensors
        at = dy.new_zeros(ctx.length + 1, dy.shape[1]).index_add(0, i if wrong else i + 1, dy)
        return at.flip(0).cumsum(0).flip(0)[1:], None

    return forward, backward


@planted("N", reference=lambda x: torch.sinc(x))
def sinc_at_zero(wrong: bool) -> Any:
    """0/0 at 0, where the slope is 0."""

    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(x)
        return torch.sinc(x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        slope = (torch.cos(torch.pi * x) - torch.sinc(x)) / x
        return dy * (slope if wrong else torch.where(x == 0, 0.0, slope))

    return forward, backward
