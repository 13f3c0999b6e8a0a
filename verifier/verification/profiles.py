"""How much a run asks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """A size of run.

    Attributes:
        networks: how many ordinary random networks.
        differences: on how many of them the loss is differenced.
        seed: the fixed seed, or None for a fresh one, which is printed.
        kept: whether the corpus is kept in the user's cache.
        every_tensor: whether finite differences ask about every tensor alone.
        forbid: packages that a candidate may not import, where no assignment says which.
        scratch: whether a candidate may write files of its own, where no assignment or option says so.
        few: of how many networks it is asked what needs few.
        located: how many failing networks finite differences look at closer.
        fewest_extreme: saturated networks at least.
        shrinking: how many evaluations the search for the smallest failing network may take.
    """

    name: str
    networks: int
    differences: int
    seed: int | None
    kept: bool
    every_tensor: bool = False
    few: int = 10
    located: int = 3
    fewest_extreme: int = 5
    shrinking: int = 1500
    forbid: tuple[str, ...] = ()
    scratch: bool = True

    @property
    def extreme(self) -> int:
        """How many saturated networks are looked at beside."""
        return max(self.fewest_extreme, self.networks // 20)


# Packages that differentiate, or have a network's gradient to copy from. None is needed to write a backward pass.
DIFFERENTIATE = (
    *("torch", "functorch", "tensorflow", "keras", "jax", "jaxlib", "autograd", "micrograd", "tinygrad", "mxnet", "mlx", "paddle"),
    *("chainer", "theano", "aesara", "pytensor", "casadi", "numdifftools", "sympy", "sklearn", "mygrad", "thinc", "mindspore", "oneflow"),
    *("jittor", "nnabla", "dynet", "minitorch", "algopy", "symengine", "uncertainties", "drjit", "taichi", "lightning", "flax"),
)

_ALL = (
    Profile("quick", networks=40, differences=10, seed=0, kept=True, shrinking=600),
    Profile("ci", networks=200, differences=40, seed=0, kept=True),
    Profile("thorough", networks=2000, differences=200, seed=None, kept=False, every_tensor=True, shrinking=4000),
    Profile("grading", networks=200, differences=40, seed=None, kept=False, forbid=DIFFERENTIATE, scratch=False),
)
PROFILES: dict[str, Profile] = {profile.name: profile for profile in _ALL}
