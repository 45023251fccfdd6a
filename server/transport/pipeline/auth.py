"""Who calls, and whether they may: the one table from RPC to role, and the one place where it is applied.

A caller says who they are with an API key, or with the certificate of their connection. A key that is wrong is refused,
never taken for none; of a key and a certificate, the key says who calls.
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
"""The metadata, or header, with ``Bearer KEY`` (RFC 6750)."""

API_KEY = "x-api-key"
"""The metadata, or header, with a key alone; the other one wins."""

EVERY_OTHER = "*"
"""The name that stands for every certificate whose own name has no roles of its own."""

ROLES: Mapping[str, Role] = {
    "Charge": Role.CHARGE,
    "BatchCharge": Role.CHARGE,
    "Refund": Role.REFUND,
    "GetPayment": Role.READ,
    "ListRefunds": Role.READ,
    "ListPayments": Role.READ,
    "WatchPayments": Role.READ,
}
"""The role that each RPC needs. The paths of ``/v1`` need that of the RPC that they map to."""

_SCHEME = "bearer"


@value()
class Credentials:
    """What a call brings to say who makes it, of which nothing is checked yet; None is what it does not bring.

    ``authorization`` and ``api_key`` are the values of those headers. ``certificate`` is that of its connection.
    ``repeated`` names the header, of those two, that was sent more than once.
    """

    authorization: str | None
    api_key: str | None
    certificate: ClientCertificate | None
    repeated: str | None = None

    def __repr__(self) -> str:
        """Return it without any key."""
        return f"Credentials(certificate={self.certificate!r})"


NO_CREDENTIALS = Credentials(None, None, None)
"""The only one that brings nothing."""


class Keys(Protocol):
    """The API keys."""

    def caller_of(self, text: str) -> Caller | None:
        """Return the caller whose key ``text`` is; None when it is none, or one that is no longer in force."""


class RolesIncomplete(Exception):
    """An RPC has no role, or a role is for an RPC that is not there: a fault of the program, found at its start."""


class Gate:
    """Lets calls in."""

    def __init__(
        self,
        roles: Mapping[str, Role],
        keys: Keys,
        *,
        anonymous: frozenset[Role],
        certificates: Mapping[str, frozenset[Role]],
        certificate_needed: bool,
    ) -> None:
        """Let in by ``roles``, which has that of each RPC.

        ``anonymous`` are the roles of those who bring nothing; ``certificates`` those of verified certificates, by
        their names, with ``EVERY_OTHER`` for the rest. ``certificate_needed`` lets in nobody without one.
        """
        self._roles = roles
        self._keys = keys
        self._anonymous = Caller(ANONYMOUS, anonymous)
        self._certificates = certificates
        self._certificate_needed = certificate_needed

    def check(self, services: Iterable[ServiceDescriptor]) -> None:
        """Check that the RPCs of ``services``, and no others, have roles.

        Raises:
            RolesIncomplete: they have not.
        """
        odd = {method.name for service in services for method in service.methods} ^ self._roles.keys()
        if odd:
            raise RolesIncomplete(f"an RPC without a role, or a role without its RPC: {', '.join(sorted(odd))}")

    def caller(self, credentials: Credentials) -> Caller:
        """Return who calls.

        Raises:
            CredentialsMissing, ApiKeyInvalid, CertificateInvalid: they do not say it, or not in a way that is believed.
            InvalidRequest: they say it twice.
        """
        if credentials.repeated is not None:
            raise InvalidRequest((FieldViolation(credentials.repeated, "must be sent at most once"),))
        certificate = credentials.certificate
        if certificate is not None:
            check_not_expired(certificate)
        elif self._certificate_needed:
            raise CredentialsMissing("a client certificate is needed")
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
        """Return when ``caller`` may call ``rpc``.

        Raises:
            RoleMissing: they may not.
            CredentialsMissing: they may not, and did not say who they are.
        """
        role = self._roles[rpc]
        if role in caller.roles:
            return
        if caller is self._anonymous:
            raise CredentialsMissing(f"{rpc} needs the role {role}: say who calls, with an API key")
        raise RoleMissing(f"{rpc} needs the role {role}, which the caller does not have")

    def _certificate_caller(self, certificate: ClientCertificate) -> Caller:
        try:
            name = caller_name(name_of_certificate(certificate.pem))
        except InvalidValue as error:
            raise CertificateInvalid(f"the name in the certificate {error.description}") from None
        roles = self._certificates.get(name)
        return Caller(name, self._certificates.get(EVERY_OTHER, frozenset()) if roles is None else roles)


def credentials_of(
    authorization: str | None, api_key: str | None, certificate: ClientCertificate | None, repeated: str | None = None
) -> Credentials:
    """Return what a call brings."""
    if authorization is None and api_key is None and certificate is None:
        return NO_CREDENTIALS
    return Credentials(authorization, api_key, certificate, repeated)


def _key(credentials: Credentials) -> str | None:
    if credentials.authorization is None:
        return credentials.api_key
    scheme, _, key = credentials.authorization.partition(" ")
    if scheme.lower() != _SCHEME:
        raise ApiKeyInvalid("the authorization must be `Bearer`, a space, and an API key")
    return key.strip(" \t")
