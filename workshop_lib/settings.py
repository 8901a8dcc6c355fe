"""Every address, name and size of the workshop, in one place.

A value comes from, first to last: the call, the environment (``WORKSHOP_…``), the
running stack (``.workshop/stack.json``, which records the ports that were free, and
``.workshop/secrets.json``, which only its owner may read), the default below. While no servers
run there are no addresses: on a default port somebody else's servers may answer. Nothing
else in the code holds an address, a topic or an index.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from workshop_lib.errors import WorkshopError
from workshop_lib.schema.play import FUTURE_TOLERANCE_SECONDS
from workshop_lib.schema.world import LIVE_HOURS

PROJECT = Path(__file__).resolve().parents[1]


def absolute(path: Path) -> Path:
    """``path`` with ``~`` put in, from the root: a process may run in another folder."""
    return path.expanduser().absolute()


def home_folder() -> Path:
    """The home of a process that does not name one."""
    return absolute(Path(os.environ.get("WORKSHOP_HOME") or PROJECT / ".workshop"))


def make_private(home: Path) -> None:
    """Have the folder ``home``, with its customers and passwords, for its owner only.

    Where root's Elasticsearch runs from it as another user, that user passes, and the rest is
    closed folder by folder.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        return  # a container's, which is root's on the host
    shared = os.geteuid() == 0 and (home / "elasticsearch").is_dir()
    home.chmod(0o711 if shared else 0o700)
    if shared:
        for folder in home.iterdir():
            if folder.is_dir() and not folder.is_symlink() and folder.name != "elasticsearch":
                folder.chmod(0o700)


def system_timezone() -> str:
    """The system's zone by its IANA name, such as Asia/Seoul; UTC where it has none."""
    named = os.environ.get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime")
    name = named.partition("zoneinfo/")[2].removeprefix("posix/") or named
    return name if name in available_timezones() else "UTC"


def timezone() -> str:
    """The zone of charts and answers: ``WORKSHOP_TIMEZONE``, by default the system's."""
    return os.environ.get("WORKSHOP_TIMEZONE") or system_timezone()


def jaas(mechanism: str, user: str, password: str) -> str:
    """User and password as Java's login modules read them, on one line."""
    name = "plain.Plain" if mechanism == "PLAIN" else "scram.Scram"
    user, password = (json.dumps(each, ensure_ascii=False) for each in (user, password))
    module = f"org.apache.kafka.common.security.{name}LoginModule"
    return f"{module} required username={user} password={password};"


class _RunningStack(PydanticBaseSettingsSource):
    """The addresses of the stack that ``workshop up`` started."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        home = absolute(Path(self.current_state.get("home") or home_folder()))
        if os.environ.get("WORKSHOP_STACK") in ("external", "given"):
            # In a container the home is the host's, and its addresses are wrong there.
            external = home / "external.json"
            return _read(external) if external.exists() else {}
        if not (home / "stack.json").exists():
            return {}
        running = _read(home / "stack.json")
        if not isinstance(running.get("addresses"), dict) or "stack" not in running:
            raise _damaged(home / "stack.json", "it names no addresses")
        secrets = home / "secrets.json"
        return {
            "stack": running["stack"],
            "identity": running.get("identity", ""),
            **running["addresses"],
            **(_read(secrets) if secrets.exists() else {}),
        }


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(value, dict):
        raise _damaged(path, "it holds no JSON object")
    return value


def _damaged(path: Path, why: str) -> WorkshopError:
    return WorkshopError(
        f"{path} is damaged ({why}).",
        f"Delete it, then run `workshop up`: running servers are found by {path.parent / 'pids'}.",
    )


class Settings(BaseSettings):
    """Addresses, names and sizes; each can be set as ``WORKSHOP_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="WORKSHOP_", extra="ignore")

    home: Path = Field(PROJECT / ".workshop", description="everything that is made while running")
    data: Path | None = Field(None, description="folder of the recorded world; default HOME/world")
    namespace: str = Field(
        "", pattern=r"^[a-z0-9-]*$", description="put before every topic, index and key"
    )

    stack: Annotated[
        Literal["embedded", "docker", "external"],
        BeforeValidator(lambda value: "external" if value == "given" else value),
    ] = Field("embedded", description="which servers; external: somebody else starts them")
    identity: str = Field("", description="of the home whose servers these are")
    kafka_bootstrap: str = Field("", description="none while the servers are down")
    kafka_username: str = Field("kit", description="whose password is set")
    kafka_password: SecretStr = Field(SecretStr(""), description="none: no security")
    kafka_passwords: dict[str, SecretStr] = Field(
        {}, description="of the services' own users, in JSON; default: the user above"
    )
    kafka_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-256", description="how the password is proven"
    )
    kafka_protocol: Literal["SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "SASL_PLAINTEXT", description="with TLS or not, where there is a password"
    )
    elasticsearch_url: str = Field("", description="none while the servers are down")
    elasticsearch_username: str = Field("kit", description="whose password is set")
    elasticsearch_password_web: SecretStr = Field(
        SecretStr(""), description="of user web, the page's; default: the user above"
    )
    elasticsearch_password: SecretStr = Field(SecretStr(""), description="none: no security")
    elasticsearch_api_key: SecretStr = Field(SecretStr(""), description="encoded; of a cluster")
    redis_url: str = Field("", description="none while the servers are down")
    redis_url_web: str = Field("", description="the page's, which only reads; default redis_url")
    redis_prefix: str = "workshop:"
    kafka_port: int = Field(
        9092, ge=0, le=65_000, description="of the embedded stack, if it is free"
    )
    elasticsearch_port: int = Field(
        9200, ge=0, le=65_000, description="of the embedded stack, if it is free"
    )
    redis_port: int = Field(
        6379, ge=0, le=65_000, description="of the embedded stack, if it is free"
    )
    elasticsearch_user: str = Field("nobody", description="who runs it when root starts it")
    maven_repository: str = Field("", description="a mirror of Maven Central")

    spark_master: str = "local[*]"
    spark_driver_host: str = Field("127.0.0.1", description="where executors find the driver")
    spark_driver_memory: str = "1g"
    spark_cores: int = Field(0, ge=0, description="most cores of a cluster; 0: all it has")
    spark_executor_memory: str = Field("512m", description="on a master of several machines")
    spark_short: bool = Field(False, description="Spark starts faster, and is slower after minutes")
    servers_long: bool = Field(
        False, description="Kafka and Elasticsearch start slower, and are faster after minutes"
    )
    spark_ui: bool = Field(False, description="Spark's own page, on 127.0.0.1")
    shuffle_partitions: int = Field(os.cpu_count() or 2, ge=1, description="cores of the cluster")
    trigger_seconds: float = Field(2.0, ge=0, description="how often a stream starts a batch")
    watermark_minutes: int = Field(15, ge=1, description="how late an event may come")
    batch_records: int = Field(100_000, ge=0, description="most in one batch; 0: no limit")
    patience_seconds: float = Field(60, ge=0, description="a stream waits so long for a server")

    plays_partitions: int = Field(4, ge=1)
    future_tolerance_seconds: int = Field(
        FUTURE_TOLERANCE_SECONDS, ge=0, description="clocks differ by so much at most"
    )
    bulk_size: int = Field(1000, ge=1, description="documents in one bulk request")

    live_hours: float = Field(
        LIVE_HOURS,
        ge=0,
        description="end of the recording, left to be replayed when a model learns",
    )
    gate_max_error: float = Field(0.10, ge=0, le=1, description="a worse model is not used")
    gate_min_precision: float = Field(0.60, ge=0, le=1)
    gate_min_recall: float = Field(0.50, ge=0, le=1)
    gate_min_lift: float = Field(3.0, ge=1, description="over picking listeners at random")

    offer_cooldown_days: float = Field(7, gt=0, description="of event time, between two offers")
    offer_daily_cap: int = Field(10_000, ge=0, description="offers of one campaign in one day")

    strict_checks: bool = Field(False, description="an exercise that has not passed is an error")

    sms_provider: str = Field("http", description="file, http or twilio")
    sms_url: str = Field("http://127.0.0.1:8025", description="of the gateway, without a path")
    sms_timeout_seconds: float = Field(5, gt=0, description="for the gateway's answer")
    sms_tries: int = Field(8, ge=1, description="a message that failed so often is a dead letter")
    sms_pause_seconds: float = Field(0.5, gt=0, description="before the second try; then doubled")
    sms_per_second: float = Field(50, gt=0, description="most messages, of all workers together")
    sms_claim_seconds: float = Field(30, gt=0, description="then others take a dead worker's")
    sms_account: str = Field("", description="of a Twilio-compatible provider")
    sms_token: SecretStr = SecretStr("")
    sms_from: str = "+12025550100"
    sms_live: bool = Field(False, description="1 of 2 for a gateway beyond this machine")
    sms_live_host: str = Field("", description="2 of 2: the gateway's host name, once more")
    sms_allowed_numbers: list[str] = Field([], description="a live gateway gets no others")

    timezone: str = Field(
        default_factory=timezone, description="of charts, answers and the page; IANA's name"
    )
    web_host: str = Field("127.0.0.1", description="where the live page listens")
    web_port: int = Field(8080, ge=0, le=65_535, description="of the live page, if it is free")

    def __init__(self, **values: Any) -> None:
        """Raises ``WorkshopError`` that names the variable, its value and what is allowed."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise WorkshopError(
                "; ".join(_wrong(each, values) for each in error.errors()) + ".",
                "Change or unset it: the defaults are in workshop_lib/settings.py.",
            ) from None
        except SettingsError as error:
            name = f"WORKSHOP_{str(error).split(chr(34))[1].upper()}"
            raise WorkshopError(
                f"{name}={os.environ.get(name, '')!r} cannot be read; allowed is a list in JSON.",
                """For example '["+12025550100"]'.""",
            ) from None

    @field_validator("home", "data")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return absolute(path) if path else None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name and name not in available_timezones():
            raise ValueError("a name such as Asia/Seoul, Europe/Berlin or UTC")
        return name or system_timezone()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _RunningStack(settings_cls)

    # Where things lie -----------------------------------------------------------

    @property
    def world(self) -> Path:
        """The recorded world: tracks.csv, cust.csv, music.csv, clicks.csv, ledger."""
        return self.data or self.home / "world"

    @property
    def live_log(self) -> Path:
        """The log that ``workshop replay`` appends to and the shippers follow."""
        return self.home / "log" / "plays.log"

    @property
    def checkpoints(self) -> Path:
        return self.home / "checkpoints"

    @property
    def logs(self) -> Path:
        """What servers and long-running commands print."""
        return self.home / "logs"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def page_report(self) -> Path:
        """What the live page showed at the end of the demo."""
        return self.reports / "page.json"

    # What things are called -----------------------------------------------------

    def topic(self, name: str) -> str:
        return f"{self.namespace}{name}"

    def index(self, name: str) -> str:
        return f"{self.namespace}{name}"

    def key(self, name: str) -> str:
        return f"{self.redis_prefix}{self.namespace}{name}"

    # How Kafka lets us in ----------------------------------------------------------

    def _kafka_user(self, service: str) -> tuple[str, str]:
        """User and password; of ``service`` where it has its own, which knows no name space."""
        own = self.kafka_passwords.get(service)
        if own and not self.namespace:
            return service, own.get_secret_value()
        return self.kafka_username, self.kafka_password.get_secret_value()

    def kafka_login(self, service: str = "") -> dict[str, str]:
        """User and password as options of kafka-python's clients; none without security."""
        user, password = self._kafka_user(service)
        if not password:
            return {}
        # At each connection it warns of a password in the clear: SCRAM sends none, and who sets
        # PLAIN without TLS, as Docker's stack does on this machine, has read of it here.
        for name in ("scram", "plain"):
            logging.getLogger(f"kafka.net.sasl.{name}").setLevel(logging.ERROR)
        return {
            "security_protocol": self.kafka_protocol,
            "sasl_mechanism": self.kafka_mechanism,
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }

    def librdkafka_login(self, service: str = "") -> dict[str, str]:
        """The same as options of librdkafka."""
        user, password = self._kafka_user(service)
        if not password:
            return {}
        return {
            "security.protocol": self.kafka_protocol,
            "sasl.mechanism": self.kafka_mechanism,
            "sasl.username": user,
            "sasl.password": password,
        }

    def spark_kafka_login(self, service: str = "") -> dict[str, str]:
        """The same as options of Spark's Kafka source."""
        user, password = self._kafka_user(service)
        if not password:
            return {}
        return {
            "kafka.security.protocol": self.kafka_protocol,
            "kafka.sasl.mechanism": self.kafka_mechanism,
            "kafka.sasl.jaas.config": jaas(self.kafka_mechanism, user, password),
        }

    # What may be shown --------------------------------------------------------------

    @property
    def redis_address(self) -> str:
        """``redis_url`` without its password, for messages."""
        parts = urlsplit(self.redis_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _wrong(error: Any, given: dict[str, Any]) -> str:
    """One wrong value: where it was given, the value, and what is allowed."""
    name = str(error["loc"][0])
    where = name if name in given else f"WORKSHOP_{name.upper()}"
    allowed = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    allowed = allowed.removeprefix("String should match pattern ").replace(
        r"'^[a-z0-9-]*$'", "small letters, digits and dashes"
    )
    return f"{where}={error['input']!r} is wrong; allowed is {allowed.split(', unable')[0]}"
