"""Prints the secret of one service of an environment as AWS's Secrets Manager wants it:
``.venv/bin/python deploy/aws/secret_files.py FOLDER prod user``.

FOLDER is the operator's, kept where secrets are kept. Keys and credentials that are not in it yet are made; what only the operator
knows (``user-mysql.url``, where there is a replica ``user-mysql_replica.url``, ``mail.url``, ``providers.json``, ``fcm.json`` …)
has to be put there first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from firewalker_aws.plan import REPLICA_FILES, SIZES, Sizes, secret_files

from firewalker.local.secrets import make_secrets

MADE = {
    "page.key": "page_token.key",
    "log.key": "log_pseudonym.key",
    "refresh.key": "refresh_token.key",
}
"""What `make_secrets` calls by another name than the instances do."""


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


def main() -> int:
    """Print it; 1 if a file is missing."""
    _, folder, environment, service = sys.argv
    try:
        print(json.dumps(content(Path(folder), SIZES[environment], service)))
    except FileNotFoundError as missing:
        print(f"{missing.filename} has to be there first", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
