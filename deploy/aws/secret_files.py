"""Prints the secret of one service as AWS's Secrets Manager wants it: ``.venv/bin/python deploy/aws/secret_files.py FOLDER user``.

FOLDER is the operator's, kept where secrets are kept. Keys and credentials that are not in it yet are made; what only the operator
knows (``user-mysql.url``, ``mail.url``, ``providers.json``, ``fcm.json`` …) has to be put there first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from firewalker_aws.plan import secret_files

from firewalker.local.secrets import make_secrets

MADE = {
    "page.key": "page_token.key",
    "log.key": "log_pseudonym.key",
    "refresh.key": "refresh_token.key",
}
"""What `make_secrets` calls by another name than the instances do."""


def content(folder: Path, service: str) -> dict[str, str]:
    """The files of *service* by the names that the instances know them by.

    Raises:
        FileNotFoundError: One that only the operator can provide is not there.
    """
    make_secrets(folder)
    own = {"service.token": f"service-{service}.token", "mysql.url": f"{service}-mysql.url"}
    return {
        name: (folder / own.get(name, MADE.get(name, name))).read_text(encoding="utf-8").rstrip("\n")
        for name in secret_files(service).values()
    }


def main() -> int:
    """Print it; 1 if a file is missing."""
    _, folder, service = sys.argv
    try:
        print(json.dumps(content(Path(folder), service)))
    except FileNotFoundError as missing:
        print(f"{missing.filename} has to be there first", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
