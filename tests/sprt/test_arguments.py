import math

import numpy as np
import pytest

from sprt.arguments import broadcast, plain, real_array, real_number, whole_array, whole_number
from sprt.errors import DesignError, ObservationError


def test_an_error_names_the_field_the_value_and_what_is_allowed() -> None:
    with pytest.raises(ObservationError, match=r"^p = 1\.5: a finite number and >= 0 and <= 1 is allowed$"):
        real_array("p", [0.2, 1.5, 3.0], at_least=0.0, at_most=1.0)
    with pytest.raises(DesignError, match=r"^alpha = nan: a finite number and > 0 and < 1 is allowed$"):
        real_number("alpha", math.nan, above=0.0, below=1.0)
    with pytest.raises(DesignError, match=r"^M = 1\.5: whole numbers are allowed$"):
        whole_number("M", 1.5)
    with pytest.raises(ObservationError, match=r"^x = 'heads': numbers are allowed$"):
        real_array("x", "heads")


@pytest.mark.parametrize("value", [None, "1e", [[1.0], [1.0, 2.0]], 1j, 10**400, object()])
def test_what_is_not_numeric_is_a_typed_error(value: object) -> None:
    with pytest.raises(ObservationError, match="x = "):
        real_array("x", value)  # type: ignore[arg-type]  # what a caller without types may send


def test_one_number_is_not_many() -> None:
    with pytest.raises(DesignError, match="shape"):
        real_number("alpha", [0.1])
    with pytest.raises(DesignError, match="shape"):
        whole_number("M", [1])


def test_limits_are_closed_or_open_as_named() -> None:
    assert real_array("x", [0.0, 1.0], at_least=0.0, at_most=1.0).tolist() == [0.0, 1.0]
    assert whole_array("n", 3).tolist() == 3.0
    with pytest.raises(ObservationError):
        real_array("x", 0.0, above=0.0)
    with pytest.raises(ObservationError):
        real_array("x", 0.0, below=0.0)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ObservationError, match=r"s \(2,\), n \(3,\)"):
        broadcast(s=np.zeros(2), n=np.zeros(3))


def test_a_result_beyond_double_precision_is_an_error_and_a_single_one_a_float() -> None:
    assert isinstance(plain("llr", np.asarray(1.5)), float)
    with pytest.raises(ObservationError, match="llr"):
        plain("llr", np.array([1.0, math.inf]))
