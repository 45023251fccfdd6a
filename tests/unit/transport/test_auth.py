"""The gate: the table of roles is whole, and a key is what it should be."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from server.domain.callers import ApiKey, Caller, NewApiKey, Role, caller_name, is_key_id, key_id_of
from server.domain.errors import CertificateInvalid, InvalidValue
from server.transport.pipeline.auth import NO_CREDENTIALS, ROLES, Credentials, Gate, RolesIncomplete
from server.transport.pipeline.certificates import ClientCertificate
from server.transport.service.servicer import SERVICE
from tests.protos import compiled
from tests.support.certificates import Authority


class NoKeys:
    """No key is known."""

    def caller_of(self, text: str) -> Caller | None:
        """Return none."""
        assert text
        return None


def gate(roles: dict[str, Role], *, certificate_needed: bool = False) -> Gate:
    return Gate(roles, NoKeys(), anonymous=frozenset(), certificates={}, certificate_needed=certificate_needed)


def library() -> ServiceDescriptor:
    return compiled("library.proto").services_by_name["Library"]


def test_a_service_whose_rpcs_have_not_all_a_role_does_not_start() -> None:
    gate(dict(ROLES)).check([SERVICE])
    without_one = {name: role for name, role in ROLES.items() if name != "Refund"}
    for wrong, odd in ((without_one, "Refund"), ({**ROLES, "Payout": Role.CHARGE}, "Payout")):
        with pytest.raises(RolesIncomplete, match=odd):
            gate(wrong).check([SERVICE])
    with pytest.raises(RolesIncomplete, match="GetBook"):
        gate(dict(ROLES)).check([SERVICE, library()])


def test_a_key_has_its_prefix_its_id_and_256_bits_and_none_is_like_another() -> None:
    keys = [NewApiKey.make() for _ in range(100)]
    assert all(re.fullmatch(r"paykey_[0-9a-f]{16}_[0-9a-f]{64}", key.text) for key in keys)
    assert all(key_id_of(key.text) == key.key_id and is_key_id(key.key_id) for key in keys)
    assert len({key.text[24:] for key in keys}) == 100


def test_a_key_opens_only_as_a_whole_and_until_it_ends() -> None:
    made, other = NewApiKey.make(), NewApiKey.make()
    now = datetime.now(UTC)

    def kept(expire_time: datetime | None) -> ApiKey:
        return ApiKey(made.key_id, made.digest, Caller("shop", frozenset()), expire_time)

    assert kept(None).opens_for(made.text)
    assert kept(now + timedelta(hours=1)).opens_for(made.text)
    assert not kept(now - timedelta(seconds=1)).opens_for(made.text)
    for wrong in (other.text, "", made.text[:-1], made.text + " ", made.digest.hex(), "\u20ac"):
        assert not kept(None).opens_for(wrong)


def test_what_holds_a_key_does_not_show_it() -> None:
    key = NewApiKey.make()
    credentials = Credentials(f"Bearer {key.text}", key.text, ClientCertificate(b"PEM", session_resumed=False))
    for shown in (repr(key), str(key), repr(credentials), f"{credentials}"):
        assert key.text[24:] not in shown


@pytest.mark.parametrize("name", ["anonymous", "", " shop", "shop ", "sh\u00f6p", "shop\n", "\x00", "x" * 256])
def test_nobody_can_have_a_name_that_is_taken_or_cannot_be_told_apart(name: str) -> None:
    with pytest.raises(InvalidValue):
        caller_name(name)


@pytest.mark.parametrize("name", ["s", "shop", "The Shop", "spiffe://example.org/shop", "x" * 255])
def test_other_names_are_kept_as_they_are(name: str) -> None:
    assert caller_name(name) == name


def test_who_brings_nothing_is_anonymous() -> None:
    assert gate(dict(ROLES)).caller(NO_CREDENTIALS).name == "anonymous"


@pytest.mark.parametrize("api_key", [None, "paykey_1"])
def test_a_resumed_tls_session_ends_with_the_certificate_and_any_other_connection_when_it_is_closed(
    api_key: str | None,
) -> None:
    expired = Authority().issue(common_name="shop", not_after=datetime.now(UTC) - timedelta(seconds=1)).certificate
    current = Authority().issue(common_name="shop").certificate
    mutual = gate(dict(ROLES), certificate_needed=True)
    with pytest.raises(CertificateInvalid, match="expired"):
        mutual.caller(Credentials(None, api_key, ClientCertificate(expired, session_resumed=True)))
    for certificate in (
        ClientCertificate(expired, session_resumed=False),
        ClientCertificate(current, session_resumed=True),
    ):
        assert mutual.caller(Credentials(None, None, certificate)).name == "shop"
