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


def tool(name: str, module: str, *, whole: bool = True) -> Path:
    """The program *name* of a Go *module*; built if it is not there yet.

    Not *whole* are modules that `go install` refuses because they replace or exclude others.

    Raises:
        CannotBuildError: There is no Go, or it failed.
    """
    path = FOLDER / name
    if path.exists():
        return path
    go = shutil.which("go")
    if go is None:
        raise CannotBuildError(f"{name} is built with Go (https://go.dev), and there is none on the PATH")
    work, place = FOLDER / "go", FOLDER / "go" / "around"
    place.mkdir(parents=True, exist_ok=True)
    more = {"GOBIN": str(FOLDER), "GOPATH": str(work), "GOCACHE": str(work / "cache"), "GOFLAGS": "-modcacherw"}
    package = module.partition("@")[0]
    around = [["mod", "init", "around"], ["get", module], ["build", "-o", str(path), package]]
    try:
        for arguments in [["install", module]] if whole else around:
            built = subprocess.run(  # noqa: S603 - go
                [go, *arguments],
                env={**os.environ, **more},
                cwd=place,
                capture_output=True,
                text=True,
                check=False,
                timeout=_BUILD_S,
            )
            if built.returncode:
                said = (built.stderr.strip().splitlines() or ["nothing"])[-1]
                raise CannotBuildError(f"`go {' '.join(arguments)}` failed: {said}")
    finally:
        # The sources and Go's cache are half a gigabyte; the binaries are all that is wanted.
        shutil.rmtree(work, ignore_errors=True)
    return path
