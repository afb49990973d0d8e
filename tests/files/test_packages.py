import pytest

from synapsnet_pyg.files import optional_import


def test_a_missing_package_is_answered_by_the_pip_line():
    assert optional_import("json.decoder", "viz").JSONDecoder
    with pytest.raises(ImportError, match=r"pip install .*\[viz\]"):
        optional_import("no_such_package.part", "viz")
