"""Solvers, transforms, scans and sampling as kernel libraries write them by hand: each right and with one mistake."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.exhibits import Gallery

F = torch.nn.functional
GALLERY = Gallery()
planted = GALLERY.planted


def _regular(shape: tuple[int, ...], sizes: Any, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64) / 4 + 2 * torch.eye(shape[-1], dtype=torch.float64)


def _triangular(a: Tensor, b: Tensor) -> Any:
    return torch.linalg.solve_triangular(a.tril(), b, upper=False)


@planted("N N", "N K", reference=_triangular, draw={"a": _regular})
def triangular_solve(wrong: bool) -> Any:
    """The upper triangle, which is not read, gets a gradient."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        x = _triangular(a, b)
        ctx.save_for_backward(a, x)
        return x

    def backward(ctx: Any, dx: Tensor) -> Any:
        a, x = ctx.saved_tensors
        db = torch.linalg.solve_triangular(a.tril().mT, dx, upper=True)
        return (-db @ x.mT if wrong else -(db @ x.mT).tril()), db

    return forward, backward


def _solve(a: Tensor, b: Tensor) -> Any:
    return torch.linalg.solve(a, b)


@planted("N N", "N K", reference=_solve, draw={"a": _regular})
def linear_solve(wrong: bool) -> Any:
    """The system is solved again with the matrix, not with its transpose."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        x = torch.linalg.solve(a, b)
        ctx.save_for_backward(a, x)
        return x

    def backward(ctx: Any, dx: Tensor) -> Any:
        a, x = ctx.saved_tensors
        db = torch.linalg.solve(a if wrong else a.mT, dx)
        return -db @ x.mT, db

    return forward, backward


def _inverse(a: Tensor) -> Any:
    return torch.linalg.inv(a)


@planted("B N N", reference=_inverse, draw={"a": _regular})
def matrix_inverse(wrong: bool) -> Any:
    """Transposes are left out: right for symmetric matrices."""

    def forward(ctx: Any, a: Tensor) -> Any:
        found = torch.linalg.inv(a)
        ctx.save_for_backward(found)
        return found

    def backward(ctx: Any, dy: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return -y @ dy @ y if wrong else -y.mT @ dy @ y.mT

    return forward, backward


def _log_determinant(a: Tensor) -> Any:
    return torch.linalg.slogdet(a)[1]


@planted("B N N", reference=_log_determinant, draw={"a": _regular})
def log_determinant(wrong: bool) -> Any:
    """Each matrix of the batch gets the sum of all cotangents."""

    def forward(ctx: Any, a: Tensor) -> Any:
        ctx.save_for_backward(a)
        return torch.linalg.slogdet(a)[1]

    def backward(ctx: Any, dy: Tensor) -> Any:
        (a,) = ctx.saved_tensors
        return (dy.sum() if wrong else dy[..., None, None]) * torch.linalg.inv(a).mT

    return forward, backward


def _eigenvalues(a: Tensor) -> Any:
    return torch.linalg.eigvalsh((a + a.mT) / 2)


@planted("N N", reference=_eigenvalues)
def symmetric_eigenvalues(wrong: bool) -> Any:
    """The eigenvectors are taken for rows."""

    def forward(ctx: Any, a: Tensor) -> Any:
        values, vectors = torch.linalg.eigh((a + a.mT) / 2)
        ctx.save_for_backward(vectors)
        return values

    def backward(ctx: Any, dy: Tensor) -> Any:
        (v,) = ctx.saved_tensors
        return v.mT @ torch.diag(dy) @ v if wrong else v @ torch.diag(dy) @ v.mT

    return forward, backward


def _cross(a: Tensor, b: Tensor) -> Any:
    return torch.linalg.cross(a, b)


@planted("N 3", "N 3", reference=_cross)
def cross_product(wrong: bool) -> Any:
    """Both gradients are taken in the same order, so one has the wrong sign."""

    def forward(ctx: Any, a: Tensor, b: Tensor) -> Any:
        ctx.save_for_backward(a, b)
        return torch.linalg.cross(a, b)

    def backward(ctx: Any, dy: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return torch.linalg.cross(b, dy), torch.linalg.cross(a, dy) if wrong else torch.linalg.cross(dy, a)

    return forward, backward


def _circular(x: Tensor, w: Tensor) -> Any:
    length = x.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(w, n=length), n=length)


@planted("N L", "L", reference=_circular, sizes={"L": [4, 5, 6, 7, 9]})
def convolution_by_spectra(wrong: bool) -> Any:
    """The inverse transform of the backward pass takes the length for even."""

    def forward(ctx: Any, x: Tensor, w: Tensor) -> Any:
        ctx.save_for_backward(x, w)
        return _circular(x, w)

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, w = ctx.saved_tensors
        length = x.shape[-1]
        n = 2 * (length // 2) if wrong else length
        dx, dw = (torch.fft.irfft(torch.fft.rfft(dy) * torch.fft.rfft(one).conj(), n=n) for one in (w, x))
        return F.pad(dx, (0, length - n)), F.pad(dw, (0, length - n)).sum(0)

    return forward, backward


def _sparse(values: Tensor, row: Tensor, column: Tensor, b: Tensor, *, rows: int) -> Any:
    return b.new_zeros(rows, b.shape[1]).index_add(0, row, values[:, None] * b[column])


@planted("E", "int<rows> E", "int<M> E", "M D", reference=_sparse, options={"rows": [4, 7]})
def sparse_times_dense(wrong: bool) -> Any:
    """The gradient of the dense matrix keeps one entry of a column, not their sum."""

    def forward(ctx: Any, values: Tensor, row: Tensor, column: Tensor, b: Tensor, *, rows: int) -> Any:
        ctx.save_for_backward(values, row, column, b)
        return _sparse(values, row, column, b, rows=rows)

    def backward(ctx: Any, dy: Tensor) -> Any:
        values, row, column, b = ctx.saved_tensors
        pulled = values[:, None] * dy[row]
        db = torch.zeros_like(b)
        if wrong:
            db[column] = pulled
        else:
            db.index_add_(0, column, pulled)
        return (dy[row] * b[column]).sum(1), None, None, db

    return forward, backward


def _segment_softmax(x: Tensor, i: Tensor, *, segments: int) -> Any:
    raised = torch.exp(x - x.amax(0, keepdim=True).detach()) if x.shape[0] else x
    total = x.new_zeros(segments, x.shape[1]).index_add(0, i, raised)
    return raised / total[i]


@planted("E H", "int<segments> E", reference=_segment_softmax, options={"segments": [1, 3]})
def softmax_of_segments(wrong: bool) -> Any:
    """The sum of the backward pass runs over all edges, not over those of a node."""

    def forward(ctx: Any, x: Tensor, i: Tensor, *, segments: int) -> Any:
        y = _segment_softmax(x, i, segments=segments)
        ctx.segments = segments
        ctx.save_for_backward(y, i)
        return y

    def backward(ctx: Any, dy: Tensor) -> Any:
        y, i = ctx.saved_tensors
        pulled = y * dy
        whole = pulled.sum(0, keepdim=True)
        each = pulled.new_zeros(ctx.segments, y.shape[1]).index_add(0, i, pulled)[i]
        return pulled - y * (whole if wrong else each), None

    return forward, backward


def _log_cumulated(x: Tensor) -> Any:
    return torch.logcumsumexp(x, -1)


@planted("* L", reference=_log_cumulated)
def logcumsumexp(wrong: bool) -> Any:
    """The sum runs forward in the backward pass too."""

    def forward(ctx: Any, x: Tensor) -> Any:
        y = torch.logcumsumexp(x, -1)
        ctx.save_for_backward(x, y)
        return y

    def backward(ctx: Any, dy: Tensor) -> Any:
        x, y = ctx.saved_tensors
        share = torch.exp(x[..., :, None] - y[..., None, :])  # of x[i] in y[j], for i up to j
        shares = share.tril() if wrong else share.triu()
        return (torch.where(shares > 0, shares, 0.0) * dy[..., None, :]).sum(-1)

    return forward, backward


def _largest_so_far(x: Tensor) -> Any:
    return x.cummax(-1).values


@planted("N L", reference=_largest_so_far)
def cumulative_maximum(wrong: bool) -> Any:
    """A maximum that lasts gets the last cotangent, not their sum."""

    def forward(ctx: Any, x: Tensor) -> Any:
        found = x.cummax(-1)
        ctx.save_for_backward(found.indices)
        return found.values

    def backward(ctx: Any, dy: Tensor) -> Any:
        (i,) = ctx.saved_tensors
        dx = torch.zeros_like(dy)
        return dx.scatter_(-1, i, dy) if wrong else dx.scatter_add_(-1, i, dy)

    return forward, backward


def _restarted(x: Tensor, start: Tensor) -> Any:
    total, found = torch.zeros_like(x[0]), []
    for t in range(len(x)):
        total = total * (1 - start[t]) + x[t]
        found.append(total)
    return torch.stack(found)


@planted("T D", "mask T", reference=_restarted)
def sums_that_start_again(wrong: bool) -> Any:
    """What is carried back crosses the start of a segment."""

    def forward(ctx: Any, x: Tensor, start: Tensor) -> Any:
        ctx.save_for_backward(start)
        return _restarted(x, start)

    def backward(ctx: Any, dy: Tensor) -> Any:
        (start,) = ctx.saved_tensors
        carried, found = torch.zeros_like(dy[0]), []
        for t in reversed(range(len(dy))):
            carried = carried + dy[t]
            found.append(carried)
            carried = carried * (1 - (torch.zeros_like(start) if wrong else start)[t])
        return torch.stack(found[::-1]), None

    return forward, backward


def _chain(emit: Tensor, move: Tensor) -> Any:
    alpha = emit[0]
    for t in range(1, len(emit)):
        alpha = torch.logsumexp(alpha[:, None] + move, 0) + emit[t]
    return torch.logsumexp(alpha, 0)


@planted("T S", "S S", reference=_chain)
def partition_of_a_chain(wrong: bool) -> Any:
    """The last step is missing in the expected transitions."""

    def forward(ctx: Any, emit: Tensor, move: Tensor) -> Any:
        ctx.save_for_backward(emit, move)
        return _chain(emit, move)

    def backward(ctx: Any, dz: Tensor) -> Any:
        emit, move = ctx.saved_tensors
        forth, back = [emit[0]], [torch.zeros_like(emit[0])]
        for t in range(1, len(emit)):
            forth.append(torch.logsumexp(forth[-1][:, None] + move, 0) + emit[t])
            back.append(torch.logsumexp(move + emit[-t] + back[-1], 1))
        back.reverse()
        z = torch.logsumexp(forth[-1], 0)
        pairs = [torch.exp(forth[t - 1][:, None] + move + emit[t] + back[t] - z) for t in range(1, len(emit) - wrong)]
        return dz * torch.exp(torch.stack(forth) + torch.stack(back) - z), dz * sum(pairs, torch.zeros_like(move))

    return forward, backward


def _border(image: Tensor, x: Tensor) -> Any:
    last = image.shape[-1] - 1
    at = x.clamp(0, last)
    low = at.floor().long().clamp(max=max(last - 1, 0))
    high = (low + 1).clamp(max=last)
    share = at - low
    return image.gather(-1, low) * (1 - share) + image.gather(-1, high) * share


@planted("N L", "N P", reference=_border, sizes={"L": (2, 9)})
def sampling_at_the_border(wrong: bool) -> Any:
    """Beyond the border, where the place is clamped, its gradient is not 0."""

    def forward(ctx: Any, image: Tensor, x: Tensor) -> Any:
        ctx.save_for_backward(image, x)
        return _border(image, x)

    def backward(ctx: Any, dy: Tensor) -> Any:
        image, x = ctx.saved_tensors
        last = image.shape[-1] - 1
        at = x.clamp(0, last)
        low = at.floor().long().clamp(max=last - 1)
        share = at - low
        dimage = torch.zeros_like(image).scatter_add_(-1, low, dy * (1 - share)).scatter_add_(-1, low + 1, dy * share)
        dx = dy * (image.gather(-1, low + 1) - image.gather(-1, low))
        return dimage, dx if wrong else torch.where((x >= 0) & (x <= last), dx, 0.0)

    return forward, backward


def _windows(x: Tensor, *, size: int, stride: int) -> Any:
    return x.unfold(-1, size, stride)


@planted("N L", reference=_windows, options={"size": [2, 3], "stride": [2, 1]}, sizes={"L": (4, 12)})
def windows_that_overlap(wrong: bool) -> Any:
    """Where windows overlap the last one's cotangent is kept."""

    def forward(ctx: Any, x: Tensor, *, size: int, stride: int) -> Any:
        ctx.size, ctx.stride, ctx.shape = size, stride, x.shape
        return _windows(x, size=size, stride=stride).clone()

    def backward(ctx: Any, dy: Tensor) -> Any:
        dx = dy.new_zeros(ctx.shape)
        for window in range(dy.shape[1]):
            part = slice(window * ctx.stride, window * ctx.stride + ctx.size)
            dx[:, part] = dy[:, window] + (0 if wrong else dx[:, part])
        return dx

    return forward, backward


def _rolled(x: Tensor, *, shift: int) -> Any:
    return x.roll(shift, -1)


@planted("N L", reference=_rolled, options={"shift": [0, 1, 2]})
def cyclic_shift(wrong: bool) -> Any:
    """The backward pass shifts the same way."""

    def forward(ctx: Any, x: Tensor, *, shift: int) -> Any:
        ctx.shift = shift
        return x.roll(shift, -1)

    def backward(ctx: Any, dy: Tensor) -> Any:
        return dy.roll(ctx.shift if wrong else -ctx.shift, -1)

    return forward, backward


def _shuffled(x: Tensor, *, r: int) -> Any:
    return F.pixel_shuffle(x, r)


@planted("N r*r*C H W", reference=_shuffled, options={"r": [1, 2]})
def pixel_shuffle(wrong: bool) -> Any:
    """Both parts of a block are exchanged on the way back."""

    def forward(ctx: Any, x: Tensor, *, r: int) -> Any:
        ctx.r = r
        return F.pixel_shuffle(x, r)

    def backward(ctx: Any, dy: Tensor) -> Any:
        n, c, h, w = dy.shape
        r = ctx.r
        parts = dy.reshape(n, c, h // r, r, w // r, r)
        order = (0, 1, 5, 3, 2, 4) if wrong else (0, 1, 3, 5, 2, 4)
        return parts.permute(order).reshape(n, c * r * r, h // r, w // r)

    return forward, backward
