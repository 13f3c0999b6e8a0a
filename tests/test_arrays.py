import numpy as np

from verifier.arrays import norm


def test_the_norm_is_that_of_all_elements_and_infinite_without_a_warning_where_squares_overflow():
    assert norm(np.array([[3.0, 0.0], [0.0, -4.0]])) == 5.0
    assert norm(np.array([])) == 0.0
    assert norm(np.array([1e200])) == np.inf
