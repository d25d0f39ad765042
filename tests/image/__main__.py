"""Builds the image with buildah, and checks it: ``make image``, ``make test-image``. Needs Linux, root, buildah and mmdebstrap.

python -m tests.image build    # .local/image/firewalker.oci.tar and its list of contents (SBOM)
python -m tests.image check    # the same, and: lint, licences, answers gRPC as uid 10001, writes nothing, stops with 0
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.image.building import Builder, MissingError
from tests.image.contents import forbidden_licences, write_contents
from tests.image.running import run_and_stop
from tests.image.texts import lint_dockerfile, validate_compose


def main() -> int:
    """Do it; 1 with what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.image")
    parser.add_argument("what", choices=["build", "check"])
    parser.add_argument("--base", help="an image with Python to build on; made from Debian's packages without")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        with Builder.here() as builder:
            if arguments.what == "check":
                lint_dockerfile()
                validate_compose()
                print("Dockerfile and compose.yaml are as they should be.")
            image = builder.build(arguments.base)
            print(f"Built after {time.monotonic() - began:.0f} s; {image.own_bytes / 1e6:.0f} MB on top of its base.")
            contents = write_contents(image)
            print(f"{len(contents)} Python packages, listed in {image.contents}.")
            if wrong := forbidden_licences(contents):
                print("Not among the allowed licences: " + ", ".join(wrong), file=sys.stderr)
                return 1
            if arguments.what == "check":
                run_and_stop(image)
            else:
                print(f"{builder.save(image)} can be pushed or loaded (OCI archive).")
    except MissingError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
