"""Which addresses nothing is sent to."""

import ipaddress

import pytest

from lukhas.policy.access.destinations import refused_because


@pytest.mark.parametrize(
    ("address", "local", "why"),
    [
        ("127.0.0.1", False, ""),
        ("10.0.0.1", False, ""),
        ("2001:db8::1", False, ""),
        ("169.254.1.1", False, "link-local"),
        ("169.254.1.1", True, ""),
        ("fe80::1", False, "link-local"),
        ("169.254.169.254", True, "metadata"),
        ("::ffff:169.254.169.254", True, "metadata"),
        ("fd00:ec2::254", False, "metadata"),
        ("100.100.100.200", False, "metadata"),
        ("224.0.0.1", True, "no machine"),
        ("0.0.0.0", True, "no machine"),
        ("::", False, "no machine"),
    ],
)
def test_addresses_that_no_api_has(address: str, local: bool, why: str) -> None:
    """Metadata services are never asked; link-local ones only where that is set."""
    found = refused_because(ipaddress.ip_address(address), allow_link_local=local)
    assert (why in found) if why else not found
