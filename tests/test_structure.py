"""What holds the repository together: names that agree, walls, papers that point at things that exist.

Formatting, lint, types and the direction of imports are `make check`.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipelines.cli.reference import help_texts
from stages.params import Params
from storage import process, settings
from storage.repo.pointer import pointer_md5

ROOT = Path(__file__).parents[1]
TOP = {
    ".ci", ".dvc", ".dvcignore", ".env.sample", ".gitattributes", ".gitignore", ".pre-commit-config.yaml",
    ".python-version", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "benchmarks",
    "compose.yaml", "docs", "dvc.yaml", "params.yaml", "pipelines", "pyproject.toml", "stages", "storage", "tests",
    "uv.lock",
}  # fmt: skip
PROJECT = {"data", "dvc.lock"}  # what a clone that is worked in has besides
LONG = {"LICENSE", "uv.lock", "dvc.lock", "dvc.yaml", "docs/cli.md"}  # generated, or not ours to shorten
LINES = 400
FILES = 20  # in a folder
CODE = {"pipelines", "stages", "storage", "tests", "benchmarks"}
NOT_STAGES = {
    "__init__",
    "classifier_params",
    "compatibility",
    "learning_task",
    "params",
    "provenance",
    "run",
}

TRACKED = process.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT
).splitlines()
# Packages are empty: to import one is no import of what is in it.
MODULES = {
    path.removesuffix(".py").replace("/", "."): ROOT / path
    for path in TRACKED
    if path.split("/")[0] in CODE and path.endswith(".py") and (ROOT / path).is_file()
}
PAPERS = sorted(path for path in TRACKED if path.endswith(".md"))
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def test_a_stage_is_a_file_is_a_section_of_params() -> None:
    files = {path.stem for path in (ROOT / "stages").glob("*.py")} - NOT_STAGES
    sections = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert files == set(PIPELINE)
    assert list(sections) == ["splits", "sync", *PIPELINE, "tuning"]
    assert list(Params.model_fields) == ["splits", "sync", *PIPELINE, "tuning"]


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_runs_its_own_file_and_depends_on_it(stage: str) -> None:
    assert PIPELINE[stage]["cmd"] == f"python -m stages.{stage}"
    assert f"stages/{stage}.py" in PIPELINE[stage]["deps"]
    code = [path for path in PIPELINE[stage]["deps"] if path.startswith(("stages/", "storage/"))]
    assert [path for path in code if not (ROOT / path).exists()] == []


def test_one_place_asks_what_is_learnt() -> None:
    """Stages ask the task that stages/learning_task.py gives them; who reads annotations asks what these hold."""
    code = [p for p in TRACKED if p.endswith(".py") and p.startswith(("pipelines/", "stages/", "storage/"))]
    asks = re.compile(r"config\.task [!=]= .segm|isinstance\(.*(Segmentation|Classification)Task")
    found = [p for p in code if (ROOT / p).is_file() and asks.search((ROOT / p).read_text(encoding="utf-8"))]
    assert found == []


def test_git_changes_no_line_end(tmp_path: Path) -> None:
    """A pointer with others names no hash, and code with others would be another stage to DVC."""
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "data").mkdir(parents=True)
    for name in (".gitattributes", "params.yaml"):
        (first / name).write_bytes((ROOT / name).read_bytes())
    (first / "data/labels.dvc").write_bytes(b"outs:\n- md5: %b.dir\n  path: labels\n" % (b"a" * 32))
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    process.run(["git", "init", "--quiet"], cwd=first)
    process.run(["git", "add", "."], cwd=first)
    process.run(["git", *who, "commit", "--quiet", "-m", "one"], cwd=first)
    process.run(["git", "clone", "--quiet", "-c", "core.autocrlf=true", first, second])
    assert pointer_md5(second / "data/labels.dvc") == "a" * 32 + ".dir"
    assert (second / "params.yaml").read_bytes() == (first / "params.yaml").read_bytes()


def test_only_agreed_entries_at_the_top() -> None:
    top = {path.partition("/")[0] for path in TRACKED}
    assert top - PROJECT <= TOP
    assert top >= TOP


def test_no_file_is_longer_than_one_sitting() -> None:
    texts = [p for p in TRACKED if p not in LONG and Path(p).suffix not in {".png", ".svg", ".txt"}]
    lengths = {
        p: len((ROOT / p).read_text(encoding="utf-8").splitlines()) for p in texts if (ROOT / p).is_file()
    }
    assert {path: length for path, length in lengths.items() if length > LINES} == {}


def test_no_folder_of_code_has_more_files_than_one_sees_at_once() -> None:
    counts = Counter(str(path.parent) for path in map(Path, TRACKED) if path.parts[0] in CODE)
    assert {folder: count for folder, count in counts.items() if count > FILES} == {}


def test_no_import_goes_in_a_circle() -> None:
    """Nor one inside a function, or for types alone, which import-linter's levels do not see within a folder."""
    imports = {module: _imported(module) for module in MODULES}
    assert [module for module in MODULES if module in _reached(imports, module)] == []


def test_no_module_is_imported_by_a_string() -> None:
    names = {"import_module", "__import__"}
    assert [module for module in MODULES if names & {str(_name(node)) for node in _nodes(module)}] == []


def _nodes(module: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def _name(node: ast.AST) -> str | None:
    return getattr(node, "id", None) or getattr(node, "attr", None)


def _imported(module: str) -> set[str]:
    """The modules of ours that a module imports, wherever it does."""
    found: set[str] = set()
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & MODULES.keys()


def _reached(imports: dict[str, set[str]], start: str) -> set[str]:
    """The modules that one imports, and those that they import."""
    found, ahead = set[str](), [*imports[start]]
    while ahead:
        module = ahead.pop()
        if module not in found:
            found.add(module)
            ahead += imports[module]
    return found


def test_the_sample_of_env_names_every_setting() -> None:
    text = (ROOT / ".env.sample").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    known = {str(field.alias) for field in settings.Settings.model_fields.values()}
    assert named == known | {"LABELTRAIL_CACHE"}


@pytest.mark.parametrize("paper", PAPERS)
def test_relative_links_lead_somewhere(paper: str) -> None:
    text = (ROOT / paper).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    paths = [link.partition("#")[0] for link in links if not re.match(r"https?://|#|mailto:", link)]
    assert [path for path in paths if not (ROOT / paper).parent.joinpath(path).exists()] == []


@pytest.mark.parametrize("paper", [path for path in PAPERS if path != "docs/cli.md"])
def test_commands_in_the_papers_exist(paper: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    commands = {name.removeprefix("labeltrail ") for name, _ in help_texts()}
    code = _code((ROOT / paper).read_text(encoding="utf-8"))
    assert set(re.findall(r"(?:^|[;&|`] *)make ([a-z][a-z-]*)", code, re.MULTILINE)) - targets == set()
    assert set(re.findall(r"(?:^|[;&|] *)labeltrail ([a-z][a-z-]*)", code, re.MULTILINE)) - commands == set()


def _code(text: str) -> str:
    """Code blocks and code spans of a paper, a line each; prompts are taken off."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return re.sub(r"^\$ ", "", "\n".join([*blocks, *spans]), flags=re.MULTILINE)


# Words that a reader of the field would not search for, and the field's own.
DIALECT = {
    r"\b(awake|woken|wakes?)\b": "load the model",
    r"\b(may speak|speaks? for)\b": "is compatible with",
    r"\blearnt\b(?! from[\"':])": "trained (on)",  # "learnt from" is a fact of `labeltrail trace --json`
    r"\bchances?\b": "probability",
    r"\b(go|goes|gone|going) on with\b": "resume, continue",
    r"\bno wish\b": "is not",
    r"\btwice is as if\b": "running it twice restores",
    r"\bwords? of the server\b": "response",
    r"\bwhereabouts\b": "describe",
    r"\bfurnish": "provision",
    r"\bdef _?refuse_": "check_",
}


@pytest.mark.parametrize("pattern", DIALECT)
def test_words_are_those_of_the_field(pattern: str) -> None:
    """`DIALECT` has the word to use instead."""
    suffixes = {".py", ".md", ".html", ".yaml"}
    paths = [
        p
        for p in TRACKED
        if Path(p).suffix in suffixes and p != "tests/test_structure.py" and (ROOT / p).is_file()
    ]
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path in paths
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line, re.IGNORECASE)
    ]
    assert not found, f"say {DIALECT[pattern]!r}:\n" + "\n".join(found)
