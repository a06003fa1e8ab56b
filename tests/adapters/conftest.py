"""Failing checks of the shipped contract suites show their values, as asserts in tests do."""

import pytest

pytest.register_assert_rewrite("moat.testing.contracts")
