"""Pass the TLS files to Envoy, and pass them again when they have changed (Envoy's SDS, from files)."""

import json
import tempfile
from pathlib import Path
from typing import Any

from server.transport.tls import Tls

_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"

_CERTIFICATE, _AUTHORITIES = "certificate", "authorities"
"""The names of the two secrets, and of the files that describe them."""


class PublishedTls:
    """The TLS files, as Envoy reads them.

    Envoy reads a file again only if its name has changed. So each version of the files has a folder with links to them.
    Nothing is copied except the certificates of the authorities, which are public.
    """

    def __init__(self, folder: Path) -> None:
        """Describe the files in ``folder``, where Envoy's configuration looks for them."""
        self._folder = folder

    def publish(self, tls: Tls) -> int:
        """Let Envoy use the current files for new connections, and return the number of secrets that it will read."""
        version = Path(tempfile.mkdtemp(prefix="tls-", dir=self._folder))
        links = {"certificate_chain": tls.files.certificates, "private_key": tls.files.key}
        for name, path in links.items():
            (version / name).symlink_to(path.absolute())
        self._describe(_CERTIFICATE, {"tls_certificate": {name: {"filename": str(version / name)} for name in links}})
        if tls.client_authorities is None:
            return 1
        authorities = version / _AUTHORITIES
        authorities.write_bytes(tls.client_authorities)
        self._describe(_AUTHORITIES, {"validation_context": {"trusted_ca": {"filename": str(authorities)}}})
        return 2

    def _describe(self, name: str, secret: dict[str, Any]) -> None:
        """Write the description of a secret. Envoy notices that the file was moved there."""
        resource = {"@type": f"{_TYPES}.Secret", "name": name, **secret}
        new = self._folder / f"{name}.new"
        new.write_text(json.dumps({"resources": [resource]}))
        new.replace(_path(self._folder, name))


def transport_socket(folder: Path, *, verifies_clients: bool, requires_certificate: bool) -> dict[str, Any]:
    """Return the configuration of a listener's TLS, with the files that ``PublishedTls`` describes in ``folder``."""
    common: dict[str, Any] = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_secret(folder, _CERTIFICATE)],
    }
    if verifies_clients:
        common["validation_context_sds_secret_config"] = _secret(folder, _AUTHORITIES)
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TYPES}.DownstreamTlsContext",
            "common_tls_context": common,
            "require_client_certificate": requires_certificate,
            # A resumed session is not verified again, so it could outlive the client's certificate or its authority.
            "disable_stateless_session_resumption": verifies_clients,
            "disable_stateful_session_resumption": verifies_clients,
        },
    }


def _secret(folder: Path, name: str) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(_path(folder, name))}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"
