"""A mistake that no formula of the catalogue knows is named by the operation of the forward pass that explains it, with its line."""

import pytest

import verifier

HEAD = """# /// script
# [tool.verifier]
# contract = "layer"
# {}
# ///
import numpy as np

"""
ADDITIVE = """arrays = { s = "N H", h = "N T E", Wa = "H A", Ua = "E A", va = "A" }
forward = "c, saved = attend(s, h, Wa, Ua, va)"
backward = "ds, dh, dWa, dUa, dva = attend_back(dc, saved)\""""
ATTENTION = """
def attend(s, h, Wa, Ua, va):
    e = np.tanh((s @ Wa)[:, None, :] + h @ Ua)
    score = e @ va
    score = np.exp(score - score.max(axis=1, keepdims=True))
    w = score / score.sum(axis=1, keepdims=True)
    return (w[:, :, None] * h).sum(axis=1), (s, h, Wa, Ua, va, e, w)

def attend_back(dc, saved):
    s, h, Wa, Ua, va, e, w = saved
    dw = (dc[:, None, :] * h).sum(axis=2)
    dscore = w * (dw - (dw * w).sum(axis=1, keepdims=True))
    de = dscore[:, :, None] * va * (1 - e**2)
    dh = w[:, :, None] * dc[:, None, :] + de @ Ua.T
    return de.sum(1) @ Wa.T, dh, s.T @ de.sum(1), np.einsum("nte,nta->ea", h, de), (dscore[:, :, None] * e).sum((0, 1))
"""
RECURRENT = """arrays = { x = "T D", U = "H D", V = "H H" }
forward = "hs, saved = run(x, U, V)"
backward = "dx, dU, dV = run_back(dhs, saved)\""""
RNN = """
def run(x, U, V):
    hs = {-1: np.zeros(len(V))}
    for t in range(len(x)):
        hs[t] = np.tanh(U @ x[t] + V @ hs[t - 1])
    return np.array([hs[t] for t in range(len(x))]), (x, hs, U, V)

def run_back(dhs, saved):
    x, hs, U, V = saved
    dx, dU, dV, later = np.zeros_like(x), np.zeros_like(U), np.zeros_like(V), np.zeros(len(V))
    for t in reversed(range(len(x))):
        raw = (dhs[t] + later) * (1 - hs[t] ** 2)
        dU += np.outer(raw, x[t])
        dV += np.outer(raw, hs[t - 1])
        dx[t] = U.T @ raw
        later = V.T @ raw
    return dx, dU, dV
"""
ROWS = """arrays = { x = "N D", w = "D" }
forward = "y, saved = gate(x, w)"
backward = "dx, dw = gate_back(dy, saved)\""""
GATE = """
def gate(x, w):
    g = 1 / (1 + np.exp(-(x * w)))
    return g * x, (x, w, g)

def gate_back(dy, saved):
    x, w, g = saved
    dz = dy * x * g * (1 - g)
    return dy * g + dz * w, (dz * x).sum(0)
"""
GROUPS = """arrays = { x = "N H W 2*C", g = "2*C" }
forward = "y, saved = group_norm(x, g, 2)"
backward = "dx, dg = group_norm_back(dy, saved)\""""
NORM = """
def group_norm(x, g, groups):
    n, h, w, c = x.shape
    parts = x.reshape(n, h, w, groups, c // groups)
    mean = parts.mean(axis=(1, 2, 4), keepdims=True)
    std = np.sqrt(parts.var(axis=(1, 2, 4), keepdims=True) + 1e-5)
    normal = ((parts - mean) / std).reshape(x.shape)
    return g * normal, (normal, std, g, groups)

def group_norm_back(dy, saved):
    normal, std, g, groups = saved
    n, h, w, c = dy.shape
    d, z, over = (dy * g).reshape(n, h, w, groups, c // groups), normal.reshape(n, h, w, groups, c // groups), (1, 2, 4)
    dx = (d - d.mean(axis=over, keepdims=True) - z * (d * z).mean(axis=over, keepdims=True)) / std
    return dx.reshape(dy.shape), (dy * normal).sum((0, 1, 2))
"""
LABELS = """arrays = { z = "N C", y = "int<C> N" }
forward = "loss, dz = smoothed(z, y)\""""
SMOOTHED = """
def smoothed(z, y):
    logs = z - z.max(axis=1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    target = np.full(z.shape, 0.1 / z.shape[1])
    target[np.arange(len(z)), y] += 0.9
    onehot = np.eye(z.shape[1])[y]
    return -(target * logs).sum() / len(z), (np.exp(logs) - target) / len(z)
"""
ROTATING = """arrays = { q = "T 2*D" }
forward = "out = turned(q)"
backward = "dq = turned_back(dout)\""""
TURNED = """
def parts(q):
    angles = np.outer(np.arange(1, len(q) + 1), 0.5 ** np.arange(q.shape[1] // 2))
    return np.cos(angles), np.sin(angles)

def turn(q, cos, sin):
    a, b = q[:, 0::2], q[:, 1::2]
    out = np.empty_like(q)
    out[:, 0::2] = a * cos - b * sin
    out[:, 1::2] = a * sin + b * cos
    return out

def turned(q):
    return turn(q, *parts(q))

def turned_back(dout):
    cos, sin = parts(dout)
    return turn(dout, cos, -sin)
"""
PICKING = """arrays = { a = "K K", e = "T K", i = "int<K> T" }
forward = "loss, saved = score(a, e, i)"
backward = "da, de = score_back(saved)\""""
PICKED = """
def score(a, e, i):
    return (e @ a).sum() ** 2 / 2 + a[i[:-1], i[1:]].sum(), (a, e, i)

def score_back(saved):
    a, e, i = saved
    all_of_it = (e @ a).sum()
    da = all_of_it * np.tile(e.sum(0)[:, None], len(a))
    np.add.at(da, (i[:-1], i[1:]), 1.0)
    return da, all_of_it * np.tile(a.sum(1), (len(e), 1))
"""
BENDING = """arrays = { x = "N D", k = "D" }
forward = "y, saved = bend(x, k)"
backward = "dx, dk = bend_back(dy, saved)\""""
BENT = """
def bend(x, k):
    below = k * (np.exp(np.minimum(x, 0)) - 1)
    return np.where(x > 0, x, below), (x, k)

def bend_back(dy, saved):
    x, k = saved
    falling = np.exp(np.minimum(x, 0))
    return dy * np.where(x > 0, 1, k * falling), (dy * (falling - 1)).sum(axis=0)
"""
PLANTED = [
    (
        BENDING,
        BENT,
        "k * falling)",
        "k * (falling - 1))",
        "dx is wrong where x is negative only: it has `np.exp(np.minimum(x, 0)) - 1` where its",
    ),
    (ADDITIVE, ATTENTION, " + de @ Ua.T", "", "dh lacks what comes back through `h` in `h @ Ua` (line 12)"),
    (RECURRENT, RNN, "np.outer(raw, hs[t - 1])", "np.outer(raw, hs[t])", "where `hs[t - 1]` belongs, in `V @ hs[t - 1]` (line 14)"),
    (ROWS, GATE, "dy * x * g * (1 - g)", "dy * x * g", "has `1 / (1 + np.exp(-(x * w)))` where its derivative belongs (line 12)"),
    (
        GROUPS,
        NORM,
        "(1, 2, 4)\n    dx",
        "(1, 2)\n    dx",
        "takes means or variances over the axes 1, 2, which the forward pass takes over 1, 2, 4",
    ),
    (LABELS, SMOOTHED, "(np.exp(logs) - target)", "(np.exp(logs) - onehot)", "has the classes of y alone (one-hot) where `target` belongs"),
    (ROTATING, TURNED, "cos, -sin", "cos, sin", "has -`sin` where `sin` belongs, in"),
    (
        PICKING,
        PICKED,
        "np.add.at(da, (i[:-1], i[1:]), 1.0)",
        "da[i[:-1], i[1:]] += 1.0",
        "counts once what `a[i[:-1], i[1:]]` picks several times",
    ),
]


def judged(folder, manifest, source):
    path = folder / "layers.py"
    path.write_text(HEAD.format(manifest.replace("\n", "\n# ")) + source)
    return verifier.check(path, profile="quick")


@pytest.mark.parametrize(("manifest", "source", "right", "wrong", "says"), PLANTED)
def test_the_first_sentence_names_the_operation_and_what_is_made_of_it(tmp_path, manifest, source, right, wrong, says):
    assert source.count(right) == 1
    assert judged(tmp_path, manifest, source).verdict == "pass"
    report = judged(tmp_path, manifest, source.replace(right, wrong))
    assert report.verdict == "fail"
    assert says in report.summary


def test_a_mistake_that_no_change_explains_is_not_named(tmp_path):
    """A pseudo-inverse where a transpose belongs is none of these; a wrong name would be worse than none."""
    manifest = 'arrays = { x = "N D", m = "real D M" }\nforward = "y = spread(x, m)"\nbackward = "dx = spread_back(dy, m)"'
    source = "def spread(x, m):\n    return x @ m\n\ndef spread_back(dy, m):\n    return dy @ np.linalg.pinv(m)\n"
    report = judged(tmp_path, manifest, source)
    assert report.verdict == "fail"
    assert report.summary.startswith("spread: dx is wrong")


def test_what_a_candidate_keeps_of_a_watched_pass_does_not_reach_the_next_layer(tmp_path):
    """The first layer is wrong and asked with its operations changed; it keeps an array that the second one, which is right, uses."""
    manifest = """[[tool.verifier.layer]]
name = "first"
arrays = { x = "N D", w = "D" }
forward = "y, saved = gate(x, w)"
backward = "dx, dw = gate_back(dy, saved)"
""" + "\n".join(
        f'[[tool.verifier.layer]]\nname = "{name}"\narrays = {{ x = "N D" }}\nforward = "y = scaled(x)"\nbackward = "dx = scaled_back(dy)"'
        for name in ("second", "third", "fourth")  # one of them at least is asked by the first one's worker after it
    )
    kept = """
KEPT = {}

def scaled(x):
    return x * KEPT.get("Probed", 2.0)

def scaled_back(dy):
    return dy * 2
"""
    keeping = "    made = np.ones(1) + 1\n    KEPT[type(made).__name__] = made\n    return g * x,"
    wrong = GATE.replace("dy * x * g * (1 - g)", "dy * x * g").replace("    return g * x,", keeping)
    report = judged(tmp_path, manifest, wrong + kept)
    assert [layer.verdict for layer in report.layers] == ["fail", "pass", "pass", "pass"]
