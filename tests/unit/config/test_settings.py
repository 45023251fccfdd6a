"""The settings: an error names the setting, its value and the allowed values, but never shows a password."""

import pytest
from pydantic import SecretStr

from server.config.exposure import check_exposure
from server.config.settings import Settings, SettingsError, load_settings
from server.domain.callers import Role
from server.domain.payment import PaymentMethod
from tests.support.programs import ROOT


@pytest.fixture(autouse=True)
def no_other_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("no-dotenv"))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("MYSQL_PORT", "99999", "65535"),
        ("MYSQL_PORT", "abc", "integer"),
        ("SUCCESS_PROBABILITY", "1.5", "0 to 1"),
        ("SUCCESS_PROBABILITY", "nan", "0 to 1"),
        ("DEFAULT_CURRENCY", "rupees", "ISO 4217"),
        ("DEFAULT_CURRENCY", "KWDD", "three upper-case letters"),
        ("MYSQL_POOL_MAX", "1", "at least MYSQL_POOL_MIN"),
        *(("REFERENCE_PREFIX", prefix, "{date}") for prefix in ("{day}", "{date!r}", "{date:d}", "{", " ", "x" * 65)),
        ("REFERENCE_PREFIX", "{date}" * 9, "at most 64"),
        ("GRPC_ENGINE", "native", "'grpcio' or 'envoy'"),
        ("LOG_FORMAT", "xml", "json"),
        ("ANONYMOUS_ROLES", "payments.everything", "payments.charge"),
        ("CERTIFICATE_ROLES", "payments.read", "shop.example.com=payments.charge"),
        ("CERTIFICATE_ROLES", "a=payments.read,a=payments.read", "one for each name"),
        ("CERTIFICATE_ROLES", "=payments.read", "shop.example.com=payments.charge"),
        *(
            ("TRUSTED_PROXIES", proxies, "10.0.0.7 or 10.0.0.0/8")
            for proxies in (
                "proxy.example.com",
                "*",
                "10.0.0.7:80",
                "10.0.0.7/8",
                "0.0.0.0/0",
                "::/0",
                "10.0.0.7 10.0.0.8",
            )
        ),
        ("LISTEN_WITHOUT", "sense", "'tls' or 'authentication'"),
        *(
            ("TRACING_ENDPOINT", url, "http://collector:4318")
            for url in ("collector:4318", "ftp://a", "http://", "a b")
        ),
        ("TRACING_SAMPLE_RATIO", "2", "at most 1"),
        ("PROCESSOR", "bank", "'simulated' or 'stripe'"),
        *(
            ("PROCESSOR_URL", url, "https://api.stripe.com")
            for url in ("http://api.stripe.com", "ftp://127.0.0.1", "https://api.stripe.com/v1", "api.stripe.com")
        ),
        ("PROCESSOR_METHODS", "OTHER=pm_1", "UPI, CARD or COD"),
        ("PROCESSOR_METHODS", "CARD=", "a name after each ="),
        ("PROCESSOR_METHODS", "CARD=a,CARD=b", "each method once"),
    ],
)
def test_an_error_names_the_setting_with_its_value_and_the_allowed_values(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert name in str(raised.value)
    assert value in str(raised.value)
    assert allowed in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"TLS_CERT_FILE": "a"}, ["TLS_CERT_FILE", "TLS_KEY_FILE"]),
        ({"TLS_KEY_FILE": "a"}, ["TLS_CERT_FILE", "TLS_KEY_FILE"]),
        ({"TLS_CLIENT_CA_FILE": "a"}, ["TLS_CLIENT_CA_FILE", "TLS_CERT_FILE"]),
    ],
)
def test_tls_settings_that_do_not_go_together_are_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], names: list[str]
) -> None:
    for name, value in {"MYSQL_HOST": "db", **settings}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    for name in names:
        assert name in str(raised.value)


STRIPE = {
    "PROCESSOR": "stripe",
    "PROCESSOR_URL": "https://api.stripe.com",
    "PROCESSOR_API_KEY": "sk_test_1",
    "PROCESSOR_METHODS": "CARD=pm_card_visa, UPI=pm_upi",
}


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"PROCESSOR_URL": ""}, "PROCESSOR_URL"),
        ({"PROCESSOR_API_KEY": ""}, "PROCESSOR_API_KEY"),
        ({"PROCESSOR_METHODS": ""}, "PROCESSOR_METHODS"),
        ({"PROCESSOR_DEFAULT_METHOD": "COD"}, "PROCESSOR_DEFAULT_METHOD"),
        ({"PROCESSOR_KEY_LIFETIME_SECONDS": "99"}, "PROCESSOR_TIMEOUT_SECONDS"),
        ({"PROCESSOR_KEY_LIFETIME_SECONDS": "100", "PROCESSOR_JANITOR_AFTER_SECONDS": "51"}, "JANITOR_AFTER"),
    ],
)
def test_a_remote_processor_needs_all_its_settings(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], setting: str
) -> None:
    for name, value in {"MYSQL_HOST": "db", **STRIPE, **settings}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=setting):
        load_settings()


def test_methods_of_a_processor_are_parsed_and_http_is_allowed_on_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"MYSQL_HOST": "db", **STRIPE, "PROCESSOR_URL": "http://[::1]:8000"}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().processor_methods == {PaymentMethod.CARD: "pm_card_visa", PaymentMethod.UPI: "pm_upi"}


KEYS = f"{'n' * 32}, {'o' * 33},"


def test_keys_of_sources_and_webhook_secrets_are_parsed_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"PAYMENT_SOURCE_KEYS": KEYS, "PROCESSOR_WEBHOOK_SECRETS": "whsec_0123456789 , whsec_abcdefghij"}
    for name, value in {"MYSQL_HOST": "db", **STRIPE, **settings}.items():
        monkeypatch.setenv(name, value)
    loaded = load_settings()
    assert loaded.payment_source_key_values == ("n" * 32, "o" * 33)
    assert loaded.processor_webhook_secret_values == ("whsec_0123456789", "whsec_abcdefghij")
    assert "nnn" not in repr(loaded)
    assert "whsec_0" not in repr(loaded)


def test_without_keys_of_sources_and_webhook_secrets_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MYSQL_HOST": "db", **STRIPE}.items():
        monkeypatch.setenv(name, value)
    loaded = load_settings()
    assert loaded.payment_source_key_values == loaded.processor_webhook_secret_values == ()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("PAYMENT_SOURCE_KEYS", f"{'n' * 32},secret-{'o' * 24}", "32 or more printable ASCII characters"),
        ("PAYMENT_SOURCE_KEYS", f"secret-{'o' * 32} o", "32 or more printable ASCII characters"),
        ("PAYMENT_SOURCE_KEYS", f"secret-{'o' * 32},secret-{'o' * 32}", "each key once"),
        ("PROCESSOR_WEBHOOK_SECRETS", "whsec_0123456789,secret", "16 or more printable ASCII characters"),
        ("PROCESSOR_WEBHOOK_SECRETS", "secret_0123456789\xe9", "16 or more printable ASCII characters"),
    ],
)
def test_a_key_of_sources_or_webhook_secret_that_is_too_weak_is_rejected_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    for setting, text in {"MYSQL_HOST": "db", **STRIPE, name: value}.items():
        monkeypatch.setenv(setting, text)
    with pytest.raises(SettingsError, match=problem) as raised:
        load_settings()
    assert name in str(raised.value)
    assert "secret-" not in str(raised.value)
    assert "secret_" not in str(raised.value)
    assert "ooo" not in str(raised.value)


def test_methods_without_a_name_need_keys_of_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MYSQL_HOST": "db", **STRIPE, "PROCESSOR_METHODS": "CARD, UPI=pm_upi"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="PAYMENT_SOURCE_KEYS"):
        load_settings()
    monkeypatch.setenv("PAYMENT_SOURCE_KEYS", KEYS)
    assert load_settings().processor_methods == {PaymentMethod.CARD: "", PaymentMethod.UPI: "pm_upi"}


def test_a_processor_key_that_cannot_be_sent_is_rejected_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MYSQL_HOST": "db", **STRIPE, "PROCESSOR_API_KEY": "sk_secret one"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="PROCESSOR_API_KEY") as raised:
        load_settings()
    assert "secret" not in str(raised.value)


def test_roles_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    assert load_settings().anonymous_roles == {Role.CHARGE, Role.REFUND, Role.READ}
    monkeypatch.setenv("ANONYMOUS_ROLES", "payments.read, payments.refund")
    monkeypatch.setenv("CERTIFICATE_ROLES", "spiffe://a/b=c=payments.charge+payments.read, *=")
    assert load_settings().anonymous_roles == {Role.READ, Role.REFUND}
    roles = load_settings().certificate_roles
    assert roles == {"spiffe://a/b=c": {Role.CHARGE, Role.READ}, "*": frozenset()}
    monkeypatch.setenv("ANONYMOUS_ROLES", "-")
    assert load_settings().anonymous_roles == frozenset()


TLS = {"TLS_CERT_FILE": "a", "TLS_KEY_FILE": "b"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_loopback_no_protection_is_required(host: str) -> None:
    check_exposure(Settings(mysql_host="db", grpc_host=host, rest_host=host))


def test_monitoring_may_listen_on_any_address_because_it_serves_no_calls() -> None:
    check_exposure(Settings(mysql_host="db", monitoring_host="0.0.0.0", monitoring_port=9464))  # noqa: S104 - allowed


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        ({}, True),
        ({"REST_METRICS": "false"}, False),
        ({"MONITORING_PORT": "9464"}, False),
        ({"MONITORING_PORT": "9464", "REST_METRICS": "true"}, True),
    ],
)
def test_rest_serves_metrics_unless_they_have_a_port_of_their_own_or_a_setting_decides(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], *, served: bool
) -> None:
    for name, value in {"MYSQL_HOST": "db", **settings}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().serves_rest_metrics is served


@pytest.mark.parametrize("setting", ["GRPC_MIN_PING_INTERVAL_SECONDS", "GRPC_MAX_PING_STRIKES"])
def test_a_setting_that_envoy_lacks_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv(setting, "5")
    load_settings()
    monkeypatch.setenv("GRPC_ENGINE", "envoy")
    with pytest.raises(SettingsError, match=f"{setting} cannot be set with GRPC_ENGINE=envoy"):
        load_settings()


def test_every_invalid_setting_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRPC_PORT", "-1")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(SettingsError, match=r"(?s)GRPC_PORT.*LOG_LEVEL"):
        load_settings()


def test_the_address_of_the_database_is_required() -> None:
    with pytest.raises(SettingsError, match="MYSQL_HOST"):
        load_settings()


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv("MYSQL_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load_settings())
    monkeypatch.setenv("MYSQL_PORT", "0")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "name", ["MYSQL_HOST", "MYSQL_PORT", "CORS_ALLOWED_ORIGINS", "DEFAULT_CURRENCY", "TRACING_ENDPOINT"]
)
def test_a_password_in_a_url_is_never_shown_in_any_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv(name, "mysql://payments:hunter2@db:3306/ecommerce")
    with pytest.raises(SettingsError, match=rf"{name}=.*//\.\.\.@db:3306") as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", set()),
        ("-", set()),
        ("*", {"*"}),
        ("https://shop.example.com", {"https://shop.example.com"}),
        ("http://localhost:3000, https://shop:8443", {"http://localhost:3000", "https://shop:8443"}),
        ("http://[::1]:3000,http://shop:443", {"http://[::1]:3000", "http://shop:443"}),
    ],
)
def test_only_the_named_origins_are_allowed(monkeypatch: pytest.MonkeyPatch, text: str, origins: set[str]) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", text)
    assert load_settings().cors_allowed_origins == origins


@pytest.mark.parametrize(
    "text",
    [
        *("shop.example.com", "https://shop.example.com/", "https://SHOP.example.com", "https://*.example.com", "null"),
        *("https://shop.example.com:443", "http://shop.example.com:80", "*,https://shop.example.com", "-,*"),
    ],
)
def test_an_origin_that_no_browser_sends_is_rejected(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", text)
    with pytest.raises(SettingsError, match=r"CORS_ALLOWED_ORIGINS=.*must be origins as browsers send them"):
        load_settings()


@pytest.mark.parametrize("headers", ["hunter2", "x-key=", "=hunter2", "x-key=hunter2,", "x-key=hunter2%0Ax", "x=é2"])
def test_tracing_headers_that_cannot_be_sent_are_rejected_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv("TRACING_HEADERS", headers)
    with pytest.raises(SettingsError, match="TRACING_HEADERS: must be entries such as x-api-key=abc") as raised:
        load_settings()
    assert "2" not in str(raised.value).replace("%2", "")


def test_tracing_headers_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    assert load_settings().tracing_header_values == {}
    monkeypatch.setenv("TRACING_HEADERS", "x-key=hunter2==, Authorization=Bearer%20a%2Cb")
    assert load_settings().tracing_header_values == {"x-key": "hunter2==", "Authorization": "Bearer a,b"}
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://[::1]:4318/", "https://[::1]:4318/v1/traces"),
        ("https://collector/tenant/v1/traces", "https://collector/tenant/v1/traces"),
    ],
)
def test_traces_are_sent_to_the_default_path_of_a_collector_unless_the_url_has_one(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, expected: str
) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    assert load_settings().tracing_endpoint is None
    monkeypatch.setenv("TRACING_ENDPOINT", endpoint)
    assert load_settings().tracing_endpoint == expected


@pytest.mark.parametrize("name", ["MYSQL_HOST", "GRPC_HOST", "REST_HOST"])
@pytest.mark.parametrize("host", ["db", "10.0.0.1", "::1", "[::1]", "fe80::1%eth0", "db_1.shop.svc.cluster.local."])
def test_a_host_is_a_name_or_an_address(monkeypatch: pytest.MonkeyPatch, name: str, host: str) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv(name, host)
    assert getattr(load_settings(), name.lower()) == host.strip("[]")


@pytest.mark.parametrize("name", ["MYSQL_HOST", "GRPC_HOST", "REST_HOST"])
@pytest.mark.parametrize("host", ["db:3306", "10.0.0.1:3306", "[::1]:3306", "[db", "[]", "http://db", "a b"])
def test_a_host_with_a_port_or_anything_else_is_rejected(monkeypatch: pytest.MonkeyPatch, name: str, host: str) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv(name, host)
    with pytest.raises(SettingsError, match=rf"^{name}=.*must be only a host name or address"):
        load_settings()


@pytest.mark.parametrize(
    ("grpc", "rest", "conflict"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("::", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
    ],
)
def test_both_transports_cannot_share_a_port(
    monkeypatch: pytest.MonkeyPatch, grpc: str, rest: str, *, conflict: bool
) -> None:
    settings = {"MYSQL_HOST": "db", "GRPC_HOST": grpc, "REST_HOST": rest, "GRPC_PORT": "8001"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    if not conflict:
        assert load_settings().grpc_port == 8001
        return
    with pytest.raises(SettingsError, match="GRPC_PORT and REST_PORT must differ: both are 8001"):
        load_settings()


def test_the_environment_takes_precedence_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(".env", "w", encoding="utf-8") as file:  # noqa: PTH123 - the working folder is the test's own
        file.write("MYSQL_HOST=from-file\nMYSQL_DB=from_file\n")
    monkeypatch.setenv("MYSQL_HOST", "from-environment")
    settings = load_settings()
    assert (settings.mysql_host, settings.mysql_db) == ("from-environment", "from_file")


def test_the_example_lists_every_setting_with_its_default_and_description() -> None:
    heading, rest, *lines = (ROOT / ".env.example").read_text().splitlines()
    assert heading.startswith("# Every setting")
    assert "Any other name" in rest
    expected: list[str] = []
    for subject in reversed(Settings.__bases__):
        if fields := getattr(subject, "model_fields", {}):
            expected += ["", "", f"# -- {(subject.__doc__ or '').rstrip('.')} --"]
        for name, field in fields.items():
            expected += ["", f"# {field.description}", f"# {name.upper()}={as_text(field.default)}"]
    assert lines == expected


def as_text(default: object) -> str:
    """Return a default as it would be set in the environment."""
    match default:
        case None:
            return ""
        case SecretStr():
            return default.get_secret_value()
        case bool():
            return str(default).lower()
        case frozenset():
            return ",".join(sorted(default))
        case dict():
            return ",".join(f"{name}={'+'.join(sorted(roles))}" for name, roles in default.items())
        case _:
            return str(default)
