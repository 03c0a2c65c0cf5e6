"""The English texts of faults in the panel's setup, and of outages of its database."""

from collections.abc import Mapping
from typing import Final

from opensmm.base.error_codes import OutageCode, RolePower, SetupCode
from opensmm.texts.template import Words

SETUP: Final[Mapping[SetupCode, Words]] = {
    SetupCode.PEPPER_NOT_COPIED: Words(
        "there is no pepper in {folder}: set OPENSMM_PEPPER, or copy the file from where the keys were made"
    ),
    SetupCode.PEPPER_MISSING: Words("there is no pepper in {folder}: restore the file, or set OPENSMM_PEPPER"),
    SetupCode.PEPPER_LENGTH: Words(
        "the pepper (OPENSMM_PEPPER, or the data folder's file) must be {least} to {most} bytes long"
    ),
    SetupCode.PEPPER_NOT_TEXT: Words("the pepper {path} must be text, such as `openssl rand -hex 32` prints"),
    SetupCode.PEPPER_INACCESSIBLE: Words("the pepper {path} can be neither read nor created: {words}"),
    SetupCode.OWNER_WITHOUT_APP: Words(
        "DATABASE_ADMIN_URL is set, but DATABASE_URL, for the app's role, is not: set both, or neither"
    ),
    SetupCode.BAD_DATABASE_URL: Words(
        "{variable} is not the address of a database: set one such as postgresql://ROLE:PASSWORD@HOST/DATABASE"
    ),
    SetupCode.BAD_PROVIDER_TIMEOUT: Words(
        "OPENSMM_PROVIDER_TIMEOUT is “{value}”: set a number of seconds above 0, at most {most}"
    ),
    SetupCode.BAD_REQUEST_LIMIT: Words(
        "OPENSMM_REQUESTS_PER_SECOND is “{value}”: set a whole number, or 0 for no limit"
    ),
    SetupCode.BAD_PRIVATE_PROVIDERS: Words(
        "OPENSMM_PRIVATE_PROVIDERS is “{value}”: set 1 to allow private addresses, or 0 to refuse them"
    ),
    SetupCode.BAD_LOG_LEVEL: Words("OPENSMM_LOG_LEVEL is “{value}”: set one of {levels}"),
    SetupCode.DATA_FOLDER_NOT_MADE: Words("the data folder {folder} cannot be created: {words}"),
    SetupCode.DATA_FOLDER_NOT_OURS: Words(
        "the data folder {folder} belongs to another user: {words}; run OpenSMM as that user, or stop whatever runs in "
        "the folder and take it over: `sudo chown -R {user}: {folder}`"
    ),
    SetupCode.NO_PANEL: Words(
        "there is no panel in {folder}: name its folder with --data, or create a panel there first"
    ),
    SetupCode.PORT_TAKEN: Words(
        "{host} port {port} is in use: stop the program that listens there, or choose another port with --port"
    ),
    SetupCode.CANNOT_LISTEN: Words("cannot listen on {host} port {port}: {words}"),
    SetupCode.USER_WITHOUT_NAME: Words(
        "PostgreSQL needs an OS user with a name, but the user {uid} has none here: start OpenSMM as a user with a "
        "name, or set DATABASE_URL"
    ),
    SetupCode.USER_NOT_MADE: Words("the user {user} cannot be created here"),
    SetupCode.NO_SERVER_USER: Words(
        "PostgreSQL refuses to run as root, and the user {user} cannot be created here: create that user yourself, "
        "start OpenSMM as an ordinary user, or set DATABASE_URL"
    ),
    SetupCode.CLUSTER_HOLDS_MORE: Words(
        "{place} does not belong to the database alone: check it, then run `chown -R {user}: {folder}`"
    ),
    SetupCode.NO_EMBEDDED_POSTGRES: Words(
        "there is no embedded PostgreSQL for this platform: set DATABASE_URL and DATABASE_ADMIN_URL"
    ),
    SetupCode.PROGRAMS_DO_NOT_RUN: Words("the user {user} cannot run PostgreSQL:\n{obstacles}"),
    SetupCode.INITDB_FAILED: Words("PostgreSQL's initdb failed in {folder}: {words}"),
    SetupCode.OTHER_CLUSTER_VERSION: Words(
        "{folder} was created by PostgreSQL {made_by}, but this OpenSMM includes {brought}: dump it with the OpenSMM "
        "that created it, and load the dump into a new data folder"
    ),
    SetupCode.PASSWORDS_UNREADABLE: Words("the passwords of the embedded PostgreSQL cannot be read: {words}"),
    SetupCode.PASSWORDS_DO_NOT_FIT: Words("{path} does not have the passwords of the PostgreSQL beside it"),
    SetupCode.POSTGRES_DOES_NOT_START: Words("PostgreSQL does not start in {folder}: {words}"),
    SetupCode.DISK_FULL: Words(
        "PostgreSQL does not start in {folder}: its disk is full: free some space there", more=(("words", "\n{words}"),)
    ),
    SetupCode.SOCKET_FOLDER_NOT_OURS: Words(
        "{folder} must be a folder of the user {uid} with mode 0700: remove it and start again"
    ),
    SetupCode.OWNER_NEEDED: Words("this needs the database's owner: set DATABASE_ADMIN_URL as well as DATABASE_URL"),
    SetupCode.OWNER_CANNOT_CONNECT: Words("the owner cannot connect to the database: {words}"),
    SetupCode.NO_APP_ROLE: Words("the database has no role {role}: create it, with LOGIN and no other privilege"),
    SetupCode.ROLE_MAY_TOO_MUCH: Words(
        "the role {role} {powers}: set DATABASE_URL to a plain role that owns nothing, and DATABASE_ADMIN_URL to the "
        "owner's"
    ),
    SetupCode.NO_TABLES: Words("the database has no OpenSMM tables yet: run `opensmm migrate`"),
    SetupCode.MIGRATION_RUNS: Words("the database's tables are being migrated: try again in a moment"),
    SetupCode.DATABASE_TOO_OLD: Words(
        "this database is older than this OpenSMM: stop the panel and run `opensmm migrate`"
    ),
}
OUTAGES: Final[Mapping[OutageCode, Words]] = {
    OutageCode.NO_CONNECTION: Words("the database does not answer: {words}"),
    OutageCode.NO_CONNECTION_LATELY: Words("the database did not answer a moment ago"),
    OutageCode.ABANDONED_STATEMENTS: Words("the database still runs statements that the panel gave up on"),
    OutageCode.CONNECTION_LOST: Words("the connection to the database was lost: {words}"),
    OutageCode.BATCH_NOT_KEPT: Words("the connection to the database was lost before anything was stored"),
    OutageCode.CLAIM_INTERRUPTED: Words("the connection to the database was lost during a claim"),
    OutageCode.COMMIT_UNKNOWN: Words("the panel could not find out in time whether the database stored it"),
    OutageCode.STATEMENT_REFUSED: Words("the database refused a statement: {words}"),
    OutageCode.ROWS_LOCKED: Words("another transaction has locked the rows", more=(("words", ": {words}"),)),
    OutageCode.TIMED_OUT: Words("the database did not answer in time"),
    OutageCode.QUEUE_FULL: Words("too many requests are waiting for the database"),
    OutageCode.TURN_TIMED_OUT: Words("earlier requests did not finish in time"),
    OutageCode.SERVER_SILENT: Words("PostgreSQL in {folder} does not answer: {words}"),
}
POWERS: Final[Mapping[RolePower, str]] = {
    RolePower.SUPERUSER: "is a superuser",
    RolePower.BECOMES_SUPERUSER: "may act as a superuser",
    RolePower.OWNS_TABLES: "owns or may act as the owner of {subject}",
    RolePower.CHANGES_TRANSFERS: "may {subject} transfers",
}
"""Parts of sentences, for the field ``powers``."""
