import pytest

from service.tools.addresses import is_allowed, is_public

PRIVATE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "224.0.1.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2001:0:1::1", "2001:db8::1", "2002:7f00:1::",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff0e::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_open_internet_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_an_address_of_the_open_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("entry", "host", "port", "is_named"),
    [
        ("api.test", "api.test", 443, True),
        ("api.test", "api.test", 8443, True),
        ("API.Test", "api.test", 443, True),
        ("api.test:443", "api.test", 443, True),
        ("api.test:443", "api.test", 8443, False),
        ("api.test", "api.test.evil", 443, False),
        ("api.test", "evil-api.test", 443, False),
        ("*.bank.test", "api.bank.test", 443, True),
        ("*.bank.test", "a.b.bank.test", 443, True),
        ("*.bank.test", "bank.test", 443, False),
        ("*.bank.test", "evilbank.test", 443, False),
        ("*.bank.test:8443", "api.bank.test", 443, False),
        ("[::1]:80", "[::1]", 80, True),
        ("[::1]", "[::1]", 80, True),
        ("::1", "[::1]", 80, False),
        ("*", "api.test", 443, False),
        ("", "api.test", 443, False),
        ("https://api.test", "api.test", 443, False),
    ],
)
def test_an_entry_names_hosts(entry, host, port, is_named):
    assert is_allowed(host, port, [entry]) is is_named


def test_without_entries_no_host_is_allowed():
    assert not is_allowed("api.test", 443, ())
