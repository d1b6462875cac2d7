"""How long the plugin takes to load, as a host loads it.

``python -m dev.bench.loading`` prints what it takes in a fresh process, beyond the
imports that a host has made already. ``dev.bench.hosted`` has a host run ``load``.
Standard library only: a host has nothing else of ours.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import time
import types
from pathlib import Path

PRODUCT = Path(__file__).resolve().parents[2] / "gemini_image_pipe.py"


def load(path: Path = PRODUCT) -> dict[str, float]:
    """Seconds to compile and to run the source."""
    source = path.read_text()
    re.purge()  # the patterns of an earlier load
    started = time.perf_counter()
    code = compile(source, "<string>", "exec")
    compiled = time.perf_counter()
    module = types.ModuleType("function_bench")
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
        module.__dict__["Pipe"]()
    finally:
        del sys.modules[module.__name__]
    finished = time.perf_counter()
    return {"compile": compiled - started, "run": finished - compiled}


def main() -> None:
    """Make the imports, then load it once."""
    for node in ast.parse(PRODUCT.read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), "imports", "exec"), {})
    print(json.dumps(load()))


if __name__ == "__main__":
    main()
