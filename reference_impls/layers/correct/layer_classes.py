# /// script
# [tool.verifier]
# contract = "layer"
# [[tool.verifier.layer]]
# name = "Linear"
# operation = "affine"
# arrays = { w = "M D", b = "M 1" }
# setup = ["layer = Linear(D, M)", "layer.W, layer.b = w, b"]
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dw, db = layer.dLdW, layer.dLdb"]
# [[tool.verifier.layer]]
# name = "Sigmoid"
# operation = "sigmoid"
# setup = "layer = Sigmoid()"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "Tanh"
# operation = "tanh"
# setup = "layer = Tanh()"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "GELU"
# operation = "gelu"
# setup = "layer = GELU()"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "Swish"
# arrays = { x = "N D", beta = "" }
# setup = "layer = Swish(beta)"
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dbeta = layer.dLdbeta"]
# [[tool.verifier.layer]]
# name = "Softmax"
# operation = "softmax"
# setup = "layer = Softmax()"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "LeakyReLU"
# operation = "leaky_relu"
# setup = "layer = LeakyReLU(0.1)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "ELU"
# operation = "elu"
# setup = "layer = ELU(0.9)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "MSELoss"
# operation = "mse_loss"
# setup = "criterion = MSELoss()"
# forward = "loss = criterion.forward(x, y)"
# backward = "dx = criterion.backward()"
# [[tool.verifier.layer]]
# name = "CrossEntropyLoss"
# arrays = { x = "N C", y = "prob N C" }
# setup = "criterion = CrossEntropyLoss()"
# forward = "loss = criterion.forward(x, y)"
# backward = "dx = criterion.backward()"
# [[tool.verifier.layer]]
# name = "BatchNorm1d"
# operation = "batchnorm"
# arrays = { gamma = "1 D", beta = "1 D" }
# setup = ["layer = BatchNorm1d(D)", "layer.BW, layer.Bb = gamma, beta"]
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dgamma, dbeta = layer.dLdBW, layer.dLdBb"]
# [[tool.verifier.layer]]
# name = "Conv1d_stride1"
# operation = "conv1d"
# setup = ["layer = Conv1d_stride1(C, F, K)", "layer.W, layer.b = w, b"]
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dw, db = layer.dLdW, layer.dLdb"]
# require = ["L >= K"]
# [[tool.verifier.layer]]
# name = "Conv2d"
# operation = "conv2d"
# arrays = { w = "F C K K" }
# options = { stride = [1, 2, 3], pad = [0, 1] }
# setup = ["layer = Conv2d(C, F, K, stride, pad)", "layer.conv.W, layer.conv.b = w, b"]
# forward = "out = layer.forward(x)"
# backward = ["dx = layer.backward(dout)", "dw, db = layer.conv.dLdW, layer.conv.dLdb"]
# [[tool.verifier.layer]]
# name = "MaxPool2d"
# operation = "maxpool"
# options = { K = [2, 3], stride = [1, 2] }
# require = ["H >= K", "W >= K"]
# setup = "layer = MaxPool2d(K, stride)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "MeanPool2d"
# operation = "avg_pool2d"
# options = { K = [2, 3], stride = [1, 2] }
# require = ["H >= K", "W >= K"]
# setup = "layer = MeanPool2d(K, stride)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "Upsample1d"
# arrays = { x = "N C L" }
# options = { factor = [2, 3] }
# setup = "layer = Upsample1d(factor)"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "RNNCell"
# arrays = { x = "N D", h = "N H", W_ih = "H D", b_ih = "H", W_hh = "H H", b_hh = "H" }
# setup = ["cell = RNNCell(D, H)", "cell.init_weights(W_ih, W_hh, b_ih, b_hh)"]
# forward = "out = cell.forward(x, h)"
# backward = [
#   "dx, dh = cell.backward(dout, out, x, h)",
#   "dW_ih, dW_hh, db_ih, db_hh = cell.dW_ih, cell.dW_hh, cell.db_ih, cell.db_hh",
# ]
# [[tool.verifier.layer]]
# name = "GRUCell"
# setup = [
#   "cell = GRUCell(D, H)",
#   "cell.Wrx, cell.Wzx, cell.Wnx = Wrx, Wzx, Wnx",
#   "cell.Wrh, cell.Wzh, cell.Wnh = Wrh, Wzh, Wnh",
#   "cell.brx, cell.bzx, cell.bnx, cell.bnh = brx, bzx, bnx, bnh",
# ]
# forward = "out = cell.forward(x, h)"
# backward = [
#   "dx, dh = cell.backward(dout)",
#   "dWrx, dWzx, dWnx = cell.dWrx, cell.dWzx, cell.dWnx",
#   "dWrh, dWzh, dWnh = cell.dWrh, cell.dWzh, cell.dWnh",
#   "dbrx, dbzx, dbnx, dbnh = cell.dbrx, cell.dbzx, cell.dbnx, cell.dbnh",
# ]
# [tool.verifier.layer.arrays]
# x = "D"
# h = "H"
# Wrx = "H D"
# Wzx = "H D"
# Wnx = "H D"
# Wrh = "H H"
# Wzh = "H H"
# Wnh = "H H"
# brx = "H"
# bzx = "H"
# bnx = "H"
# bnh = "H"
# [[tool.verifier.layer]]
# name = "Dropout2d"
# arrays = { x = "N C H W" }
# setup = "layer = Dropout2d(0.3)"
# forward = "out = layer(x)"
# backward = "dx = layer.backward(dout)"
# [[tool.verifier.layer]]
# name = "Flatten"
# operation = "flatten"
# setup = "layer = Flatten()"
# forward = "out = layer.forward(x)"
# backward = "dx = layer.backward(dout)"
# ///
"""Layer classes in the form of a university's homework: `forward`, `backward`, gradients as attributes, weights as (out, in)."""

import numpy as np


class Linear:
    def __init__(self, in_features, out_features):
        self.W = np.zeros((out_features, in_features))
        self.b = np.zeros((out_features, 1))

    def forward(self, A):
        self.A = A
        self.N = A.shape[0]
        self.Ones = np.ones((self.N, 1))
        return A @ self.W.T + self.Ones @ self.b.T

    def backward(self, dLdZ):
        dLdA = dLdZ @ self.W
        self.dLdW = dLdZ.T @ self.A
        self.dLdb = dLdZ.T @ self.Ones
        return dLdA


class Sigmoid:
    def forward(self, Z):
        self.A = 1 / (1 + np.exp(-Z))
        return self.A

    def backward(self, dLdA):
        return dLdA * (self.A - self.A * self.A)


class Tanh:
    def forward(self, Z):
        self.A = np.tanh(Z)
        return self.A

    def backward(self, dLdA):
        return dLdA * (1 - self.A * self.A)


class GELU:
    def forward(self, Z):
        self.Z = Z
        self.cdf = 0.5 * (1 + _erf(Z / np.sqrt(2)))
        return Z * self.cdf

    def backward(self, dLdA):
        density = np.exp(-(self.Z**2) / 2) / np.sqrt(2 * np.pi)
        return dLdA * (self.cdf + self.Z * density)


def _erf(x):
    """By its power series, which is enough for what activations meet."""
    total, term = np.zeros_like(x), x.copy()
    for k in range(200):
        total += term / (2 * k + 1)
        term = -term * x**2 / (k + 1)
    return 2 / np.sqrt(np.pi) * total


class Swish:
    def __init__(self, beta=1.0):
        self.beta = beta

    def forward(self, Z):
        self.Z = Z
        self.s = 1 / (1 + np.exp(-self.beta * Z))
        return Z * self.s

    def backward(self, dLdA):
        slope = self.s * (1 - self.s)
        self.dLdbeta = np.sum(dLdA * self.Z**2 * slope)
        return dLdA * (self.s + self.beta * self.Z * slope)


class Softmax:
    def forward(self, Z):
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        self.A = E / E.sum(axis=1, keepdims=True)
        return self.A

    def backward(self, dLdA):
        N, C = dLdA.shape
        dLdZ = np.zeros((N, C))
        for i in range(N):
            J = np.zeros((C, C))
            for m in range(C):
                for n in range(C):
                    J[m, n] = self.A[i, m] * (1 - self.A[i, m]) if m == n else -self.A[i, m] * self.A[i, n]
            dLdZ[i, :] = dLdA[i, :] @ J
        return dLdZ


class LeakyReLU:
    def __init__(self, slope):
        self.slope = slope

    def forward(self, Z):
        self.Z = Z
        return np.where(Z > 0, Z, self.slope * Z)

    def backward(self, dLdA):
        return np.where(self.Z > 0, dLdA, self.slope * dLdA)


class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, Z):
        self.Z = Z
        return np.where(Z > 0, Z, self.alpha * (np.exp(np.minimum(Z, 0)) - 1))

    def backward(self, dLdA):
        return dLdA * np.where(self.Z > 0, 1.0, self.alpha * np.exp(np.minimum(self.Z, 0)))


class MSELoss:
    def forward(self, A, Y):
        self.A, self.Y = A, Y
        self.N, self.C = A.shape
        se = (A - Y) * (A - Y)
        sse = np.ones((1, self.N)) @ se @ np.ones((self.C, 1))
        return (sse / (self.N * self.C))[0, 0]

    def backward(self):
        return 2 * (self.A - self.Y) / (self.N * self.C)


class CrossEntropyLoss:
    def forward(self, A, Y):
        self.A, self.Y = A, Y
        self.N, self.C = A.shape
        E = np.exp(A - A.max(axis=1, keepdims=True))
        self.softmax = E / E.sum(axis=1, keepdims=True)
        crossentropy = (-Y * np.log(self.softmax)) @ np.ones((self.C, 1))
        return (np.ones((1, self.N)) @ crossentropy)[0, 0] / self.N

    def backward(self):
        return (self.softmax - self.Y) / self.N


class BatchNorm1d:
    def __init__(self, num_features, alpha=0.9):
        self.alpha, self.eps = alpha, 1e-8
        self.BW, self.Bb = np.ones((1, num_features)), np.zeros((1, num_features))
        self.running_M, self.running_V = np.zeros((1, num_features)), np.ones((1, num_features))

    def forward(self, Z, eval=False):
        self.Z, self.N = Z, Z.shape[0]
        self.M = Z.mean(axis=0, keepdims=True)
        self.V = ((Z - self.M) ** 2).mean(axis=0, keepdims=True)
        if eval:
            self.NZ = (Z - self.running_M) / np.sqrt(self.running_V + self.eps)
        else:
            self.NZ = (Z - self.M) / np.sqrt(self.V + self.eps)
            self.running_M = self.alpha * self.running_M + (1 - self.alpha) * self.M
            self.running_V = self.alpha * self.running_V + (1 - self.alpha) * self.V
        self.BZ = self.BW * self.NZ + self.Bb
        return self.BZ

    def backward(self, dLdBZ):
        self.dLdBW = np.sum(dLdBZ * self.NZ, axis=0, keepdims=True)
        self.dLdBb = np.sum(dLdBZ, axis=0, keepdims=True)
        dLdNZ = dLdBZ * self.BW
        root = np.sqrt(self.V + self.eps)
        dLdV = -0.5 * np.sum(dLdNZ * (self.Z - self.M) / root**3, axis=0, keepdims=True)
        dLdM = -np.sum(dLdNZ / root, axis=0, keepdims=True) - 2 / self.N * dLdV * np.sum(self.Z - self.M, axis=0, keepdims=True)
        return dLdNZ / root + dLdV * 2 / self.N * (self.Z - self.M) + dLdM / self.N


class Conv1d_stride1:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.kernel_size = kernel_size
        self.W = np.zeros((out_channels, in_channels, kernel_size))
        self.b = np.zeros(out_channels)

    def forward(self, A):
        self.A = A
        self.output_size = A.shape[2] - self.kernel_size + 1
        Z = np.zeros((A.shape[0], self.W.shape[0], self.output_size))
        for i in range(self.output_size):
            Z[:, :, i] = np.tensordot(A[:, :, i : i + self.kernel_size], self.W, axes=([1, 2], [1, 2])) + self.b
        return Z

    def backward(self, dLdZ):
        self.dLdb = dLdZ.sum(axis=(0, 2))
        self.dLdW = np.zeros_like(self.W)
        for k in range(self.kernel_size):
            self.dLdW[:, :, k] = np.tensordot(dLdZ, self.A[:, :, k : k + self.output_size], axes=([0, 2], [0, 2]))
        padded = np.pad(dLdZ, ((0, 0), (0, 0), (self.kernel_size - 1, self.kernel_size - 1)))
        flipped = self.W[:, :, ::-1]
        dLdA = np.zeros_like(self.A)
        for i in range(self.A.shape[2]):
            dLdA[:, :, i] = np.tensordot(padded[:, :, i : i + self.kernel_size], flipped, axes=([1, 2], [0, 2]))
        return dLdA


class Conv2d_stride1:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.kernel_size = kernel_size
        self.W = np.zeros((out_channels, in_channels, kernel_size, kernel_size))
        self.b = np.zeros(out_channels)

    def forward(self, A):
        self.A, K = A, self.kernel_size
        rows, columns = A.shape[2] - K + 1, A.shape[3] - K + 1
        Z = np.zeros((A.shape[0], self.W.shape[0], rows, columns))
        for i in range(rows):
            for j in range(columns):
                Z[:, :, i, j] = np.tensordot(A[:, :, i : i + K, j : j + K], self.W, axes=([1, 2, 3], [1, 2, 3]))
        return Z + self.b[None, :, None, None]

    def backward(self, dLdZ):
        K = self.kernel_size
        rows, columns = dLdZ.shape[2], dLdZ.shape[3]
        self.dLdb = dLdZ.sum(axis=(0, 2, 3))
        self.dLdW = np.zeros_like(self.W)
        for i in range(K):
            for j in range(K):
                self.dLdW[:, :, i, j] = np.tensordot(dLdZ, self.A[:, :, i : i + rows, j : j + columns], axes=([0, 2, 3], [0, 2, 3]))
        padded = np.pad(dLdZ, ((0, 0), (0, 0), (K - 1, K - 1), (K - 1, K - 1)))
        flipped = np.flip(self.W, axis=(2, 3))
        dLdA = np.zeros_like(self.A)
        for i in range(dLdA.shape[2]):
            for j in range(dLdA.shape[3]):
                dLdA[:, :, i, j] = np.tensordot(padded[:, :, i : i + K, j : j + K], flipped, axes=([1, 2, 3], [0, 2, 3]))
        return dLdA


class Downsample2d:
    def __init__(self, factor):
        self.factor = factor

    def forward(self, A):
        self.shape = A.shape
        return A[:, :, :: self.factor, :: self.factor]

    def backward(self, dLdZ):
        dLdA = np.zeros(self.shape)
        dLdA[:, :, :: self.factor, :: self.factor] = dLdZ
        return dLdA


class Conv2d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.pad = padding
        self.conv = Conv2d_stride1(in_channels, out_channels, kernel_size)
        self.downsample2d = Downsample2d(stride)

    def forward(self, A):
        self.padded = np.pad(A, ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad)))
        return self.downsample2d.forward(self.conv.forward(self.padded))

    def backward(self, dLdZ):
        dLdA = self.conv.backward(self.downsample2d.backward(dLdZ))
        return dLdA[:, :, self.pad : dLdA.shape[2] - self.pad, self.pad : dLdA.shape[3] - self.pad]


class MaxPool2d_stride1:
    def __init__(self, kernel):
        self.kernel = kernel

    def forward(self, A):
        self.A, K = A, self.kernel
        N, C, H, W = A.shape
        Z = np.zeros((N, C, H - K + 1, W - K + 1))
        for i in range(H - K + 1):
            for j in range(W - K + 1):
                Z[:, :, i, j] = np.max(A[:, :, i : i + K, j : j + K], axis=(2, 3))
        return Z

    def backward(self, dLdZ):
        K = self.kernel
        dLdA = np.zeros(self.A.shape)
        for n, c, i, j in np.ndindex(dLdZ.shape):
            window = self.A[n, c, i : i + K, j : j + K]
            r, s = np.unravel_index(np.argmax(window), window.shape)
            dLdA[n, c, i + r, j + s] += dLdZ[n, c, i, j]
        return dLdA


class MeanPool2d_stride1:
    def __init__(self, kernel):
        self.kernel = kernel

    def forward(self, A):
        self.A, K = A, self.kernel
        N, C, H, W = A.shape
        Z = np.zeros((N, C, H - K + 1, W - K + 1))
        for i in range(H - K + 1):
            for j in range(W - K + 1):
                Z[:, :, i, j] = np.mean(A[:, :, i : i + K, j : j + K], axis=(2, 3))
        return Z

    def backward(self, dLdZ):
        K = self.kernel
        dLdA = np.zeros(self.A.shape)
        for i in range(dLdZ.shape[2]):
            for j in range(dLdZ.shape[3]):
                dLdA[:, :, i : i + K, j : j + K] += dLdZ[:, :, i : i + 1, j : j + 1] / (K * K)
        return dLdA


class MaxPool2d:
    def __init__(self, kernel, stride):
        self.maxpool2d_stride1 = MaxPool2d_stride1(kernel)
        self.downsample2d = Downsample2d(stride)

    def forward(self, A):
        return self.downsample2d.forward(self.maxpool2d_stride1.forward(A))

    def backward(self, dLdZ):
        return self.maxpool2d_stride1.backward(self.downsample2d.backward(dLdZ))


class MeanPool2d:
    def __init__(self, kernel, stride):
        self.meanpool2d_stride1 = MeanPool2d_stride1(kernel)
        self.downsample2d = Downsample2d(stride)

    def forward(self, A):
        return self.downsample2d.forward(self.meanpool2d_stride1.forward(A))

    def backward(self, dLdZ):
        return self.meanpool2d_stride1.backward(self.downsample2d.backward(dLdZ))


class Upsample1d:
    def __init__(self, factor):
        self.factor = factor

    def forward(self, A):
        self.width = A.shape[2]
        Z = np.zeros((A.shape[0], A.shape[1], self.factor * (self.width - 1) + 1))
        Z[:, :, :: self.factor] = A
        return Z

    def backward(self, dLdZ):
        return dLdZ[:, :, :: self.factor]


class RNNCell:
    def __init__(self, input_size, hidden_size):
        self.W_ih, self.W_hh = np.zeros((hidden_size, input_size)), np.zeros((hidden_size, hidden_size))
        self.b_ih, self.b_hh = np.zeros(hidden_size), np.zeros(hidden_size)
        self.zero_grad()

    def init_weights(self, W_ih, W_hh, b_ih, b_hh):
        self.W_ih, self.W_hh, self.b_ih, self.b_hh = W_ih, W_hh, b_ih, b_hh
        self.zero_grad()

    def zero_grad(self):
        self.dW_ih, self.dW_hh = np.zeros_like(self.W_ih), np.zeros_like(self.W_hh)
        self.db_ih, self.db_hh = np.zeros_like(self.b_ih), np.zeros_like(self.b_hh)

    def forward(self, x, h_prev_t):
        return np.tanh(x @ self.W_ih.T + self.b_ih + h_prev_t @ self.W_hh.T + self.b_hh)

    def backward(self, delta, h_t, h_prev_l, h_prev_t):
        dz = (1 - h_t**2) * delta
        self.dW_ih += dz.T @ h_prev_l
        self.dW_hh += dz.T @ h_prev_t
        self.db_ih += dz.sum(axis=0)
        self.db_hh += dz.sum(axis=0)
        return dz @ self.W_ih, dz @ self.W_hh


class GRUCell:
    def __init__(self, in_dim, hidden_dim):
        self.d, self.h = in_dim, hidden_dim

    def forward(self, x, h_prev_t):
        self.x, self.hidden = x, h_prev_t
        self.r = 1 / (1 + np.exp(-(self.Wrx @ x + self.brx + self.Wrh @ h_prev_t)))
        self.z = 1 / (1 + np.exp(-(self.Wzx @ x + self.bzx + self.Wzh @ h_prev_t)))
        self.inner = self.Wnh @ h_prev_t + self.bnh
        self.n = np.tanh(self.Wnx @ x + self.bnx + self.r * self.inner)
        return (1 - self.z) * self.n + self.z * h_prev_t

    def backward(self, delta):
        dz = delta * (self.hidden - self.n) * self.z * (1 - self.z)
        dn = delta * (1 - self.z) * (1 - self.n**2)
        dinner = dn * self.r
        dr = dn * self.inner * self.r * (1 - self.r)
        self.dWrx, self.dWzx, self.dWnx = np.outer(dr, self.x), np.outer(dz, self.x), np.outer(dn, self.x)
        self.dWrh, self.dWzh, self.dWnh = np.outer(dr, self.hidden), np.outer(dz, self.hidden), np.outer(dinner, self.hidden)
        self.dbrx, self.dbzx, self.dbnx, self.dbnh = dr, dz, dn, dinner
        dx = dr @ self.Wrx + dz @ self.Wzx + dn @ self.Wnx
        dh = delta * self.z + dr @ self.Wrh + dz @ self.Wzh + dinner @ self.Wnh
        return dx, dh


class Dropout2d:
    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, x, eval=False):
        if eval:
            return x
        self.mask = np.random.binomial(1, 1 - self.p, x.shape[:2])[:, :, None, None]
        return x * self.mask / (1 - self.p)

    def backward(self, delta):
        return delta * self.mask / (1 - self.p)


class Flatten:
    def forward(self, A):
        self.shape = A.shape
        return A.reshape(A.shape[0], -1)

    def backward(self, dLdZ):
        return dLdZ.reshape(self.shape)
