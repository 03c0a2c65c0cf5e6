"""Codes of errors at start and in outages, used by all floors. Refusals of requests are in ``domain/codes.py``.

``texts`` has the words of both.
"""

from enum import StrEnum

from msgspec import Struct


class SetupCode(StrEnum):
    """Faults of the setup with which the panel cannot start."""

    PEPPER_NOT_COPIED = "pepper_not_copied"
    PEPPER_MISSING = "pepper_missing"
    PEPPER_LENGTH = "pepper_length"
    PEPPER_NOT_TEXT = "pepper_not_text"
    PEPPER_INACCESSIBLE = "pepper_inaccessible"
    OWNER_WITHOUT_APP = "owner_without_app"
    BAD_DATABASE_URL = "bad_database_url"
    BAD_PROVIDER_TIMEOUT = "bad_provider_timeout"
    BAD_REQUEST_LIMIT = "bad_request_limit"
    BAD_PRIVATE_PROVIDERS = "bad_private_providers"
    BAD_LOG_LEVEL = "bad_log_level"
    DATA_FOLDER_NOT_MADE = "data_folder_not_made"
    DATA_FOLDER_NOT_OURS = "data_folder_not_ours"
    NO_PANEL = "no_panel"
    PORT_TAKEN = "port_taken"
    CANNOT_LISTEN = "cannot_listen"

    USER_WITHOUT_NAME = "user_without_name"
    USER_NOT_MADE = "user_not_made"
    NO_SERVER_USER = "no_server_user"
    CLUSTER_HOLDS_MORE = "cluster_holds_more"
    NO_EMBEDDED_POSTGRES = "no_embedded_postgres"
    PROGRAMS_DO_NOT_RUN = "programs_do_not_run"
    INITDB_FAILED = "initdb_failed"
    OTHER_CLUSTER_VERSION = "other_cluster_version"
    PASSWORDS_UNREADABLE = "passwords_unreadable"
    PASSWORDS_DO_NOT_FIT = "passwords_do_not_fit"
    POSTGRES_DOES_NOT_START = "postgres_does_not_start"
    DISK_FULL = "disk_full"
    SOCKET_FOLDER_NOT_OURS = "socket_folder_not_ours"

    OWNER_NEEDED = "owner_needed"
    OWNER_CANNOT_CONNECT = "owner_cannot_connect"
    NO_APP_ROLE = "no_app_role"
    ROLE_MAY_TOO_MUCH = "role_may_too_much"
    NO_TABLES = "no_tables"
    MIGRATION_RUNS = "migration_runs"
    DATABASE_TOO_OLD = "database_too_old"


class OutageCode(StrEnum):
    """Reasons why a whole request failed and may be retried."""

    NO_CONNECTION = "no_connection"
    NO_CONNECTION_LATELY = "no_connection_lately"
    ABANDONED_STATEMENTS = "abandoned_statements"
    CONNECTION_LOST = "connection_lost"
    BATCH_NOT_KEPT = "batch_not_kept"
    CLAIM_INTERRUPTED = "claim_interrupted"
    COMMIT_UNKNOWN = "commit_unknown"
    STATEMENT_REFUSED = "statement_refused"
    ROWS_LOCKED = "rows_locked"
    TIMED_OUT = "timed_out"
    QUEUE_FULL = "queue_full"
    TURN_TIMED_OUT = "turn_timed_out"
    SERVER_SILENT = "server_silent"


class RolePower(StrEnum):
    """Privileges with which a database role could change the ledger."""

    SUPERUSER = "superuser"
    BECOMES_SUPERUSER = "becomes_superuser"
    OWNS_TABLES = "owns_tables"
    CHANGES_TRANSFERS = "changes_transfers"


class TooMuch(Struct, frozen=True):
    """A privilege that the app's role must not have. ``subject``: the tables, or the name of the privilege."""

    power: RolePower
    subject: str = ""


class Obstacle(Struct, frozen=True):
    """A reason why PostgreSQL's programs in ``place`` do not run: the system's error text, or an exit code."""

    place: str
    words: str = ""
    program: str = ""
    exit_code: int = 0
