"""What .streamlit/config.toml decides beyond the doors (tests/browser/test_doors.py)."""

import pytest
from streamlit import config
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_cache import populate_hash_if_needed


@pytest.mark.parametrize("as_set", [True, False])
def test_a_large_element_is_always_sent_whole(as_set):
    """A reference to one sent before, Streamlit's default (the control), leaves a page undrawn whose browser has dropped it since."""
    before = config.get_option("global.minCachedMessageSize")
    message = ForwardMsg()
    message.delta.new_element.text.body = "x" * 1_000_000
    try:
        if not as_set:
            config.set_option("global.minCachedMessageSize", 1e4)
        populate_hash_if_needed(message)
    finally:
        config.set_option("global.minCachedMessageSize", before)
    assert message.metadata.cacheable is not as_set
