"""What people's layers count too much or put in another place is named; each name is wrong for the right gradient of something else."""

import numpy as np
import pytest

import verifier
from verifier.diagnosis.layer.axes import shown_when
from verifier.diagnosis.layer.case import Case
from verifier.diagnosis.layer.regions import region_of
from verifier.diagnosis.layer.relations import related

STEP = 1e-5
YES = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def slopes(function, arrays, name):
    """∂output/∂element of a function of arrays, by central differences."""
    rows = []
    for place in range(arrays[name].size):
        moved = []
        for sign in (1, -1):
            array = arrays[name].copy()
            array.flat[place] += sign * STEP
            moved.append(np.concatenate([np.ravel(one) for one in function({**arrays, name: array})]))
        rows.append((moved[0] - moved[1]) / (2 * STEP))
    return np.stack(rows, axis=1)


def cases_of(function, claim, shapes, *, outputs=("dout",), seeds=(0, 1, 2), values=({}, {}, {}), indices=None, below=5):
    """Of one function on a few problems: `claim(arrays, cotangents, values)` gives the claimed gradients by name."""
    found = []
    for seed, given in zip(seeds, values, strict=True):
        generator = np.random.default_rng(seed)
        arrays = {name: generator.normal(size=shape) for name, shape in shapes(given).items()}
        chosen = {name: generator.integers(0, below, size=shape) for name, shape in (indices or {}).items()}
        made = function({**arrays, **chosen, **given})
        cotangents = [generator.normal(size=np.shape(one)) for one in made]
        ends = np.cumsum([0, *(one.size for one in cotangents)])
        claimed = claim({**arrays, **chosen, **given}, cotangents)
        found.append(
            Case(
                values=given,
                arrays=arrays,
                claimed=claimed,
                jacobians={
                    name: slopes(lambda moved, rest={**chosen, **given}: function({**moved, **rest}), arrays, name) for name in claimed
                },
                cotangent=np.concatenate([one.ravel() for one in cotangents]),
                shape=cotangents[0].shape if len(outputs) == 1 else (),
                cotangent_of={name: slice(*ends[place : place + 2].tolist()) for place, name in enumerate(outputs)},
                outputs=np.asarray(made[0]) if len(outputs) == 1 else np.zeros(0),
                indices=chosen,
                below=dict.fromkeys(chosen, below),
            )
        )
    return found


def reparametrised(given):
    return [given["mu"] + np.exp(0.5 * given["logvar"]) * np.arange(1.0, 5.0), -0.5 * np.sum(1 + given["logvar"] - given["mu"] ** 2)]


@pytest.mark.parametrize(("half", "words"), [(1.0, "twice"), (0.25, "half"), (-0.5, "with the wrong sign")])
def test_the_share_of_one_of_two_outputs_has_a_factor(half, words):
    def claim(a, c):
        return {"logvar": c[0] * np.arange(1.0, 5.0) * half * np.exp(0.5 * a["logvar"]) - 0.5 * c[1]}

    cases = cases_of(reparametrised, claim, lambda given: {"mu": (3, 4), "logvar": (3, 4)}, outputs=("dz", "dkl"))
    mistake, says = related("logvar", cases)
    assert mistake == "share-of-an-output"
    assert says.startswith("has what comes back through dz") and words in says


def block(given):
    return [given["x"] + np.tanh(given["x"] @ given["w"])]


def test_what_comes_straight_through_is_missing():
    def claim(a, c):
        return {"x": (c[0] * (1 - np.tanh(a["x"] @ a["w"]) ** 2)) @ a["w"].T}

    cases = cases_of(block, claim, lambda given: {"x": (2, 3), "w": (3, 3)})
    assert related("x", cases) == ("additive", "is off by dout itself: what comes straight through, as of x + f(x), is missing")


def of_a_word(given):
    scores = given["U"] @ given["v"]
    return [np.log(np.exp(scores).sum()) - scores[given["o"]]]


def without_the_target(a, c):
    scores = np.exp(a["U"] @ a["v"])
    p = scores / scores.sum()
    return {"v": c[0] * (a["U"].T @ p), "U": c[0] * np.outer(p, a["v"])}


def test_the_row_that_an_index_picks_is_missing():
    cases = cases_of(of_a_word, without_the_target, lambda given: {"v": (4,), "U": (5, 4)}, indices={"o": ()})
    cases = [
        Case(
            **{**vars(case), "cotangent": np.ones(1), "claimed": without_the_target({**case.arrays, "o": case.indices["o"]}, [np.ones(())])}
        )
        for case in cases
    ]
    assert related("v", cases) == ("additive", "is off by U[o]: it is to be taken off")
    assert region_of("U", cases) == "in the rows that o names only"


def decayed(given):
    return [np.sum(np.sin(given["x"] @ given["w"])) / given["m"] + given["lam"] / (2 * given["m"]) * np.sum(given["w"] ** 2)]


@pytest.mark.parametrize(("whole", "says"), [(True, "has lam·w where lam·w/m belongs"), (False, "has 2·lam·w/m where 2·lam·w belongs")])
def test_a_regularisation_is_divided_in_one_place_alone(whole, says):
    def loss(given):
        share = 1 / (2 * given["m"]) if whole else 1.0
        return [np.sum(np.sin(given["x"] @ given["w"])) / given["m"] + given["lam"] * share * np.sum(given["w"] ** 2)]

    def claim(a, c):
        data = a["x"].T @ np.cos(a["x"] @ a["w"]) / a["m"]
        return {"w": c[0] * (data + (a["lam"] if whole else 2 * a["lam"] / a["m"]) * a["w"])}

    values = ({"m": 4, "lam": 0.7}, {"m": 5, "lam": 0.3}, {"m": 2, "lam": 0.7})
    cases = cases_of(loss, claim, lambda given: {"x": (given["m"], 3), "w": (3,)}, values=values)
    cases = [Case(**{**vars(case), "cotangent": np.ones(1), "claimed": claim({**case.arrays, **case.values}, [1.0])}) for case in cases]
    assert related("w", cases) == ("additive", says)


def test_the_weights_have_moved_already():
    def claim(a, c):
        step = a["x"].T @ c[0]
        return {"x": c[0] @ (a["w"] - step).T, "w": step}

    cases = cases_of(lambda given: [given["x"] @ given["w"]], claim, lambda given: {"x": (3, 4), "w": (4, 2)})
    mistake, says = related("x", cases)
    assert mistake == "stepped-weights"
    assert says == "is taken through w after its step, w - 1·dw: keep the w of the forward pass"


@pytest.mark.parametrize(
    "move", [lambda right: right.transpose(1, 2, 0).reshape(right.shape), lambda right: right.ravel().reshape(right.shape, order="F")]
)
def test_a_reshape_stands_where_axes_have_to_be_moved(move):
    cases = cases_of(lambda given: [2 * given["x"]], lambda a, c: {"x": move(2 * c[0])}, lambda given: {"x": (2, 3, 4)})
    mistake, says = related("x", cases)
    assert mistake == "rearranged"
    assert says == "has the right numbers in other places: it is reshaped where its axes have to be moved (transpose)"


@pytest.mark.parametrize(
    ("slope", "says"),
    [
        (lambda x, c: np.where(c > 0, 1.0, 0.1), "takes its slope from the sign of dout"),
        (lambda x, c: np.where(x > 0, 0.1, 1.0), "has its two slopes exchanged"),
        (lambda x, c: np.where(np.roll(x, 1) > 0, 1.0, 0.1), "its mask is another one"),
    ],
)
def test_slopes_of_other_elements_are_named(slope, says):
    cases = cases_of(
        lambda given: [np.where(given["x"] > 0, given["x"], 0.1 * given["x"])],
        lambda a, c: {"x": c[0] * slope(a["x"], c[0])},
        lambda given: {"x": (3, 4)},
    )
    mistake, sentence = related("x", cases)
    assert mistake == "another-mask"
    assert says in sentence


def test_another_slope_is_no_other_mask():
    cases = cases_of(
        lambda given: [np.where(given["x"] > 0, given["x"], 0.1 * given["x"])],
        lambda a, c: {"x": c[0] * np.where(a["x"] > 0, 1.0, 0.2)},
        lambda given: {"x": (3, 4)},
    )
    assert "mask" not in str(related("x", cases))


def test_a_factor_is_a_size_where_all_problems_have_it_alike():
    def claim(a, c):
        return {"w": a["x"].T @ c[0] / 3}

    values = ({"B": 3, "D": 2}, {"B": 3, "D": 4}, {"B": 3, "D": 2})
    cases = cases_of(lambda a: [a["x"] @ a["w"]], claim, lambda given: {"x": (given["B"], given["D"]), "w": (given["D"], 5)}, values=values)
    assert related("w", cases) == ("factor", "is divided by B: it should not be")


def test_a_size_that_was_drawn_alike_is_no_condition():
    """The padding and the window decide; F was 2 on all five by chance, and on a right one too."""
    failing = [{"F": 2, "pad": pad, "K": K, "H": H} for pad, K, H in ((1, 1, 4), (0, 3, 5), (0, 3, 4), (0, 3, 3), (1, 1, 6))]
    right = [
        {"F": F, "pad": pad, "K": K, "H": 6} for F, pad, K in ((4, 0, 1), (2, 0, 1), (1, 0, 1), (3, 0, 1), (4, 1, 3), (4, 0, 1), (1, 0, 1))
    ]
    assert shown_when(failing, right, ("F", "H")) == ""
    alone = [{**one, "F": 1} for one in failing]
    assert shown_when(alone, right, ("F", "H")) == "with F = 1 only"


def test_a_row_that_comes_several_times_counts_once():
    """Words are drawn inside the loss: nothing in the problem says which."""
    words = [0, 2, 2, 3, 2, 3]

    def loss(given):
        return [np.log1p(np.exp(given["U"][words] @ given["v"])).sum()]

    def claim(a, c):
        gradient = np.zeros_like(a["U"])
        gradient[words] += c[0] * np.outer(1 / (1 + np.exp(-a["U"][words] @ a["v"])), a["v"])
        return {"U": gradient}

    cases = cases_of(loss, claim, lambda given: {"U": (5, 3), "v": (3,)})
    mistake, says = related("U", cases)
    assert mistake == "one-contribution"
    assert says.startswith("counts a row that comes several times once")


def test_no_number_where_elements_are_equal_alone_is_said_so(tmp_path):
    """A distance of 0: the root's derivative is a division by it."""
    keys = (
        'arrays = { a = "N D", b = "N D" }',
        "sizes = { D = 1 }",
        'forward = "d = distance(a, b)"',
        'backward = "da, db = back(dd, a, b)"',
    )
    block = "\n".join(f"# {key}" for key in ('contract = "layer"', *keys))
    file = tmp_path / "distances.py"
    file.write_text(
        f"# /// script\n# [tool.verifier]\n{block}\n# ///\nimport numpy as np\n\n\n"
        "def distance(a, b):\n    return np.sqrt(((a - b) ** 2).sum(axis=1))\n\n\n"
        "def back(dd, a, b):\n    da = (dd / distance(a, b))[:, None] * (a - b)\n    return da, -da\n"
    )
    report = verifier.check(file, profile="quick")
    assert "is not finite" in report.summary
    assert "where elements are equal only" in report.summary


def test_each_row_has_a_factor_of_its_own():
    """x less its mean, over its deviation: the division is forgotten on the way back."""

    def normalised(given):
        centred = given["x"] - given["x"].mean(axis=1, keepdims=True)
        return [centred / np.sqrt((centred**2).mean(axis=1, keepdims=True))]

    def claim(a, c):
        (h,) = normalised(a)
        return {"x": c[0] - c[0].mean(axis=1, keepdims=True) - h * (c[0] * h).mean(axis=1, keepdims=True)}

    mistake, says = related("x", cases_of(normalised, claim, lambda given: {"x": (3, 5)}))
    assert mistake == "some-factor"
    assert says.startswith("is right but for a factor of each row that is its own") or "of each sample" in says


def test_of_a_loss_no_mean_is_taken_off():
    """Dice's: a term that all elements share."""

    def dice(given):
        return [1 - 2 * (given["p"] * YES).sum() / (given["p"] ** 2).sum()]

    def claim(a, c):
        right = -2 * YES / (a["p"] ** 2).sum() + 4 * a["p"] * (a["p"] * YES).sum() / (a["p"] ** 2).sum() ** 2
        return {"p": c[0] * (right + 0.7)}

    cases = [Case(**{**vars(case), "shapes": ((),)}) for case in cases_of(dice, claim, lambda given: {"p": (2, 3)})]
    _, says = related("p", cases)
    assert says == "is off by a number that is the same everywhere: a term that all elements share is missing or wrong"


def test_a_half_of_the_columns_is_named():
    def gated(given):
        a, b = np.split(given["x"], 2, axis=1)
        return [a * np.tanh(b)]

    def claim(a, c):
        second = a["x"][:, 4:]
        return {"x": np.concatenate([c[0] * np.tanh(second), c[0] * (1 - np.tanh(second) ** 2)], axis=1)}

    cases = cases_of(gated, claim, lambda given: {"x": (3, 8)})
    assert region_of("x", cases) == "in the last half of the columns only"


def windows(given):
    x, w = given["x"], given["w"]
    return [np.stack([np.einsum("nck,fck->nf", x[:, :, place : place + 3], w) for place in range(x.shape[2] - 2)], axis=2)]


def put_back(first, add):
    """The patches of a convolution, put to their places in this order; added, or one over the other."""

    def claim(given, cotangents):
        found, dout = np.zeros_like(given["x"]), cotangents[0]
        for place in list(range(dout.shape[2]))[:: -1 if first else 1]:
            patch = np.einsum("nf,fck->nck", dout[:, :, place], given["w"])
            found[:, :, place : place + 3] = patch + (found[:, :, place : place + 3] if add else 0)
        return {"x": found}

    return claim


def test_a_patch_that_is_assigned_where_windows_overlap_is_named():
    def cases(first, add):
        shapes = {"x": (2, 2, 6), "w": (3, 2, 3)}
        return cases_of(windows, put_back(first, add), lambda given: shapes)

    for first, word in ((False, "last"), (True, "first")):
        said = f"counts, where windows overlap, only the {word}: add each patch to what is there (+=)"
        assert related("x", cases(first, add=False)) == ("one-contribution", said)
    assert related("x", cases(False, add=True)) is None


def scaled(given):
    return [given["x"] * given["s"]]


def of_scale(given, cotangents):
    return np.sum(given["x"] * cotangents[0]).reshape(1)


def test_one_number_a_problem_is_no_factor_that_changes_from_problem_to_problem():
    shapes = {"x": (4, 3), "s": (1,)}
    any_number = cases_of(scaled, lambda given, cotangents: {"s": given["x"][0, :1] + 1.3}, lambda given: shapes)
    assert related("s", any_number) is None
    assert related("s", any_number[:1]) is None
    less = cases_of(scaled, lambda given, cotangents: {"s": 0.7123 * of_scale(given, cotangents)}, lambda given: shapes)
    assert related("s", less) == ("factor", "is 0.7123 times what it should be")
    assert related("s", less[:1]) is None
