"""Right backward passes, each tested in one way (test_passes.py), so that it is known which mistakes in them the tests would notice."""

import torch


class _Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * cotangent


class ByGradcheck(_Cube):
    pass


class ByAllclose(_Cube):
    @classmethod
    def backward(cls, ctx, cotangent):
        return super().backward(ctx, cotangent)


class ByOnes(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * cotangent


class BySquares(_Cube):
    pass


class ForwardOnly(_Cube):
    pass


class Untested(_Cube):
    pass


class Product(torch.autograd.Function):
    """Two inputs of one shape."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, cotangent):
        x, y = ctx.saved_tensors
        return cotangent * y, cotangent * x


class Powers(torch.autograd.Function):
    """Two outputs and two options."""

    @staticmethod
    def forward(ctx, x, scale, absolute):
        ctx.save_for_backward(x)
        ctx.scale, ctx.absolute = scale, absolute
        return scale * x**2, x**3

    @staticmethod
    def backward(ctx, of_square, of_cube):
        (x,) = ctx.saved_tensors
        return 2 * ctx.scale * x * of_square + 3 * x**2 * of_cube, None, None


class Crashing(_Cube):
    pass
