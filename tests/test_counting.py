from verifier.counting import counted, wrong_elements


def test_a_number_agrees_with_its_noun():
    assert [counted(number, "point") for number in (0, 1, 1000)] == ["0 points", "1 point", "1,000 points"]


def test_how_many_elements_are_wrong_is_said_where_there_are_several():
    assert (wrong_elements(3, 4), wrong_elements(1, 4), wrong_elements(1, 1)) == (
        "3 of 4 elements are wrong",
        "1 of 4 elements is wrong",
        "",
    )
