"""The English texts of faults in the panel's setup, and of outages of its database."""

from collections.abc import Mapping
from typing import Final

from opensmm.base.error_codes import OutageCode, RolePower, SetupCode
from opensmm.texts.template import Words

SETUP: Final[Mapping[SetupCode, Words]] = {
    SetupCode.PEPPER_NOT_COPIED: Words(
        "there is no pepper in {folder}: set OPENSMM_PEPPER, or copy the file from where the keys were made"
    ),
    SetupCode.PEPPER_MISSING: Words("there is no pepper in {folder}: put the file back, or set OPENSMM_PEPPER"),
    SetupCode.PEPPER_LENGTH: Words(
        "the pepper (OPENSMM_PEPPER, or the data folder's file) has to be {least} to {most} bytes"
    ),
    SetupCode.PEPPER_NOT_TEXT: Words("the pepper {path} has to be text, such as `openssl rand -hex 32` prints"),
    SetupCode.PEPPER_INACCESSIBLE: Words("the pepper {path} can be neither read nor made: {words}"),
    SetupCode.OWNER_WITHOUT_APP: Words(
        "DATABASE_ADMIN_URL is set without DATABASE_URL, the app's own role: set both, or neither"
    ),
    SetupCode.BAD_DATABASE_URL: Words(
        "{variable} is no address of a database: set one such as postgresql://ROLE:PASSWORD@HOST/DATABASE"
    ),
    SetupCode.BAD_PROVIDER_TIMEOUT: Words("OPENSMM_PROVIDER_TIMEOUT is “{value}”: set seconds above 0, at most {most}"),
    SetupCode.BAD_REQUEST_LIMIT: Words("OPENSMM_REQUESTS_PER_SECOND is “{value}”: set a whole number, 0 for no limit"),
    SetupCode.BAD_PRIVATE_PROVIDERS: Words(
        "OPENSMM_PRIVATE_PROVIDERS is “{value}”: set 1 to allow private addresses, 0 not to"
    ),
    SetupCode.BAD_LOG_LEVEL: Words("OPENSMM_LOG_LEVEL is “{value}”: set one of {levels}"),
    SetupCode.DATA_FOLDER_NOT_MADE: Words("the data folder {folder} cannot be made: {words}"),
    SetupCode.DATA_FOLDER_NOT_OURS: Words(
        "the data folder {folder} belongs to another user: {words}; use it as that user, or make it yours, once "
        "nothing runs in it: `sudo chown -R {user}: {folder}`"
    ),
    SetupCode.NO_PANEL: Words("there is no panel in {folder}: say its folder with --data, or make one there first"),
    SetupCode.PORT_TAKEN: Words("{host} port {port} is taken: stop what listens there, or choose another with --port"),
    SetupCode.CANNOT_LISTEN: Words("cannot listen on {host} port {port}: {words}"),
    SetupCode.USER_WITHOUT_NAME: Words(
        "PostgreSQL needs an OS user with a name, and the user {uid} has none here: start OpenSMM as a user that has "
        "one, or set DATABASE_URL"
    ),
    SetupCode.USER_NOT_MADE: Words("the user {user} cannot be made here"),
    SetupCode.NO_SERVER_USER: Words(
        "PostgreSQL refuses to run as root, and the user {user} cannot be made here: make it, start OpenSMM as an "
        "ordinary user, or set DATABASE_URL"
    ),
    SetupCode.CLUSTER_HOLDS_MORE: Words(
        "{place} is not only the database's: look at it, then run `chown -R {user}: {folder}`"
    ),
    SetupCode.NO_EMBEDDED_POSTGRES: Words(
        "there is no embedded PostgreSQL for this platform: set DATABASE_URL and DATABASE_ADMIN_URL"
    ),
    SetupCode.PROGRAMS_DO_NOT_RUN: Words("the user {user} cannot run PostgreSQL:\n{obstacles}"),
    SetupCode.INITDB_FAILED: Words("PostgreSQL's initdb failed in {folder}: {words}"),
    SetupCode.OTHER_CLUSTER_VERSION: Words(
        "{folder} was made by PostgreSQL {made_by}, and this OpenSMM brings {brought}: dump it with the OpenSMM that "
        "made it, and load the dump into a new data folder"
    ),
    SetupCode.PASSWORDS_UNREADABLE: Words("the passwords of the embedded PostgreSQL cannot be read: {words}"),
    SetupCode.PASSWORDS_DO_NOT_FIT: Words("{path} does not fit the PostgreSQL beside it"),
    SetupCode.POSTGRES_DOES_NOT_START: Words("PostgreSQL does not start in {folder}: {words}"),
    SetupCode.DISK_FULL: Words(
        "PostgreSQL does not start in {folder}: its disk is full: make room there", more=(("words", "\n{words}"),)
    ),
    SetupCode.SOCKET_FOLDER_NOT_OURS: Words(
        "{folder} must be a folder of the user {uid} with mode 0700: remove it and start again"
    ),
    SetupCode.OWNER_NEEDED: Words("this needs the database's owner: set DATABASE_ADMIN_URL beside DATABASE_URL"),
    SetupCode.OWNER_CANNOT_CONNECT: Words("the owner cannot connect to the database: {words}"),
    SetupCode.NO_APP_ROLE: Words("the database has no role {role}: create it, with login and nothing more"),
    SetupCode.ROLE_MAY_TOO_MUCH: Words(
        "the role {role} {powers}: set DATABASE_URL to a plain role that owns nothing, and DATABASE_ADMIN_URL to the "
        "owner's"
    ),
    SetupCode.NO_TABLES: Words("the database has no tables of OpenSMM yet: run `opensmm migrate`"),
    SetupCode.MIGRATION_RUNS: Words("the database's tables are being brought up to date: try again in a moment"),
    SetupCode.DATABASE_TOO_OLD: Words(
        "this database is older than this OpenSMM: stop the panel and run `opensmm migrate`"
    ),
}
OUTAGES: Final[Mapping[OutageCode, Words]] = {
    OutageCode.NO_CONNECTION: Words("the database does not answer: {words}"),
    OutageCode.NO_CONNECTION_LATELY: Words("the database did not answer a moment ago"),
    OutageCode.ABANDONED_STATEMENTS: Words("the database still works on statements that were given up"),
    OutageCode.CONNECTION_LOST: Words("the database went away: {words}"),
    OutageCode.BATCH_NOT_KEPT: Words("the database went away before anything was kept"),
    OutageCode.CLAIM_INTERRUPTED: Words("the database went away during a claim"),
    OutageCode.COMMIT_UNKNOWN: Words("it could not be learned in time whether the database kept it"),
    OutageCode.STATEMENT_REFUSED: Words("the database refused: {words}"),
    OutageCode.ROWS_LOCKED: Words("another transaction holds the rows", more=(("words", ": {words}"),)),
    OutageCode.TIMED_OUT: Words("the database did not answer in time"),
    OutageCode.QUEUE_FULL: Words("too many requests wait for the database"),
    OutageCode.TURN_TIMED_OUT: Words("the requests before did not end in time"),
    OutageCode.SERVER_SILENT: Words("PostgreSQL in {folder} does not answer: {words}"),
}
POWERS: Final[Mapping[RolePower, str]] = {
    RolePower.SUPERUSER: "is a superuser",
    RolePower.BECOMES_SUPERUSER: "may act as a superuser",
    RolePower.OWNS_TABLES: "owns or may act as the owner of {subject}",
    RolePower.CHANGES_TRANSFERS: "may {subject} transfers",
}
"""Parts of sentences, for the field ``powers``."""
