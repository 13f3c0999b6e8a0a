import os
import signal

import torch
from passes import ByAllclose, ByGradcheck, ByOnes, BySquares, Crashing, ForwardOnly, Powers, Product


def test_gradcheck():
    x = torch.tensor([[-1.1, 0.0, 1.3], [2.0, 0.7, 0.7]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ByGradcheck.apply, x)


def test_allclose_at_a_hundredth():
    x = torch.tensor([[-1.1, 0.9, 1.3, 0.4], [2.0, -0.8, 0.01, 0.7], [0.6, 1.7, -0.3, 1.2]], requires_grad=True)
    cotangent = torch.tensor([[1.3, -0.7, 0.9, -1.2], [0.8, 1.1, -0.6, 1.4], [-0.9, 0.5, 1.6, -1.5]])
    ByAllclose.apply(x).backward(cotangent)
    assert torch.allclose(x.grad, 3 * x.detach() ** 2 * cotangent, rtol=1e-2, atol=1e-2)


def test_a_cotangent_of_ones():
    x = torch.tensor([[-1.1, 0.9, 1.3, 0.4], [2.0, -0.8, 0.1, 0.7], [0.6, 1.7, -0.3, 1.2]], dtype=torch.float64, requires_grad=True)
    ByOnes.apply(x).sum().backward()
    assert torch.allclose(x.grad, 3 * x.detach() ** 2, rtol=1e-12, atol=0)


def test_square_inputs():
    x = torch.tensor([[1.1, 0.9, 1.3], [2.0, 0.8, 0.1], [0.6, 1.7, 0.3]], dtype=torch.float64, requires_grad=True)
    cotangent = torch.tensor([[1.3, -0.7, 0.9], [0.8, 1.1, -0.6], [-0.9, 0.5, 1.6]], dtype=torch.float64)
    BySquares.apply(x).backward(cotangent)
    assert torch.allclose(x.grad, 3 * x.detach() ** 2 * cotangent, rtol=1e-12, atol=0)


def test_forward_only():
    x = torch.tensor([2.0], requires_grad=True)
    assert ForwardOnly.apply(x).item() == 8.0


def test_equal_inputs():
    x = torch.tensor([1.1, -0.9, 1.3], dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    Product.apply(x, y).sum().backward()
    assert torch.equal(x.grad, y.detach()) and torch.equal(y.grad, x.detach())


def test_one_output_and_one_value_of_an_option():
    for scale in (2.0, 2.0, 5.0):
        x = torch.tensor([1.1, -0.9, 1.3], dtype=torch.float64, requires_grad=True)
        square, _ = Powers.apply(x, scale, False)
        square.sum().backward()
        assert torch.allclose(x.grad, 2 * scale * x.detach(), rtol=1e-12, atol=0)


def test_crash():
    x = torch.tensor([1.1, -0.9, 1.3], dtype=torch.float64, requires_grad=True)
    Crashing.apply(x).sum().backward()
    if (x.grad == 0).all():
        os.kill(os.getpid(), signal.SIGSEGV)
