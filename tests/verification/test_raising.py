"""What to do about an exception is said where it helps, and nothing where it does not."""

import numpy as np
import pytest

from verifier.verification.raising import advise


def advice(error: Exception) -> str:
    return advise(type(error).__name__, str(error), alone=True, notebook=False, forbidden=(), of_contract=lambda kind, text: "")


@pytest.mark.parametrize("right", [(3, 2), (3, 3), (3, 7), (2, 4), (4, 5)])
def test_the_matrix_product_is_advised_where_there_is_one(right):
    a, b = np.ones((2, 3)), np.ones(right)
    with pytest.raises(ValueError, match="broadcast") as raised:
        a * b
    assert ("write `@`" in advice(raised.value)) == (a.shape[1] == b.shape[0])
