"""The real tools: h2spec and gRPC's interop client, and others in Go, built into `.local/conformance`, once.

Needs `go` on the PATH and a Go module proxy; nothing else in this project does.
"""

import os
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".local" / "conformance"

H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
INTEROP = "google.golang.org/grpc/interop/client@v1.85.0"
_BUILD_S = 900


class CannotBuildError(Exception):
    """The tools cannot be had here; the text says why, in one sentence."""


def find() -> tuple[Path, Path]:
    """h2spec and the interop client; built if they are not there yet, in a minute or two.

    Raises:
        CannotBuildError: There is no Go, or it failed.
    """
    return tool("h2spec", H2SPEC), tool("client", INTEROP)


def tool(name: str, module: str) -> Path:
    """The program *name* of a Go *module*; built if it is not there yet.

    Raises:
        CannotBuildError: There is no Go, or it failed.
    """
    path = FOLDER / name
    if path.exists():
        return path
    go = shutil.which("go")
    if go is None:
        raise CannotBuildError(f"{name} is built with Go (https://go.dev), and there is none on the PATH")
    FOLDER.mkdir(parents=True, exist_ok=True)
    work = FOLDER / "go"
    more = {"GOBIN": str(FOLDER), "GOPATH": str(work), "GOCACHE": str(work / "cache"), "GOFLAGS": "-modcacherw"}
    built = subprocess.run(  # noqa: S603 - go
        [go, "install", module],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=_BUILD_S,
    )
    # The sources and Go's cache are half a gigabyte; the binaries are all that is wanted.
    shutil.rmtree(work, ignore_errors=True)
    if built.returncode:
        said = (built.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CannotBuildError(f"`go install {module}` failed: {said}")
    return path
