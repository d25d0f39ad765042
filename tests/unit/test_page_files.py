"""The files of the web page hold together, though nothing compiles them: `make test-web` sees them run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "transcoder" / "web"
SCRIPTS = sorted((WEB / "app").rglob("*.js"))
SHEETS = sorted((WEB / "app").rglob("*.css"))
MOST_LINES = 300

NAMESPACE = "http://www.w3.org/2000/svg"


def _name(path: Path) -> str:
    return path.relative_to(WEB).as_posix()


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_a_script_says_what_it_is_and_is_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("// ")
    assert text.count("\n") < MOST_LINES


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_what_a_script_imports_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    for names, source in re.findall(r'import (?:\{([^}]*)\} from )?"(\.[^"]+)"', text):
        target = (path.parent / source).resolve()
        assert target.is_file(), source
        exported = target.read_text("utf-8")
        for name in filter(None, (each.split(" as ")[0].strip() for each in names.split(","))):
            made = rf"export (?:async )?(?:function\*?|const) {name}\b|export class {name}\b"
            assert re.search(made, exported), f"{name} of {source}"
    for source in re.findall(r'import\("(\.[^"]+)"\)', text):
        assert (path.parent / source).is_file(), source


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_every_import_is_used(path: Path) -> None:
    text = path.read_text("utf-8")
    body = re.sub(r"^import .*;$", "", text, flags=re.MULTILINE)
    for names in re.findall(r"^import \{([^}]*)\} from", text, re.MULTILINE):
        for name in (each.split(" as ")[-1].strip() for each in names.split(",")):
            assert re.search(rf"\b{name}\b", body), name


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_a_script_never_makes_markup_or_code_from_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


@pytest.mark.parametrize("path", [*SCRIPTS, *SHEETS, WEB / "index.html"], ids=_name)
def test_no_other_host_is_named(path: Path) -> None:
    assert set(re.findall(r"https?://[^\s\"'`)]+", path.read_text("utf-8"))) <= {NAMESPACE}


def test_what_the_page_begins_with_is_there() -> None:
    for source in re.findall(r'(?:src|href)="/web/([^"]+)"', (WEB / "index.html").read_text("utf-8")):
        assert (WEB / source).is_file(), source


def test_libraries_come_with_their_licences_and_versions() -> None:
    folders = list((WEB / "vendor").iterdir())
    assert folders
    for folder in folders:
        assert re.fullmatch(r"[a-z-]+-\d+\.\d+\.\d+", folder.name)
        assert (folder / "LICENSE").is_file()
