"""Source code as training text: what is read, what is left out, and that condensing keeps the code the same."""

from __future__ import annotations

import ast
from pathlib import Path

from core.datasets.code import condense, definitions, is_held_out, standard_library


def test_the_standard_library_is_read_without_tests_and_packages() -> None:
    names = [source.name for source in standard_library()]
    assert {"textwrap.py", "json/decoder.py"} <= set(names)
    assert names == sorted(names)
    assert not any(part in {"test", "tests", "site-packages", "encodings"} for n in names for part in n.split("/"))


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("a = 1\n")
    (tmp_path / "latin.py").write_bytes(b"a = '\xe9'\n")
    (tmp_path / "huge.py").write_text("a = 1\n" * 100_000)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "t.py").write_text("a = 1\n")
    assert [source.name for source in standard_library(tmp_path)] == ["good.py"]


def test_condensing_shortens_docstrings_and_drops_blocks_of_comments() -> None:
    text = (
        "#!/usr/bin/python\n# Copyright\n# many lines\n\n"
        "def f(x):\n    '''Do it.\n\n    At length.\n    '''\n    # why\n    return x  # because\n\n\n\n\ny = '# no'\n"
    )
    assert condense(text) == ('def f(x):\n    """Do it."""\n    # why\n    return x  # because\n\n\ny = \'# no\'\n')


def test_condensing_changes_no_code() -> None:
    def bare(tree: ast.Module) -> str:
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
                value = body[0].value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    value.value = ""
        return ast.dump(tree)

    for source in list(standard_library())[::40]:
        if "\t" not in source.text and "\f" not in source.text:
            same = bare(ast.parse(condense(source.text))) == bare(ast.parse(source.text))
            assert same, source.name


def test_definitions_stand_by_themselves() -> None:
    text = "x = 1\n\n\nclass C:\n    @property\n    def f(self):\n        return 1\n\n    y = 2\n"
    assert list(definitions(text)) == [
        "class C:\n    @property\n    def f(self):\n        return 1\n\n    y = 2\n",
        "@property\ndef f(self):\n    return 1\n",
    ]
    assert list(definitions("def (")) == []


def test_text_that_is_no_python_comes_back() -> None:
    assert condense("print 'a'\r\n") == "print 'a'\n"
    assert condense("a\0b") == "a\0b"


def test_the_held_out_part_is_about_one_in_twenty_and_never_moves() -> None:
    names = [f"folder/file{number}.py" for number in range(4000)]
    held = [name for name in names if is_held_out(name)]
    assert 140 < len(held) < 260
    assert held == [name for name in reversed(names) if is_held_out(name)][::-1]
