"""Each structure rule finds its breach in a bad sample and nothing in a good one."""

import subprocess
import textwrap

import check_structure
import pytest
from structure_source import Source

# Put together here, so that the rule does not find it in this file.
HOME_PATH = "/" + "home/someone/data.csv"


def rules(text, path="src/gradion/sample.py", *others):
    """The names of the rules that find something in a sample."""
    sources = [Source(path, textwrap.dedent(text)), *others]
    return [finding.rule for finding in check_structure.check(sources)]


def package(text):
    return "__all__ = []\n" + textwrap.dedent(text)


LONG_BODY = "\n".join(f"    x{i} = {i}" for i in range(60))
ABSTRACT = """
import abc
class _AbstractLaw(abc.ABC):
    @abc.abstractmethod
    def flux(self): ...
    def twice(self):
        return 2 * self.flux()
"""

BAD = {
    "abstract-or-final": "class _Law:\n    pass\nclass _Fick(_Law):\n    pass\n",
    "no-override": ABSTRACT
    + "class _Fick(_AbstractLaw):\n    def flux(self): ...\n    def twice(self): ...\n",
    "long-file": "x = 1\n" * 501,
    "long-function": f"def _long():\n{LONG_BODY}\n",
    "string-option": "def _solve(method='bdf'): ...\n",
    "bare-except": "try:\n    x = 1\nexcept:\n    pass\n",
    "assert": "assert True\n",
    "ascii": "x = 1  # \u00b5m\n",
    "machine-path": f"x = '{HOME_PATH}'\n",
    "exports": "from gradion.module import *\n",
}

GOOD = {
    "abstract base": ABSTRACT
    + """
class _Fick(_AbstractLaw):
    def __init__(self): ...
    def flux(self): ...
""",
    "abstract in two steps": ABSTRACT
    + """
class _AbstractFick(_AbstractLaw):
    @abc.abstractmethod
    def diffusivity(self): ...
    def flux(self): ...
class _Fick(_AbstractFick):
    def diffusivity(self): ...
""",
    "open bases": """
import enum
from gradion.module import Module
class _Law(Module): ...
class _Bad(ValueError): ...
class _Worse(_Bad): ...
class _Kind(enum.Enum):
    A = 1
""",
    "open hook": """
class _Base:
    def extra_repr(self):  # open: a line of repr for a subclass to fill
        return ""
    def forward(self):
        raise NotImplementedError
class _Law(_Base):
    def extra_repr(self): ...
    def forward(self): ...
""",
    "reasons": f"""
# long: one table, read from top to bottom
def _long():
{LONG_BODY}
def _lookup(kind):
    return kind == "a"  # string: a key of the file format
""",
    "text": "def _check(unit='1', prefix='', x_unit='m'): ...\ndef _f(name): return name == 'a'\n",
    "named except": "try:\n    x = 1\nexcept ValueError:\n    pass\n",
    "url": "x = 'https://example.org/home/page'\n",
}


@pytest.mark.parametrize("rule", BAD)
def test_bad_sample(rule):
    assert rules(package(BAD[rule])) == [rule]


@pytest.mark.parametrize("sample", GOOD)
def test_good_sample(sample):
    assert rules(package(GOOD[sample])) == []


@pytest.mark.parametrize(
    "text",
    [
        "def _solve(*, method: str = 'bdf'): ...",
        "def _solve(method: Literal['bdf', 'radau']): ...",
        "def _solve(method):\n    if method == 'bdf': ...",
        "def _solve(method):\n    return method in ('bdf', 'radau')",
        "def _solve(method):\n    match method:\n        case 'bdf': ...",
    ],
)
def test_string_options(text):
    assert rules(package(text)) == ["string-option"]
    assert rules(package(text), "src/gradion/cli/fit.py") == []
    assert rules(package(text), "src/gradion/cell/io/bpx.py") == []
    assert rules(package(text), "tools/sample.py") == []


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "__all__ = ['missing']",
        "__all__ = []\ndef public(): ...",
        "__all__ = [*names]\ndef public(): ...",
    ],
)
def test_exports(text):
    assert rules(text) == ["exports"]
    assert rules(text, "src/gradion/_private.py") == []


def test_good_exports():
    assert rules("__all__ = ['f', 'x', 'np']\nimport numpy as np\nx = 1\ndef f(): ...\n") == []


def test_bases_are_found_across_files():
    base = Source("src/gradion/law/fick.py", "__all__ = ['Fick']\nclass Fick: ...\n")
    package_ = Source(
        "src/gradion/law/__init__.py", "from gradion.law.fick import Fick\n__all__ = ['Fick']\n"
    )
    text = "from gradion.law import Fick\n__all__ = []\nclass _Mine(Fick): ...\n"
    assert rules(text, "src/gradion/mine.py", base, package_) == ["abstract-or-final"]
    # A class of the same name from elsewhere is another class.
    other = text.replace("gradion.law", "equinox")
    assert rules(other, "src/gradion/mine.py", base, package_) == []


@pytest.mark.parametrize("name", ["utils.py", "misc.py", "helpers.py", "base.py", "common/a.py"])
def test_file_names(name):
    assert rules("__all__ = []\n", f"src/gradion/{name}") == ["file-name"]
    assert rules("__all__ = []\n", "src/gradion/database.py") == []


def test_machine_path_in_any_text():
    assert rules(f"See {HOME_PATH}.\n", "docs/a.md") == ["machine-path"]
    temporary = "/" + "tmp/x"
    assert rules(f"x = '{temporary}'\n", "tests/unit/test_a.py") == []
    assert rules(f"x = '{temporary}'\n", "tools/a.py") == ["machine-path"]


def test_reason_must_be_given():
    text = f"# long:\ndef _long():\n{LONG_BODY}\n"
    assert rules(package(text)) == ["long-function"]


def test_broken_file_is_a_finding():
    assert rules("def (:\n") == ["syntax"]


def test_finding_prints_in_one_line():
    (finding,) = check_structure.check([Source("src/gradion/a.py", "__all__ = []\nassert 1\n")])
    assert str(finding).startswith("src/gradion/a.py:2: assert: assert statement; raise ValueError")


@pytest.mark.parametrize("with_git", [True, False])
def test_command(tmp_path, capsys, with_git):
    if with_git:
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    folder = tmp_path / "src" / "gradion"
    folder.mkdir(parents=True)
    (folder / "law.py").write_text("__all__ = []\n")
    assert check_structure.main(["--root", str(tmp_path)]) == 0
    (folder / "law.py").write_text("__all__ = []\nassert 1\n")
    assert check_structure.main(["--root", str(tmp_path)]) == 1
    assert "src/gradion/law.py:2: assert" in capsys.readouterr().out


def test_explain_names_every_rule(capsys):
    assert check_structure.main(["--explain"]) == 0
    text = capsys.readouterr().out
    for rule in (*check_structure.PYTHON_RULES, *check_structure.TEXT_RULES):
        assert f"{rule.__name__}: {rule.__doc__.splitlines()[0]}" in text
