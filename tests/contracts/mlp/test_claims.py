"""The claims of the `mlp` contract: defaults, what each key takes, what the keys say together."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from verifier.contracts.keys import TableError
from verifier.contracts.mlp.claims import KEYS, LAYOUT_KEYS, LOSSES, OUTPUT_ACTIVATIONS, Claims, claims_from, goes_with


def refusal_of(**table: Any) -> str:
    with pytest.raises(TableError) as caught:
        claims_from(table)
    return str(caught.value)


def test_an_empty_manifest_claims_the_contracts_defaults() -> None:
    claims = claims_from({})
    assert claims == Claims()
    assert (claims.activations, claims.output_activations, claims.losses) == (("sigmoid",), ("sigmoid",), ("squared_error",))
    assert claims.pairs() == (("sigmoid", "squared_error"),)
    assert claims.targets_for("squared_error") == "real"


def test_every_claim_has_a_key_and_every_key_a_claim() -> None:
    assert list(KEYS) == [field.name for field in fields(Claims)]
    assert set(LAYOUT_KEYS) <= set(KEYS)


def test_output_activations_are_those_of_the_hidden_layers_where_nothing_else_is_said() -> None:
    assert claims_from({"activations": ["tanh", "relu"]}).output_activations == ("tanh", "relu")
    assert claims_from({"activations": ["tanh"], "output_activations": ["identity"]}).output_activations == ("identity",)


def test_only_pairs_that_go_together_are_drawn() -> None:
    claims = claims_from(
        {"output_activations": ["softmax", "sigmoid", "tanh"], "losses": ["cross_entropy", "binary_cross_entropy", "squared_error"]}
    )
    assert claims.pairs() == (
        ("softmax", "cross_entropy"),
        ("softmax", "binary_cross_entropy"),
        ("softmax", "squared_error"),
        ("sigmoid", "binary_cross_entropy"),
        ("sigmoid", "squared_error"),
        ("tanh", "squared_error"),
    )


def test_losses_on_pre_activations_go_with_any_output() -> None:
    for loss in ("softmax_cross_entropy", "binary_cross_entropy_with_logits", "squared_error", "half_squared_error"):
        assert all(goes_with(output, loss) for output in OUTPUT_ACTIVATIONS)


def test_a_loss_that_no_network_could_be_drawn_for_is_refused_even_beside_others() -> None:
    assert refusal_of(losses=["cross_entropy"]) == (
        '"losses" holds "cross_entropy", which needs "softmax" at the output, but output_activations is ["sigmoid"] as activations are: '
        'no such network can be drawn. Say output_activations = ["softmax"].'
    )
    assert 'needs "sigmoid" or "softmax"' in refusal_of(output_activations=["tanh"], losses=["squared_error", "binary_cross_entropy"])


@pytest.mark.parametrize(
    ("loss", "said", "drawn"),
    [
        ("squared_error", None, "real"),
        ("half_squared_error", None, "real"),
        ("binary_cross_entropy_with_logits", None, "probability"),
        ("softmax_cross_entropy", None, "probability"),
        ("squared_error", "binary", "binary"),
        ("softmax_cross_entropy", "binary", "one_hot"),
        ("binary_cross_entropy_with_logits", "binary", "binary"),
    ],
)
def test_targets_suit_the_loss(loss: str, said: str | None, drawn: str) -> None:
    assert claims_from({"losses": [loss]} | ({"targets": said} if said else {})).targets_for(loss) == drawn


def test_real_targets_of_a_logarithmic_loss_are_refused() -> None:
    assert refusal_of(losses=["squared_error", "binary_cross_entropy"], targets="real") == (
        '"targets" is "real", but the loss "binary_cross_entropy" needs targets from 0 to 1: say "probability", "binary" or "one_hot".'
    )


def test_softmax_in_a_hidden_layer_is_refused_with_the_key_that_takes_it() -> None:
    assert "softmax belongs in output_activations only" in refusal_of(activations=["sigmoid", "softmax"])


def test_names_from_other_libraries_are_recognised() -> None:
    assert 'Did you mean "squared_error"?' in refusal_of(losses=["mse"])
    assert 'Did you mean "sigmoid"?' in refusal_of(activations=["logistic"])
    assert 'Did you mean "float64"?' in refusal_of(dtypes=["double"])


def test_sizes_fix_the_depth() -> None:
    assert claims_from({"sizes": [2, 0, 1]}).layers == 2
    assert claims_from({"sizes": [2, 0, 1], "layers": 2}).layers == 2
    assert refusal_of(sizes=[2, 1], layers=2) == (
        '"sizes" is [2, 1]: an input and 1 layers, but layers is 2; it takes 3 entries, input first (0 is free).'
    )


def test_a_depth_or_size_that_is_fixed_may_pass_the_default_bound_but_not_one_that_is_said() -> None:
    assert claims_from({"sizes": [784, 0, 10]}).sizes == (784, 0, 10)
    assert claims_from({"layers": 8}).layers == 8
    assert '"sizes" holds 784, beyond max_width = 100' in refusal_of(sizes=[784, 0, 10], max_width=100)
    assert '"max_layers" is 3, but the manifest fixes 8 layers' in refusal_of(layers=8, max_layers=3)
    assert '"max_layers" is 3, but the manifest fixes 4 layers' in refusal_of(sizes=[1, 0, 0, 0, 1], max_layers=3)


def test_a_manifest_cannot_ask_for_networks_that_the_referee_could_not_hold() -> None:
    assert "allows networks of 100,663,296 weights; at most 10,000,000 are drawn" in refusal_of(max_width=4096)
    assert '"sizes"' in refusal_of(sizes=[4096, 4096])
    assert '"sizes" holds 1000000000' in refusal_of(sizes=[10**9, 1])


@pytest.mark.parametrize(
    ("key", "bad", "good"),
    [
        ("loss_scale", 0, -0.5),
        ("loss_scale", 9e-7, 1e-6),
        ("loss_scale", -1.1e6, -1e6),
        ("l2", 1001, 1000),
        ("learning_rate", 9e-10, 1e-9),
        ("learning_rate", 1.1e6, 1e6),
        ("clip_preactivation", 0.09, 0.1),
        ("softplus_threshold", 0, 1e-3),
        ("softmax_epsilon", 0.1, 0.09),
        ("softmax_epsilon", 0, 1e-30),
        ("l2", -0.1, 0),
        ("layers", 0, 1),
        ("max_layers", 0, 20),
        ("max_width", 0, 1),
        ("learning_rate", 0, 1e-3),
        ("learning_rate", float("inf"), 100),
        ("leaky_slope", 1, 0),
        ("log_epsilon", 0, 1e-12),
        ("log_epsilon", 0.1, 0.01),
        ("clip_output", 0.5, 1e-7),
        ("clip_preactivation", 0, 500),
        ("sizes", [-1, 2], [0, 2]),
        ("stable", 1, True),
        ("l2_over_batch", "yes", True),
        ("reduction", "average", "mean_all"),
        ("weight_layout", "row", "in_out"),
        ("batch", "column", "columns"),
        ("bias", "rows", "row"),
        ("delta_scale", "batch", "sample"),
    ],
)
def test_a_value_out_of_its_range_is_refused_and_one_inside_is_taken(key: str, bad: Any, good: Any) -> None:
    assert refusal_of(**{key: bad}).startswith(f'"{key}" ')
    value = getattr(claims_from({key: good}), key)
    assert value == (tuple(good) if isinstance(good, list) else good)


def subset_of(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


manifests = st.fixed_dictionaries(
    {},
    optional={
        "activations": subset_of(("sigmoid", "tanh", "relu")),
        "output_activations": subset_of(OUTPUT_ACTIVATIONS),
        "losses": subset_of(LOSSES),
        "sizes": st.lists(st.integers(0, 40), min_size=2, max_size=5),
        "layers": st.integers(1, 4),
        "l2": st.floats(0, 1),
        "targets": st.sampled_from(["real", "binary"]),
        "log_epsilon": st.just(1e-12),
        "stable": st.booleans(),
        "bias": st.sampled_from(["vector", "none"]),
    },
)


@given(manifests)
def test_claims_written_as_a_manifest_are_read_as_the_same_claims(table: dict[str, Any]) -> None:
    try:
        claims = claims_from(table)
    except TableError:
        assume(False)
    assert claims_from(claims.as_manifest()) == claims
    whole = {key: value for key, value in claims.as_manifest(defaults=True).items() if value is not None}
    whole.pop("max_layers"), whole.pop("max_width")  # bounds of what is free: as defaults they bound nothing that is fixed
    assert claims_from(whole) == claims
    assert set(claims.as_manifest()) <= set(table)


@given(manifests)
def test_every_claim_that_is_taken_can_be_drawn(table: dict[str, Any]) -> None:
    try:
        claims = claims_from(table)
    except TableError:
        assume(False)
    assert {loss for _, loss in claims.pairs()} == set(claims.losses)
    assert claims.layers is None or claims.sizes is None or claims.layers == len(claims.sizes) - 1


@pytest.mark.parametrize("table", [{"sizes": [2, 1]}, {"max_width": 1}])
def test_a_softmax_of_one_output_is_refused(table):
    with pytest.raises(TableError, match="always 1"):
        claims_from({"output_activations": ["softmax"], "losses": ["cross_entropy"], **table})


@pytest.mark.parametrize(("value", "read"), [(1e-7, 1e-7), ([1e-7, 1.0], (1e-7, 1.0)), ([1e-12, 0.999], (1e-12, 0.999))])
def test_a_clip_of_outputs_has_one_end_or_both(value, read):
    claims = claims_from({"output_activations": ["softmax"], "losses": ["cross_entropy"], "clip_output": value})
    assert claims.clip_output == read


@pytest.mark.parametrize("value", [0.7, [1e-7], [0.5, 0.1], [0.0, 1.0], [1e-7, 2.0], "1e-7"])
def test_a_clip_of_outputs_that_clips_nothing_or_everything_is_refused(value):
    with pytest.raises(TableError, match="clip_output"):
        claims_from({"output_activations": ["softmax"], "losses": ["cross_entropy"], "clip_output": value})


@pytest.mark.parametrize(("value", "read"), [([0, 1e-7], (0.0, 1e-7)), ([1e-12, 1e-7], (1e-12, 1e-7))])
def test_each_logarithm_of_a_binary_cross_entropy_may_have_its_own_epsilon(value, read):
    claims = claims_from({"losses": ["binary_cross_entropy"], "log_epsilon": value})
    assert claims.log_epsilon == read
    assert claims.as_manifest()["log_epsilon"] == list(read)


@pytest.mark.parametrize("value", [[0, 0], [1e-7], [1e-7, 0.2], [-1e-7, 0]])
def test_epsilons_that_are_none_or_too_large_are_refused(value):
    with pytest.raises(TableError, match="log_epsilon"):
        claims_from({"losses": ["binary_cross_entropy"], "log_epsilon": value})
