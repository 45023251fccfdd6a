"""Authorities, certificates and keys for tests, made as they need them."""

import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    @property
    def serial_number(self) -> int:
        """That of the certificate."""
        return x509.load_pem_x509_certificate(self.certificate).serial_number

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write both, one after the other as a person would, and return where they are."""
        paths = folder / f"{name}.pem", folder / f"{name}.key.pem"
        for path, content in zip(paths, (self.certificate, self.key), strict=True):
            path.write_bytes(content)
        return paths


class Authority:
    """One who vouches for names."""

    def __init__(self, *, expired: bool = False) -> None:
        """Make one."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Authority {id(self):x}")])
        usage = x509.KeyUsage(
            key_cert_sign=True,
            crl_sign=True,
            **dict.fromkeys(
                (
                    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                    *("key_agreement", "encipher_only", "decipher_only"),
                ),
                False,
            ),
        )
        now = datetime.now(UTC)
        certificate = (
            _builder(self._name, self._key.public_key(), self._name, now - 9 * _DAY, now - _DAY if expired else None)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        *,
        uris: Sequence[str] = (),
        dns: Sequence[str] = (),
        common_name: str | None = None,
        other_common_names: Sequence[str] = (),
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        replaced: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> Issued:
        """Return a certificate for names; and for this machine, so that a server of the tests can have it.

        ``replaced`` bytes of the encoded certificate become others, as many, before it is signed.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        common_names = [*([] if common_name is None else [common_name]), *other_common_names]
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names]
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns), loopback]
        certificate = (
            _builder(x509.Name(subject), key.public_key(), self._name, not_before, not_after)
            .add_extension(x509.SubjectAlternativeName(names), critical=not subject)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return Issued(
            self._sign_again(certificate, replaced) if replaced else certificate.public_bytes(Encoding.PEM),
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )

    def _sign_again(self, certificate: x509.Certificate, replaced: Mapping[bytes, bytes]) -> bytes:
        signed = certificate.tbs_certificate_bytes
        for before, after in replaced.items():
            assert signed.count(before) == 1
            assert len(before) == len(after)
            signed = signed.replace(before, after)
        signature = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        der = _encoded(0x30, signed + _ECDSA_WITH_SHA256 + _encoded(0x03, b"\0" + signature))
        return ssl.DER_cert_to_PEM_cert(der).encode()


_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def _encoded(tag: int, content: bytes) -> bytes:
    """Return a value in DER (X.690, section 8.1)."""
    length = len(content)
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, length] if length < 0x80 else [tag, 0x80 | len(octets), *octets]) + content


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    not_before: datetime | None,
    not_after: datetime | None,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - _DAY)
        .not_valid_after(not_after or now + _DAY)
    )
