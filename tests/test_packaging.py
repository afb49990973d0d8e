"""Files around the package that no import reads: metadata, citation, changelog, workflows."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml

import synapsnet_pyg

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read_yaml(path: Path) -> dict:
    return yaml.load(path.read_text(), yaml.BaseLoader)  # BaseLoader: 'on' stays a text


def test_versions_agree():
    citation = read_yaml(ROOT / "CITATION.cff")
    assert synapsnet_pyg.__version__ == PROJECT["version"] == citation["version"]
    assert citation["license"] == PROJECT["license"] == "MIT"


def test_torch_scatter_is_no_requirement():
    assert not [package for package in PROJECT["dependencies"] if "scatter" in package]
    assert PROJECT["optional-dependencies"]["scatter"] == ["torch-scatter>=2.1.2"]
    assert "[dev,scatter]" in (ROOT / "Makefile").read_text()


def test_extras_are_pinned():
    def plain(name):
        return re.sub("[-_.]+", "-", re.split(r"[><=;\[ ]", name)[0]).lower()

    pinned = {plain(line) for line in (ROOT / "constraints.txt").read_text().split()}
    wanted = {
        plain(package)
        for extra in ("hub", "scatter", "train", "viz")
        for package in PROJECT["optional-dependencies"][extra]
    }
    assert wanted <= pinned


def test_citation_has_the_fields_of_the_citation_file_format():
    citation = read_yaml(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    paper = citation["preferred-citation"]
    for entry in (citation, paper):
        assert {"title", "type", "authors"} <= entry.keys()
        assert all(
            {"name"} <= author.keys() or {"family-names", "given-names"} <= author.keys() for author in entry["authors"]
        )
    assert citation["message"]
    assert [author["family-names"] for author in paper["authors"]] == ["Delavari", "Oruc", "Murphy"]
    assert paper["doi"].removeprefix("10.48550/arXiv.") in paper["url"]
    assert PROJECT["urls"]["Paper"] == paper["url"]


def test_changelog_keeps_the_form_of_keep_a_changelog():
    headings = re.findall(r"^(#+) (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == [("#", "Changelog"), ("##", "[Unreleased]")]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for level, text in headings[2:]:
        assert text in kinds if level == "###" else re.fullmatch(r"\[[\d.]+\]( - \d{4}-\d\d-\d\d)?", text), text
        if " - " in text:
            date.fromisoformat(text.partition(" - ")[2])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_can_be_read(path):
    workflow = read_yaml(path)
    assert {"name", "on", "permissions", "jobs"} <= workflow.keys()
    for job in workflow["jobs"].values():
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert all("@" in step["uses"] for step in job["steps"] if "uses" in step)


def test_workflows_test_every_python_that_is_promised_and_two_versions_of_torch():
    matrix = read_yaml(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    promised = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert matrix["python"] == promised == ["3.11", "3.12", "3.13", "3.14"]
    oldest = next(package for package in PROJECT["dependencies"] if package.startswith("torch>="))
    torches = {*matrix["torch"], *(entry["torch"] for entry in matrix["include"])}
    assert torches == {"constraints", oldest.replace(">=", "==") + ".*"}


def test_a_release_needs_no_password():
    jobs = read_yaml(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    assert not any("with" in step for step in jobs["publish"]["steps"] if "pypi-publish" in step["uses"])
    assert "secrets." not in "".join(path.read_text() for path in WORKFLOWS)


def test_no_file_names_a_package_index():
    files = [*WORKFLOWS, ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "constraints.txt", ROOT / "CONTRIBUTING.md"]
    assert not [
        path for path in files if re.search(r"index-url|find-links|pypi\.org|/simple\b|/whl\b", path.read_text())
    ]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_of_issues_can_be_read(path):
    form = read_yaml(path)
    assert {"name", "description", "body"} <= form.keys()
    assert all({"id", "attributes", "type"} <= entry.keys() for entry in form["body"])


def test_hooks_are_those_of_make_test():
    (repository,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    entries = [hook["entry"].split(" --")[0].removeprefix(".venv/bin/") for hook in repository["hooks"]]
    assert repository["repo"] == "local"
    makefile = (ROOT / "Makefile").read_text()
    assert entries == ["ruff format", "ruff check", "mypy", "lint-imports"]
    assert all(f"$(BIN)/{entry}" in makefile for entry in entries)
