"""How long the plugin takes to load, in a process that has done nothing else.

``python -m dev.bench.loading`` prints one JSON object: seconds to compile and to run the
source, as a host does both, beyond the imports that every host has made already.
"""

from __future__ import annotations

import ast
import json
import sys
import time
import types

from dev.manifest import PRODUCT


def main() -> None:
    """Load it once."""
    source = PRODUCT.read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(compile(ast.Module([node], []), "imports", "exec"), {})
    started = time.perf_counter()
    code = compile(source, "<string>", "exec")
    compiled = time.perf_counter()
    module = types.ModuleType("function_bench")
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)
    module.__dict__["Pipe"]()
    finished = time.perf_counter()
    print(json.dumps({"compile": compiled - started, "run": finished - compiled}))


if __name__ == "__main__":
    main()
