"""Numbers that reach nobody, and a text that says how to stop."""

from workshop_lib.marketing.message import AREAS, RESERVED, TEXT, phone


def test_every_number_is_in_the_reserved_range_and_stays_the_same() -> None:
    numbers = [phone(customer) for customer in range(5000)]
    assert all(RESERVED.fullmatch(number) for number in numbers)
    assert len(set(numbers)) == 5000
    assert phone(0) == phone(len(AREAS) * 100) == "+12005550100"
    assert phone(123) == "+12015550123"


def test_the_range_leaves_out_real_numbers() -> None:
    for other in ("+12025550223", "+12025551001", "+1202555012", "+442025550123", "+11025550123"):
        assert not RESERVED.fullmatch(other)


def test_the_text_says_how_to_opt_out_and_fits_one_message() -> None:
    assert "STOP" in TEXT
    assert len(TEXT) <= 160
    assert TEXT.isascii()  # anything else would halve the length of one message
