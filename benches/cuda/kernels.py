"""Which kernels were launched and never computed, and which add with atomic operations.

    kernels.py FOLDER   of the files that processes on the emulated GPU left: `computed-*.json` and `launched-*.json`
"""

import json
import re
import sys
from pathlib import Path


def named(kernel):
    """The name without the digest of its source."""
    return re.sub(r"_[0-9a-f]{8}$", "", kernel)


def kernels(folder, pattern, key):
    found = set()
    for path in Path(folder).glob(pattern):
        found.update(named(kernel) for kernel in json.loads(path.read_text())[key])
    return found


def show(title, names):
    print(f"{title}: {len(names)}")
    for name in sorted(names):
        print(f"  {name}")


def main():
    (folder,) = sys.argv[1:]
    computed = kernels(folder, "computed-*.json", "launches_by_kernel")
    computed -= kernels(folder, "computed-*.json", "kernels_not_computed")
    launched = kernels(folder, "launched-*.json", "launches_by_kernel")
    atomic = kernels(folder, "*.json", "kernels_with_float_atomics")
    print(f"kernels computed: {len(computed)}, launched by the networks: {len(launched)}")
    show("launched and never computed", launched - computed)
    show("with floating-point atomics", atomic)


if __name__ == "__main__":
    main()
