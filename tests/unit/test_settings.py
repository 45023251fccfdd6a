"""Settings: a wrong one is named, with its value and what is allowed; a password never."""

import pytest
from pydantic import SecretStr

from server.config import Settings, SettingsError, load_settings
from tests.running_service import ROOT


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
        ("DEFAULT_CURRENCY", "KWD", "3 decimals"),
        ("MYSQL_POOL_MAX", "1", "at least MYSQL_POOL_MIN"),
        *(("REFERENCE_PREFIX", prefix, "{date}") for prefix in ("{day}", "{date!r}", "{date:d}", "{", " ", "x" * 65)),
        ("REFERENCE_PREFIX", "{date}" * 9, "at most 64"),
        ("LOG_FORMAT", "xml", "json"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    assert name in str(wrong.value)
    assert value in str(wrong.value)
    assert allowed in str(wrong.value)


def test_every_wrong_setting_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRPC_PORT", "-1")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(SettingsError, match=r"(?s)GRPC_PORT.*LOG_LEVEL"):
        load_settings()


def test_a_database_must_be_named() -> None:
    with pytest.raises(SettingsError, match="MYSQL_HOST"):
        load_settings()


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv("MYSQL_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load_settings())
    monkeypatch.setenv("MYSQL_PORT", "0")
    with pytest.raises(SettingsError) as wrong:
        load_settings()
    assert "hunter2" not in str(wrong.value)


@pytest.mark.parametrize("name", ["MYSQL_HOST", "MYSQL_PORT", "CORS_ALLOWED_ORIGINS", "DEFAULT_CURRENCY"])
def test_a_password_in_a_url_is_never_shown_in_whichever_setting_it_is(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MYSQL_HOST", "db")
    monkeypatch.setenv(name, "mysql://payments:hunter2@db:3306/ecommerce")
    with pytest.raises(SettingsError, match=rf"{name}=.*//\.\.\.@db:3306") as wrong:
        load_settings()
    assert "hunter2" not in str(wrong.value)


@pytest.mark.parametrize("host", ["db", "10.0.0.1", "::1", "fe80::1%eth0", "db_1.shop.svc.cluster.local."])
def test_a_host_is_a_name_or_an_address(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("MYSQL_HOST", host)
    assert load_settings().mysql_host == host


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(".env", "w", encoding="utf-8") as file:  # noqa: PTH123 - the working folder is the test's own
        file.write("MYSQL_HOST=from-file\nMYSQL_DB=from_file\n")
    monkeypatch.setenv("MYSQL_HOST", "from-environment")
    settings = load_settings()
    assert (settings.mysql_host, settings.mysql_db) == ("from-environment", "from_file")


def test_the_example_lists_every_setting_with_its_default_and_what_it_is() -> None:
    heading, *lines = (ROOT / ".env.example").read_text().splitlines()
    assert heading.startswith("# Every setting")
    expected = []
    for name, field in Settings.model_fields.items():
        expected += ["", f"# {field.description}", f"# {name.upper()}={as_text(field.default)}"]
    assert lines == expected


def as_text(default: object) -> str:
    """Return a default as the environment would have it."""
    match default:
        case None:
            return ""
        case SecretStr():
            return default.get_secret_value()
        case frozenset():
            return ",".join(sorted(default))
        case _:
            return str(default)
