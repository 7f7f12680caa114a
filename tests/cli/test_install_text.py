"""README, site and guides print one text for installing, which follows the package's release by one line."""

import importlib.util
import re
import tomllib

import pytest
from paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "guides").glob("*.md"))]
FIRST_COMMANDS = re.compile(r'pip install "?kerasrecipes(?:\[(?:tensorflow|tensorflow-gpu|jax|torch|ray)[\w,-]*\])?"?(?=[\s`#]|$)')


@pytest.fixture
def install():
    spec = importlib.util.spec_from_file_location("install_text", ROOT / "docs" / "build" / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_prints_the_block(install):
    text = (ROOT / "README.md").read_text("utf-8")
    begin, end = "<!-- install: written by docs/build/generate.py -->\n", "\n<!-- end of install -->"
    assert text.partition(begin)[2].partition(end)[0] == install.install_block()
    assert text.index(begin) < text.index("## Python")


def test_one_line_changes_all_commands(install):
    page = 'run `pip install .`, or\npip install ".[tensorflow,export]"  # both\npip install ./other\npip install "kerasrecipes[mic]"'
    assert not install.RELEASED and install.fill_commands(page) == page and "in a checkout" in install.install_block()
    install.RELEASED = True
    assert install.fill_commands(page) == (
        'run `pip install kerasrecipes`, or\npip install "kerasrecipes[tensorflow,export]"  # both\npip install ./other\n'
        'pip install "kerasrecipes[mic]"'
    )
    block = install.install_block()
    assert "\npip install kerasrecipes " in block and 'pip install "kerasrecipes[tensorflow]"' in block and "checkout" not in block


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_no_page_prints_a_command_that_waits_for_a_release(page):
    """An extra of an installed package works by its name: pip takes the installed one."""
    if page.stem == "changelog":
        return
    assert not FIRST_COMMANDS.findall(page.read_text("utf-8")), "write pip install . or pip install \".[EXTRA]\", which the site fills"


def test_the_check_finds_such_commands():
    for line in ('pip install "kerasrecipes[tensorflow]"', "pip install kerasrecipes", "`pip install kerasrecipes` alone"):
        assert FIRST_COMMANDS.findall(line)
    assert not FIRST_COMMANDS.findall('pip install "kerasrecipes[mic]"')


def test_the_plain_install_has_no_keras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    extras = {re.match(r"[\w-]+", line)[0] for lines in project["optional-dependencies"].values() for line in lines}
    assert not names & {"keras", "tensorflow", "tensorflow-cpu", "tensorflow-io", "jax", "torch"}
    assert {"keras", "tensorflow", "tensorflow-io", "huggingface-hub", "pytest"} <= names | extras


def test_the_demo_installs_the_plain_package():
    rule = (ROOT / "Makefile").read_text().partition("$(BIN)/kerasrecipes: ")[2].partition("\n\n")[0]
    assert "install -q --disable-pip-version-check --no-compile -e .\n" in rule and rule.count("@echo") == 2
