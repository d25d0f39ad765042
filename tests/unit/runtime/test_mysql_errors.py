import pytest
from pymysql.err import IntegrityError, InterfaceError, InternalError, MySQLError, OperationalError, ProgrammingError

from firewalker.kernel.faults import Contention, DatabaseUnavailable, DeadlineExceeded
from firewalker.runtime.mysql import DuplicateKey, StatementFailed
from firewalker.runtime.mysql.address import Address
from firewalker.runtime.mysql.errors import ConnectionLost, breaks_connection, translated


@pytest.mark.requirement("DATA-03")
@pytest.mark.parametrize(
    ("error", "expected", "broken"),
    [
        (OperationalError(1213, "Deadlock found"), Contention, False),
        (OperationalError(1205, "Lock wait timeout"), Contention, False),
        (OperationalError(1020, "Record has changed"), Contention, False),
        (OperationalError(2006, "gone away"), ConnectionLost, True),
        (OperationalError(2013, "Lost connection"), ConnectionLost, True),
        (OperationalError(2014, "out of sync"), ConnectionLost, True),
        (InterfaceError("(0, 'Not connected')"), ConnectionLost, True),
        (InternalError("Packet sequence number wrong - got 3 expected 1"), ConnectionLost, True),
        (OperationalError(1290, "read-only"), ConnectionLost, True),
        (OperationalError(1792, "read-only"), ConnectionLost, True),
        (OperationalError(1836, "read-only"), ConnectionLost, True),
        (OperationalError(1053, "shutdown"), ConnectionLost, True),
        (OperationalError(1927, "killed"), ConnectionLost, True),
        (OperationalError(3169, "killed"), ConnectionLost, True),
        (OperationalError(1040, "Too many connections"), DatabaseUnavailable, False),
        (OperationalError(1203, "max_user_connections"), DatabaseUnavailable, False),
        (OperationalError(1317, "interrupted"), DeadlineExceeded, False),
        (OperationalError(3024, "max_execution_time"), DeadlineExceeded, False),
        (OperationalError(1969, "max_statement_time"), DeadlineExceeded, False),
        (ProgrammingError(1064, "near 'secret'"), StatementFailed, False),
        (OperationalError(4025, "CONSTRAINT `c` failed"), StatementFailed, False),
    ],
)
def test_each_error_has_its_class(error: MySQLError, expected: type[Exception], broken: bool) -> None:  # noqa: FBT001
    found = translated(error, "SELECT %s")
    assert type(found) is expected
    assert "secret" not in str(found)
    assert breaks_connection(error) is broken


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Duplicate entry 'a@b' for key 'account.account_email'", "account_email"),
        ("Duplicate entry 'a@b' for key 'account_email'", "account_email"),
        ("Duplicate entry 'x' for key 'y'' for key 'PRIMARY'", "PRIMARY"),
    ],
)
def test_a_duplicate_names_the_key_as_both_servers_tell_it(text: str, key: str) -> None:
    found = translated(IntegrityError(1062, text), "INSERT")
    assert isinstance(found, DuplicateKey)
    assert found.key == key
    assert "a@b" not in str(found)


def test_an_address_is_read() -> None:
    address = Address.parse("mysql://us%40er:p%2Fw@db.example:3307/walks")
    assert (address.host, address.port, address.user, address.password) == ("db.example", 3307, "us@er", "p/w")
    assert (address.database, address.unix_socket, address.tls) == ("walks", None, None)
    assert "p/w" not in repr(address)
    assert Address.parse("mysql://root@localhost/x?unix_socket=%2Ftmp%2Fs.sock").unix_socket == "/tmp/s.sock"  # noqa: S108
    assert Address.parse("mysql://root@db/x?ssl=true").tls is not None


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:secret@h/d",
        "mysql://u:secret@h:port/d",
        "mysql://u:secret@h/d?socket=x",
        "mysql://u:secret@h/d?ssl=maybe",
        "mysql://u:sec/ret@h/d",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="MySQL URL") as caught:
        Address.parse(url)
    assert "sec" not in str(caught.value)
