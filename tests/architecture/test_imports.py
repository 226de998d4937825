"""The layout of the design: imports run downward, and each library for the outside has one module that uses it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "importer"

#: Every package and every module beside them, from the top down. Each imports only what stands below it.
FLOORS = (
    "__main__",
    "cli",
    "web",
    "nightly",
    "library",
    "pipeline",
    "checker",
    "template",
    "runs",
    "telemetry",
    "sender",
    "reporter",
    "reconciler",
    "chunker",
    "journal",
    "settings",
    "reader",
    "capillary",
    "normaliser",
    "system",
    "world",
    "row_block",
    "masking",
    "observer",
    "model",
    "errors",
    "_version",
    "sandbox",
)

#: Modules that get time, network and chance passed in.
PURE = (
    *("model", "errors", "masking", "observer", "normaliser", "reconciler", "row_block"),
    *("chunker.lanes", "chunker.batches", "chunker.pacer", "sender.stop_rules", "sender.retry", "sender.work"),
    *("capillary.codes", "capillary.wire", "capillary.lookups", "capillary.triage", "capillary.retry_after"),
    *("capillary.paths", "checker.findings", "checker.text", "checker.repeats"),
    *("nightly.inbox", "nightly.state", "nightly.text"),
    *("system.text", "system.formula_guard", "system.encodings"),
)
#: Nothing that touches the outside belongs into the pure modules.
OUTSIDE = (
    *("httpx", "aiohttp", "sqlalchemy", "sqlite3", "socket", "subprocess", "asyncio", "threading", "click"),
    "starlette",
)

#: library → the packages and modules that may import it.
DOORS = {
    "httpx": ("capillary", "world"),
    "httpx_aiohttp": ("capillary.transport",),
    "aiohttp": ("capillary.transport", "capillary.network_errors"),
    "openpyxl": ("reader",),
    "python_calamine": ("reader",),
    "xlrd": ("reader",),
    "lxml": ("reader",),
    "msoffcrypto": ("reader",),
    "olefile": ("reader",),
    "cryptography": ("reader",),
    "xlsxwriter": ("reporter", "template.workbook"),
    "sqlalchemy": ("journal", "runs.leases"),
    "tqdm": ("telemetry.progress",),
    "click": ("cli",),
    "starlette": ("sandbox", "web"),
    "uvicorn": ("sandbox", "web"),
    "phonenumbers": ("normaliser.phones", "checker.findings", "template.checks"),
    "email_validator": ("normaliser.emails",),
    "ftfy": ("normaliser.destroyed",),
    "regex": ("normaliser.preferences",),
    "fsspec": ("nightly.remote", "nightly.sftp"),
    "paramiko": ("nightly.sftp",),
    "apprise": ("telemetry.notices",),
    "structlog": ("telemetry.log_lines",),
    "opentelemetry": ("telemetry.metrics",),
}
#: The parsing child lives for one file and loads the parser of that file only: each costs time and memory. What the
#: extras bring is loaded where it is used: most installations have none of them. Reports of a CSV need no library for
#: workbooks.
LATE = ("reader.workbook_child", "reporter.annotated_child", "nightly.remote", "telemetry.notices", "telemetry.metrics")


def name_of(path: Path) -> str:
    """`importer/reader/text.py` → `reader.text`; a package is its `__init__`; the package itself is empty."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def for_types_only(tree: ast.Module) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING`: never imported when the program runs."""
    blocks = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {node for block in blocks for node in ast.walk(block)}


def libraries_of(tree: ast.Module) -> set[str]:
    found = set()
    for node in imports_of(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        found |= {name.partition(".")[0] for name in names}
    return found


def own_of(name: str, tree: ast.Module) -> set[str]:
    """Our modules that a module imports, also for types only."""
    found = set()
    for node in imports_of(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        else:
            targets = [node.module or ""]
            targets += [f"{node.module}.{alias.name}" for alias in node.names]
        for target in targets:
            inner = target.removeprefix("importer.")
            if inner != target and inner in MODULES:
                found.add(inner)
    return found - {name}


GRAPH = {name: own_of(name, tree) for name, tree in MODULES.items()}


def floor_of(name: str) -> int:
    """Counted from the top. A module that the list does not name is a `ValueError`."""
    return FLOORS.index(name.partition(".")[0])


def inside(name: str, places: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or in a package of these."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def test_every_package_has_a_layer_and_every_layer_exists() -> None:
    """A new package or top-level module must be given a layer on purpose."""
    assert sorted({name.partition(".")[0] for name in MODULES if name}) == sorted(FLOORS)


@pytest.mark.parametrize("name", [name for name in MODULES if name])
def test_imports_run_downward(name: str) -> None:
    """No module imports from a floor above its own, type-checking imports included."""
    for imported in GRAPH[name]:
        assert floor_of(imported) >= floor_of(name), f"{name} imports {imported}, which stands above it"


def test_no_module_imports_itself_through_others() -> None:
    """No circles, not even between modules of one package."""
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way, name))
        if name not in done:
            for imported in sorted(GRAPH[name]):
                # A package's `__init__` gathers its modules; a module that imports a sibling does not import it.
                visit(imported, (*way, name))
            done.add(name)

    for name in GRAPH:
        visit(name, ())


@pytest.mark.parametrize("name", list(MODULES))
def test_imports_stand_at_the_top(name: str) -> None:
    """Not inside functions or classes, where it is hidden what a module needs."""
    tree = MODULES[name]
    for node in imports_of(tree):
        assert name in LATE or node in tree.body or node in for_types_only(tree), f"{name}, line {node.lineno}"


@pytest.mark.slow
@pytest.mark.parametrize("library", list(DOORS))
def test_libraries_for_the_outside_have_few_importers(library: str) -> None:
    """Only the client imports httpx (others take a transport that is passed in), and two modules openpyxl: one reads,
    one writes."""
    for name, tree in MODULES.items():
        if library in libraries_of(tree):
            assert inside(name, DOORS[library]), f"{name} imports {library}"


def test_the_pure_modules_touch_nothing() -> None:
    """No network, no threads, no database. The time is passed in, so tests do not wait."""
    for name in PURE:
        assert any(inside(module, (name,)) for module in MODULES), name
    for name, tree in MODULES.items():
        if inside(name, PURE):
            touched = libraries_of(tree) & set(OUTSIDE)
            assert not touched, f"{name} imports {', '.join(sorted(touched))}"


def test_the_sandbox_shares_nothing_with_what_it_tests() -> None:
    """A wire code or catalogue shared with the client would share its mistakes."""
    for name in MODULES:
        if inside(name, ("sandbox",)):
            assert all(inside(imported, ("sandbox",)) for imported in GRAPH[name]), name


def test_nothing_below_prints_or_ends_the_program() -> None:
    """Only the command line prints, reads argv or exits; below it, a message is returned or raised."""
    for name, tree in MODULES.items():
        if inside(name, ("cli", "__main__")) or name in ("reader.workbook_child", "reporter.annotated_child"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "input", "sys.exit", "exit", "quit", "os._exit"), f"{name}: {called}"
            assert not (isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.argv"), f"{name}: sys.argv"


def test_each_module_says_what_it_is_for() -> None:
    """The first line of every module states its purpose."""
    for name, tree in MODULES.items():
        first = (ast.get_docstring(tree) or "").splitlines()
        assert first, name
        assert first[0][-1] in ".!?;", f"{name}: {first[0]}"


def test_the_folder_is_the_design_card() -> None:
    """At most twelve files stand beside the packages."""
    files = [entry.name for entry in PACKAGE.iterdir() if entry.is_file()]
    assert len(files) <= 12, sorted(files)


#: The faces, the process's edges, and the modules that start children with its environment.
READS_ENVIRONMENT = ("cli", "library", "web", "reader.workbook", "reporter.annotated")


def test_the_environment_is_passed_in() -> None:
    """Below the faces, settings and credentials come from the environment that a face passes in."""
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
                assert inside(name, READS_ENVIRONMENT), f"{name}, line {node.lineno}"


def test_modules_that_are_loaded_by_name_stand_below_too() -> None:
    """`late` and tables of modules name them in strings, which no import statement shows."""
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and name:
                target = node.value.removeprefix("importer.")
                if target != node.value and target in MODULES:
                    assert floor_of(target) >= floor_of(name), f"{name} loads {target}, which stands above it"


def test_a_large_module_or_class_says_why_it_is_one_piece() -> None:
    """At most 450 lines a module and 300 a class, except for tables and where the first lines give the reason."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        excused = "table" in (ast.get_docstring(tree) or "") or "one piece" in (ast.get_docstring(tree) or "")
        assert text.count("\n") <= 450 or excused, path
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                assert (node.end_lineno or 0) - node.lineno < 300 or excused, f"{path}: {node.name}"
