"""A hash of a module's code and of all that it imports from this package.

The workflow gives it to every rule as a parameter, so that a change of code reruns exactly the
stages that use it. Comments, docstrings and layout do not count.
"""

import ast
import functools
import hashlib
from pathlib import Path

ROOT = Path(__file__).parent
NAME = __package__


def recipe(module):
    """Return 16 hex digits for the code of a module such as "align.estimate" and its imports."""
    digest = hashlib.sha256()
    for path in sorted(closure(module)):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(_code(path)[0].encode())
    return digest.hexdigest()[:16]


def recipes():
    """Return {module: recipe} of every module of the package."""
    names = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in sources()]
    return {name: recipe(name) for name in names if not name.endswith("__init__")}


def sources():
    """Return the package's Python files, sorted."""
    return sorted(ROOT.rglob("*.py"))


def closure(module):
    """Return the files of `module` and of everything that it imports from the package."""
    found, waiting = set(), [_file(module)]
    while waiting:
        path = waiting.pop()
        if path is None or path in found:
            continue
        found.add(path)
        waiting.extend(_file(name) for name in _code(path)[1])
    return found


def _file(module):
    """Return the file of a dotted name below the package, or None for a name inside a module."""
    base = ROOT.joinpath(*[part for part in module.split(".") if part])
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    return base / "__init__.py" if (base / "__init__.py").is_file() else None


@functools.cache
def _code(path):
    """Return (hash of the code without docstrings, names imported from the package)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        _drop_docstring(node)
    inside = tuple(name[len(NAME) + 1 :] for name in names if name.startswith(NAME + "."))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), inside


def _drop_docstring(node):
    if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
