"""At the end of a cell: what ran is what the label says, or the cell fails with a reason."""

import numpy
import pytest
import tiny_network

from runner.measure import as_labelled

JOB = tiny_network.job("", batch_size=2)
GOOD = numpy.zeros((2, 10), "float32")


def test_what_ran_as_labelled_passes():
    as_labelled.check(JOB, {"precision": "fp32"}, GOOD)
    as_labelled.check(JOB, {}, GOOD)


@pytest.mark.parametrize(("executed", "outputs", "said"), [
    ({"precision": "fp16"}, GOOD, "fp32 was asked for, but it was computed in fp16"),
    ({}, None, "no outputs: NoneType"), ({}, GOOD[:0], "an empty array"), ({}, GOOD[:1], r"shape \[1, 10\]"),
    ({}, GOOD + numpy.nan, "20 of 20 outputs are not finite"), ({}, GOOD - numpy.inf, "not finite"),
])  # fmt: skip
def test_what_did_not_run_as_labelled_fails(executed, outputs, said):
    with pytest.raises(RuntimeError, match=said):
        as_labelled.check(JOB, executed, outputs)
