"""The name in a client certificate: which one is used, and which certificates are rejected rather than read in part."""

from typing import Any

import pytest

from server.domain.errors import CertificateInvalid
from server.transport.pipeline.certificates import name_of_certificate
from tests.support.certificates import Authority

SPIFFE = "spiffe://example.org/shop"
AUTHORITY = Authority()


def name_of(**names: Any) -> str:
    return name_of_certificate(AUTHORITY.issue(**names).certificate)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"uris": [SPIFFE, "spiffe://other"], "dns": ["shop.example"], "common_name": "Shop"}, SPIFFE),
        ({"dns": ["shop.example", "shop.other"], "common_name": "Shop"}, "shop.example"),
        ({"dns": ["shop.example"], "common_name": "Shop", "other_common_names": ["Till"]}, "shop.example"),
        ({"common_name": "The Shop"}, "The Shop"),
        ({}, ""),
    ],
)
def test_the_first_uri_names_the_caller_else_the_first_dns_name_else_the_common_name(
    names: dict[str, Any], expected: str
) -> None:
    assert name_of(**names) == expected


@pytest.mark.parametrize("name", ["shop\0.evil", "", "shop\n", "x" * 300])
def test_an_unusual_name_is_neither_shortened_nor_skipped(name: str) -> None:
    assert name_of(uris=[name], dns=["shop"], common_name="shop") == name
    assert name_of(dns=[name], common_name="shop") == name


def test_a_common_name_is_not_cut_at_a_nul_byte() -> None:
    assert name_of(common_name="shop\0.evil") == "shop\0.evil"


SUBJECT_ALTERNATIVE_NAME, EXTENDED_KEY_USAGE = b"\x06\x03\x55\x1d\x11", b"\x06\x03\x55\x1d\x25"


@pytest.mark.parametrize(
    ("names", "replaced"),
    [
        ({"uris": [SPIFFE], "dns": ["shop"]}, {SPIFFE.encode(): SPIFFE[:-1].encode() + b"\xff"}),
        ({"uris": [SPIFFE], "dns": ["shop.example"]}, {b"shop.example": b"shop.ex\xffmple"}),
        ({"common_name": "shop"}, {b"shop": b"sh\xffp"}),
        ({"dns": ["shop"]}, {EXTENDED_KEY_USAGE: SUBJECT_ALTERNATIVE_NAME}),
        ({"dns": ["shop.example"], "common_name": "x"}, {b"\x82\x0cshop.example": b"\x82\x7fshop.example"}),
    ],
)
def test_a_certificate_with_malformed_names_is_rejected(names: dict[str, Any], replaced: dict[bytes, bytes]) -> None:
    with pytest.raises(CertificateInvalid, match="malformed"):
        name_of(**names, replaced=replaced)


@pytest.mark.parametrize("pem", [b"", b"shop", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_bytes_that_are_not_a_certificate_are_rejected(pem: bytes) -> None:
    with pytest.raises(CertificateInvalid, match="malformed"):
        name_of_certificate(pem)


def test_a_certificate_with_several_common_names_is_rejected() -> None:
    with pytest.raises(CertificateInvalid, match="several common names"):
        name_of(common_name="shop", other_common_names=["till"])
