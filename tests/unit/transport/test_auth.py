"""Authentication: the table of roles, API keys, caller names, and expired certificates."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from server.domain.callers import ApiKey, Caller, NewApiKey, Role, caller_name, is_key_id, key_id_of
from server.domain.errors import CertificateInvalid, InvalidValue
from server.transport.pipeline.auth import NO_CREDENTIALS, ROLES, Authorizer, Credentials, InvalidRoleTable
from server.transport.pipeline.certificates import ClientCertificate
from server.transport.service.servicer import SERVICE
from tests.protos import compile_proto
from tests.support.certificates import Authority


class NoKeys:
    """A key store without keys."""

    def caller_of(self, text: str) -> Caller | None:
        """Return None."""
        assert text
        return None


def authorizer(roles: dict[str, Role], *, requires_certificate: bool = False) -> Authorizer:
    return Authorizer(
        roles,
        NoKeys(),
        anonymous_roles=frozenset(),
        certificate_roles={},
        requires_certificate=requires_certificate,
    )


def library() -> ServiceDescriptor:
    return compile_proto("library.proto").services_by_name["Library"]


def test_a_role_table_that_does_not_match_the_rpcs_prevents_startup() -> None:
    authorizer(dict(ROLES)).check_role_table([SERVICE])
    without_refund = {name: role for name, role in ROLES.items() if name != "Refund"}
    for invalid, unmatched in ((without_refund, "Refund"), ({**ROLES, "Payout": Role.CHARGE}, "Payout")):
        with pytest.raises(InvalidRoleTable, match=unmatched):
            authorizer(invalid).check_role_table([SERVICE])
    with pytest.raises(InvalidRoleTable, match="GetBook"):
        authorizer(dict(ROLES)).check_role_table([SERVICE, library()])


def test_a_new_key_has_a_prefix_an_id_and_256_random_bits() -> None:
    keys = [NewApiKey.generate() for _ in range(100)]
    assert all(re.fullmatch(r"paykey_[0-9a-f]{16}_[0-9a-f]{64}", key.text) for key in keys)
    assert all(key_id_of(key.text) == key.key_id and is_key_id(key.key_id) for key in keys)
    assert len({key.text[24:] for key in keys}) == 100


def test_only_the_complete_key_is_accepted_and_only_until_it_expires() -> None:
    key, other = NewApiKey.generate(), NewApiKey.generate()
    now = datetime.now(UTC)

    def stored(expire_time: datetime | None) -> ApiKey:
        return ApiKey(key.key_id, key.digest, Caller("shop", frozenset()), expire_time)

    assert stored(None).matches(key.text)
    assert stored(now + timedelta(hours=1)).matches(key.text)
    assert not stored(now - timedelta(seconds=1)).matches(key.text)
    for text in (other.text, "", key.text[:-1], key.text + " ", key.digest.hex(), "\u20ac"):
        assert not stored(None).matches(text)


def test_the_repr_of_keys_and_credentials_does_not_show_the_key() -> None:
    key = NewApiKey.generate()
    credentials = Credentials(f"Bearer {key.text}", key.text, ClientCertificate(b"PEM", session_resumed=False))
    for shown in (repr(key), str(key), repr(credentials), f"{credentials}"):
        assert key.text[24:] not in shown


@pytest.mark.parametrize("name", ["anonymous", "", " shop", "shop ", "sh\u00f6p", "shop\n", "\x00", "x" * 256])
def test_a_reserved_or_ambiguous_caller_name_is_invalid(name: str) -> None:
    with pytest.raises(InvalidValue):
        caller_name(name)


@pytest.mark.parametrize("name", ["s", "shop", "The Shop", "spiffe://example.org/shop", "x" * 255])
def test_any_other_caller_name_is_valid_and_unchanged(name: str) -> None:
    assert caller_name(name) == name


def test_a_caller_without_credentials_is_anonymous() -> None:
    assert authorizer(dict(ROLES)).caller(NO_CREDENTIALS).name == "anonymous"


@pytest.mark.parametrize("api_key", [None, "paykey_1"])
def test_an_expired_certificate_is_rejected_only_on_a_resumed_tls_session(
    api_key: str | None,
) -> None:
    expired = Authority().issue(common_name="shop", not_after=datetime.now(UTC) - timedelta(seconds=1)).certificate
    current = Authority().issue(common_name="shop").certificate
    with_certificates = authorizer(dict(ROLES), requires_certificate=True)
    with pytest.raises(CertificateInvalid, match="expired"):
        with_certificates.caller(Credentials(None, api_key, ClientCertificate(expired, session_resumed=True)))
    for certificate in (
        ClientCertificate(expired, session_resumed=False),
        ClientCertificate(current, session_resumed=True),
    ):
        assert with_certificates.caller(Credentials(None, None, certificate)).name == "shop"
