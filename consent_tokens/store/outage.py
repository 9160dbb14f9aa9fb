"""Why a database cannot be used, in words that name no value of a statement and no password."""

from typing import Final

from sqlalchemy.exc import DBAPIError

# SQLSTATEs, and their first characters (PostgreSQL, appendix A)
BY_SQLSTATE: Final = {
    "28": "the server does not accept the user or the password",
    "3D": "the server has no such database: create it",
    "42501": "the user may not read or change the tables",
    "53300": "the server has no connection left (max_connections)",
    "53100": "the server's disk is full",
    "57P": "the server is starting up or shutting down",
}
# where the driver gives no SQLSTATE, as when it connects: what its message says, in lower case
BY_MESSAGE: Final = {
    "authentication failed": BY_SQLSTATE["28"],
    "no password supplied": BY_SQLSTATE["28"],
    "role ": "the server does not know the user",
    "pg_hba.conf": "the server does not let this machine, user or database in (pg_hba.conf)",
    "database ": BY_SQLSTATE["3D"],
    "connection refused": "the connection was refused: does the server run, and on that port?",
    "no such file or directory": "the server's socket is not there: does the server run?",
    "translate host name": "the host name is not known",
    "resolve host": "the host name is not known",
    "name or service not known": "the host name is not known",
    "certificate": "the server's certificate is not accepted (sslmode, sslrootcert)",
    "ssl": "TLS failed, or one side does not allow it (sslmode)",
    "timeout": "the server does not answer",
    "too many clients": BY_SQLSTATE["53300"],
    "starting up": BY_SQLSTATE["57P"],
    "network is unreachable": "the network is not reachable",
    "no route to host": "the host is not reachable",
}
BY_SQLITE: Final = {
    "SQLITE_CANTOPEN": "the file cannot be opened: check its folder and who may write there",
    "SQLITE_READONLY": "the file or its folder is read-only",
    "SQLITE_PERM": "the file may not be read or written",
    "SQLITE_NOTADB": "the file is no SQLite database",
    "SQLITE_CORRUPT": "the file is damaged: restore a backup",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_IOERR": "the disk or file system fails",
}
UNKNOWN: Final = "the database does not answer"


def cause_of(error: DBAPIError) -> str:
    """Return why the database could not be used."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    sqlite_error = getattr(error.orig, "sqlite_errorname", "")
    message = str(error.orig).lower()
    for table, text in ((BY_SQLSTATE, sqlstate), (BY_SQLITE, sqlite_error)):
        if found := next((table[each] for each in table if text.startswith(each)), None):
            return found
    return next((BY_MESSAGE[each] for each in BY_MESSAGE if each in message), UNKNOWN)
