"""Prints the secret of one service of an environment as AWS's Secrets Manager wants it:
``.venv/bin/python deploy/aws/secret_files.py FOLDER prod user``; with ``FOLDER rotate`` the next key signs access tokens.

FOLDER is the operator's, kept where secrets are kept. Keys and credentials that are not in it yet are made; what only the operator
knows (``user-mysql.url``, where there is a replica ``user-mysql_replica.url``, ``mail.url``, ``providers.json``, ``fcm.json`` …)
has to be put there first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from firewalker_aws.plan import REPLICA_FILES, SIZES, Sizes, secret_files

from firewalker.local import signing_keys
from firewalker.local.problems import CannotStartError
from firewalker.local.secrets import make_secrets

MADE = {
    "page.key": "page_token.key",
    "log.key": "log_pseudonym.key",
    "refresh.key": "refresh_token.key",
}
"""What `make_secrets` calls by another name than the instances do."""

SPREAD_S = 3600.0
"""From a change in the folder until every instance has it: the operator puts the secrets, and within five minutes all fetch them."""


def content(folder: Path, sizes: Sizes, service: str) -> dict[str, str]:
    """The files of *service*, in an environment of these *sizes*, by the names that the instances know them by.

    Raises:
        FileNotFoundError: One that only the operator can provide is not there.
    """
    make_secrets(folder)
    own = {"service.token": f"service-{service}.token", "mysql.url": f"{service}-mysql.url"}
    own |= {name: f"{service}-{name}" for name in REPLICA_FILES.values()}
    return {
        name: (folder / own.get(name, MADE.get(name, name))).read_text(encoding="utf-8").rstrip("\n")
        for name in secret_files(service, replica=sizes.replicas > 0).values()
    }


def rotate(folder: Path, now_s: float | None = None) -> None:
    """Have the next key sign access tokens, once the secrets are put; the one that did verifies as long as it has to.

    Raises:
        CannotStartError: The next key is too new for all instances to know it.
    """
    signing_keys.rotate(make_secrets(folder), spread_s=SPREAD_S, now_s=now_s)


def main() -> int:
    """Do it; 1 if a file is missing, or a key too new."""
    _, folder, *what = sys.argv
    try:
        if what == ["rotate"]:
            rotate(Path(folder))
            print(f"Put the secrets of all services within {SPREAD_S / 60:.0f} minutes.")
        else:
            environment, service = what
            print(json.dumps(content(Path(folder), SIZES[environment], service)))
    except FileNotFoundError as missing:
        print(f"{missing.filename} has to be there first", file=sys.stderr)
        return 1
    except CannotStartError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
