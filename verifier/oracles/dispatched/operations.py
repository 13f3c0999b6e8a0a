"""What each ATen operation does with rounding: it rounds, sums, only moves, decides, or is made of smaller ones that do.

The names are ATen's, without overload; an operation that stands in no list rounds each of its results once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch._ops import OpOverload

from verifier.oracles.dispatched.primitives import PRIMITIVES


class Kind(Enum):
    """How an operation's results come to be."""

    MOVES = "moves"  # the results hold numbers that were there before: copies, selections, signs, what is drawn or filled in
    DECIDES = "decides"  # floating results that jump: sign, floor
    # Many numbers enter each result, in an order that is nobody's business, or one and the zeros of a function: the operands wander too.
    SUMS = "sums"
    DECOMPOSES = "decomposes"  # replaced by the primitives that it is made of
    ROUNDS = "rounds"


@dataclass(frozen=True)
class Treatment:
    """How one overload is treated.

    Attributes:
        kind: see there.
        absolute: whether right forms of it lose the digits of a small result (σ = ½(1 + tanh(x/2)) is right to an ε of 1, not of σ).
        decomposition: its primitives, for one that decomposes.
        written: the arguments that it writes into, by position and name.
        fresh: whether it gives tensors of its own.
        views: whether each result shares its memory with an argument that stays as it was.
    """

    kind: Kind
    absolute: bool
    decomposition: Callable[..., Any] | None
    written: tuple[tuple[int, str], ...]
    fresh: bool
    views: bool


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MOVES = _names(
    """
    neg negative abs relu clamp clamp_min clamp_max clip hardtanh threshold maximum minimum fmax fmin amax amin max min aminmax sort msort
    topk kthvalue median nanmedian mode cummax cummin _cummax_helper _cummin_helper max_pool1d_with_indices max_pool2d_with_indices
    max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d max_unpool2d max_unpool3d
    gather take index _unsafe_index index_select masked_select masked_fill masked_scatter where cat stack clone copy _to_copy to
    flip roll rot90 repeat tril triu diag_embed constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
    replication_pad2d replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle embedding scatter index_copy
    index_fill fill zero slice_scatter select_scatter diagonal_scatter as_strided_scatter slice_backward select_backward diagonal_backward
    trace_backward value_selecting_reduction_backward _unsafe_view lift lift_fresh detach alias empty empty_like empty_strided
    new_empty new_empty_strided new_full new_zeros new_ones full full_like zeros zeros_like ones ones_like arange range linspace
    logspace eye
    scalar_tensor nan_to_num conj_physical complex real imag hardshrink upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d im2col block_diag resize_ set_ copysign
    masked_select_backward index_select_backward _reshape_from_tensor split_with_sizes_copy unbind_copy view_copy expand_copy permute_copy
    rand rand_like randn randn_like bernoulli normal uniform exponential geometric cauchy log_normal random multinomial randint randperm
    _local_scalar_dense _efficientzerotensor _conj _neg_view
    """
)

_DECIDES = _names("sign sgn floor ceil round trunc heaviside floor_divide")

_SUMS = _names(
    """
    mm bmm addmm baddbmm addmv mv dot vdot addbmm addr sum mean nansum prod cumsum cumprod logcumsumexp trace convolution
    convolution_backward convolution_overrideable _convolution slow_conv2d_forward slow_conv_transpose2d slow_conv_transpose3d
    cudnn_convolution avg_pool1d avg_pool2d avg_pool3d avg_pool2d_backward avg_pool3d_backward _adaptive_avg_pool2d _adaptive_avg_pool3d
    _adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward scatter_add scatter_reduce index_add index_put _index_put_impl
    _unsafe_index_put index_reduce embedding_dense_backward _embedding_bag _embedding_bag_forward_only _embedding_bag_dense_backward
    upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d upsample_linear1d_backward upsample_bilinear2d_backward
    upsample_trilinear3d_backward upsample_bicubic2d_backward upsample_nearest1d_backward upsample_nearest2d_backward
    upsample_nearest3d_backward grid_sampler_2d grid_sampler_3d grid_sampler_2d_backward grid_sampler_3d_backward _cdist_forward
    _cdist_backward _pdist_forward _pdist_backward _ctc_loss _ctc_loss_backward _fft_r2c _fft_c2r _fft_c2c segment_reduce
    _segment_reduce_backward max_pool2d_with_indices_backward max_pool3d_with_indices_backward adaptive_max_pool2d_backward
    adaptive_max_pool3d_backward reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward replication_pad1d_backward
    replication_pad2d_backward replication_pad3d_backward col2im linalg_vector_norm norm _linalg_det _linalg_slogdet _linalg_svd
    _linalg_eigh _linalg_eigvals
    _linalg_solve_ex linalg_inv_ex linalg_cholesky_ex linalg_solve_triangular linalg_qr linalg_lu linalg_lu_factor_ex linalg_lu_solve
    linalg_eig linalg_lstsq linalg_householder_product linalg_ldl_factor_ex linalg_ldl_solve linalg_matrix_exp linalg_pinv cholesky
    cholesky_solve cholesky_inverse triangular_solve lu_unpack geqrf ormqr _thnn_fused_lstm_cell _thnn_fused_gru_cell
    _thnn_fused_lstm_cell_backward_impl _thnn_fused_gru_cell_backward _trilinear unfold_backward histc
    lgamma digamma polygamma sinc
    """
)

# By PyTorch's own decompositions; others stand in `primitives`.
_DECOMPOSES = _names(
    """
    native_layer_norm_backward native_group_norm_backward native_batch_norm native_batch_norm_backward
    _native_batch_norm_legit _native_batch_norm_legit_functional _native_batch_norm_legit_no_training _batch_norm_with_update
    _batch_norm_with_update_functional _batch_norm_no_update batch_norm_backward _fused_rms_norm _fused_rms_norm_backward
    _weight_norm_interface
    _softmax _softmax_backward_data _log_softmax _log_softmax_backward_data _safe_softmax
    gelu_backward glu_backward silu silu_ silu_backward mish_backward hardswish hardswish_ hardswish_backward
    hardsigmoid hardsigmoid_ hardsigmoid_backward hardtanh_backward elu_backward leaky_relu_backward softplus_backward log_sigmoid_backward
    sigmoid_backward tanh_backward threshold_backward logit_backward _prelu_kernel _prelu_kernel_backward rrelu_with_noise_backward
    native_dropout_backward binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits mse_loss mse_loss_backward
    smooth_l1_loss smooth_l1_loss_backward huber_loss_backward soft_margin_loss soft_margin_loss_backward multi_margin_loss
    multilabel_margin_loss_forward nll_loss_forward nll_loss_backward nll_loss2d_forward nll_loss2d_backward dist _euclidean_dist
    """
)

_SELECTING = _names("amax amin max min")  # arguments of scatter_reduce, index_reduce, segment_reduce

_ABSOLUTE = _names("sigmoid tanh erf softplus elu log_sigmoid_forward")


@cache
def treatment_of(operation: OpOverload) -> Treatment:
    """How this overload is treated; looked up once a process."""
    namespace, name = operation._schema.name.split("::")
    inplace = name.endswith("_") and not name.endswith("__")
    returns = [result.alias_info for result in operation._schema.returns]
    arguments = operation._schema.arguments
    decomposition = _decomposition(operation, name)
    kind = _kind(name.removesuffix("_") if inplace else name) if namespace in ("aten", "prims") else Kind.SUMS
    return Treatment(
        kind=Kind.DECOMPOSES if decomposition is not None else kind,
        absolute=name.removesuffix("_") in _ABSOLUTE,
        decomposition=decomposition,
        written=tuple((i, one.name) for i, one in enumerate(arguments) if one.alias_info is not None and one.alias_info.is_write),
        fresh=any(alias is None for alias in returns),
        views=bool(returns) and all(alias is not None and not alias.is_write for alias in returns),
    )


def as_called(treatment: Treatment, arguments: Sequence[Any]) -> Treatment:
    """How one call is treated: a reduction that keeps the largest or the smallest moves numbers, whatever it is called."""
    selects = treatment.kind is Kind.SUMS and any(isinstance(one, str) and one in _SELECTING for one in arguments)
    return replace(treatment, kind=Kind.MOVES) if selects else treatment


def _decomposition(operation: OpOverload, name: str) -> Callable[..., Any] | None:
    if torch.Tag.nondeterministic_seeded in operation.tags:  # its parts would draw other numbers
        return None
    full = str(operation.name())  # type: ignore[no-untyped-call]
    if full in PRIMITIVES:
        return PRIMITIVES[full]
    if name in _DECOMPOSES:
        return decomposition_table.get(operation)
    # Under torch.inference_mode alone do operations that are made of others by definition come here.
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(full, "CompositeImplicitAutograd")
    return operation.decompose if composite and name not in _MOVES else None


def _kind(name: str) -> Kind:
    for kind, names in ((Kind.MOVES, _MOVES), (Kind.DECIDES, _DECIDES), (Kind.SUMS, _SUMS)):
        if name in names:
            return kind
    return Kind.ROUNDS
