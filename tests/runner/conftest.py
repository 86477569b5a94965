"""Tests import the package from the checkout and `support` from beside themselves."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(os.path.dirname(HERE)), HERE]

import pytest

WITHOUT_TORCH = bool(os.environ.get("DYNO_TESTS_WITHOUT_TORCH"))  # set where no CPU build of torch exists for the interpreter


def _skip_what_needs_torch(outcome):
    error = outcome.excinfo and outcome.excinfo[1]
    if (
        WITHOUT_TORCH
        and isinstance(error, ModuleNotFoundError)
        and (error.name or "").partition(".")[0] in ("torch", "torchvision", "timm")
    ):
        pytest.skip("needs %s, and DYNO_TESTS_WITHOUT_TORCH is set" % error.name)


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef, request):
    _skip_what_needs_torch((yield))


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    _skip_what_needs_torch((yield))
