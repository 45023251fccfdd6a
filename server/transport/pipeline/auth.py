"""Authentication and authorization: the table of the roles that RPCs need, and the one place that enforces it.

Callers authenticate with an API key, or with the client certificate of their connection. A call with an invalid key is
rejected, never treated as anonymous. If a call has both a key and a certificate, the key identifies the caller.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from google.protobuf.descriptor import ServiceDescriptor

from server.domain.callers import ANONYMOUS, Caller, Role, caller_name
from server.domain.errors import (
    ApiKeyInvalid,
    CertificateInvalid,
    CredentialsMissing,
    FieldViolation,
    InvalidRequest,
    InvalidValue,
    RoleMissing,
)
from server.domain.value import value
from server.transport.pipeline.certificates import ClientCertificate, check_not_expired, name_of_certificate

AUTHORIZATION = "authorization"
"""The metadata key or header that holds ``Bearer KEY`` (RFC 6750)."""

API_KEY = "x-api-key"
"""The metadata key or header that holds the API key alone. ``authorization`` takes precedence."""

DEFAULT_CERTIFICATE = "*"
"""The certificate name whose roles apply to every certificate that is not listed by its own name."""

ROLES: Mapping[str, Role] = {
    "Charge": Role.CHARGE,
    "BatchCharge": Role.CHARGE,
    "Refund": Role.REFUND,
    "GetPayment": Role.READ,
    "ListRefunds": Role.READ,
    "ListPayments": Role.READ,
    "ListPaymentEvents": Role.READ,
    "WatchPayments": Role.READ,
}
"""The role that each RPC needs. A path of ``/v1`` needs the role of the RPC that it maps to."""

_SCHEME = "bearer"


@value()
class Credentials:
    """The credentials of a call, not yet verified. Each is None if the call does not have it.

    ``authorization`` and ``api_key`` are the values of the headers, and ``certificate`` is that of the connection.
    ``repeated_header`` is the name of the header that was sent more than once, if either was.
    """

    authorization: str | None
    api_key: str | None
    certificate: ClientCertificate | None
    repeated_header: str | None = None

    def __repr__(self) -> str:
        """Leave out the keys."""
        return f"Credentials(certificate={self.certificate!r})"


NO_CREDENTIALS = Credentials(None, None, None)
"""The credentials of a call that has none. Compare with ``is``."""


class Keys(Protocol):
    """The API keys."""

    def caller_of(self, text: str) -> Caller | None:
        """Return the caller with this key, or None if the key is unknown, revoked or expired."""


class InvalidRoleTable(Exception):
    """An RPC has no role, or a role is for an RPC that does not exist. This is a bug, found at startup."""


class Authorizer:
    """Authenticates callers, and checks that they have the role that an RPC needs."""

    def __init__(
        self,
        roles: Mapping[str, Role],
        keys: Keys,
        *,
        anonymous_roles: frozenset[Role],
        certificate_roles: Mapping[str, frozenset[Role]],
        requires_certificate: bool,
    ) -> None:
        """Authorize calls by ``roles``, the role that each RPC needs.

        ``anonymous_roles`` are the roles of callers without credentials. ``certificate_roles`` has the roles of
        verified certificates by name, with ``DEFAULT_CERTIFICATE`` for certificates that are not listed. With
        ``requires_certificate``, every caller must have a certificate.
        """
        self._roles = roles
        self._keys = keys
        self._anonymous = Caller(ANONYMOUS, anonymous_roles)
        self._certificate_roles = certificate_roles
        self._requires_certificate = requires_certificate

    def check_role_table(self, services: Iterable[ServiceDescriptor]) -> None:
        """Check that each RPC of ``services`` has a role, and that no other name has one.

        Raises:
            InvalidRoleTable: an RPC has no role, or a role is for an RPC that does not exist.
        """
        unmatched = {method.name for service in services for method in service.methods} ^ self._roles.keys()
        if unmatched:
            names = ", ".join(sorted(unmatched))
            raise InvalidRoleTable(f"RPCs without a role, or roles for RPCs that do not exist: {names}")

    def caller(self, credentials: Credentials) -> Caller:
        """Return the caller that the credentials identify.

        Raises:
            CredentialsMissing, ApiKeyInvalid, CertificateInvalid: a required certificate is missing, or a key or
                certificate is invalid.
            InvalidRequest: a header with a key is repeated.
        """
        if credentials.repeated_header is not None:
            raise InvalidRequest((FieldViolation(credentials.repeated_header, "must be sent at most once"),))
        certificate = credentials.certificate
        if certificate is not None:
            check_not_expired(certificate)
        elif self._requires_certificate:
            raise CredentialsMissing("a client certificate is required")
        if credentials is NO_CREDENTIALS:
            return self._anonymous
        key = _key(credentials)
        if key is None:
            assert certificate is not None, "credentials without a key have a certificate"
            return self._certificate_caller(certificate)
        caller = self._keys.caller_of(key)
        if caller is None:
            raise ApiKeyInvalid("the API key is unknown, revoked or expired")
        return caller

    def check_role(self, rpc: str, caller: Caller) -> None:
        """Check that ``caller`` has the role that ``rpc`` needs.

        Raises:
            RoleMissing: an authenticated caller does not have it.
            CredentialsMissing: an anonymous caller does not have it.
        """
        role = self._roles[rpc]
        if role in caller.roles:
            return
        if caller is self._anonymous:
            raise CredentialsMissing(f"{rpc} requires the role {role}; authenticate with an API key")
        raise RoleMissing(f"{rpc} requires the role {role}, which the caller does not have")

    def _certificate_caller(self, certificate: ClientCertificate) -> Caller:
        try:
            name = caller_name(name_of_certificate(certificate.pem))
        except InvalidValue as error:
            raise CertificateInvalid(f"the name in the certificate {error.description}") from None
        roles = self._certificate_roles.get(name)
        return Caller(name, self._certificate_roles.get(DEFAULT_CERTIFICATE, frozenset()) if roles is None else roles)


def credentials_of(
    authorization: str | None,
    api_key: str | None,
    certificate: ClientCertificate | None,
    repeated_header: str | None = None,
) -> Credentials:
    """Return the credentials of a call: ``NO_CREDENTIALS`` if it has none."""
    if authorization is None and api_key is None and certificate is None:
        return NO_CREDENTIALS
    return Credentials(authorization, api_key, certificate, repeated_header)


def _key(credentials: Credentials) -> str | None:
    if credentials.authorization is None:
        return credentials.api_key
    scheme, _, key = credentials.authorization.partition(" ")
    if scheme.lower() != _SCHEME:
        raise ApiKeyInvalid("the authorization must be `Bearer`, a space, and an API key")
    return key.strip(" \t")
