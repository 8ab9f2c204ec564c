"""Build benchmark: how long the program takes to build from source, with nothing built before.

    build.py [--jobs 2]

What has to be downloaded is downloaded before the clock starts. Exit code 1 when the build takes 480 s or more.
"""

import argparse
import os
import shutil

from workbench import ROOT, folder

from harness import measure

TARGET = 480.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="as many as the target's machine has cores")
    options = parser.parse_args()
    cold = folder() / "cold-build"
    shutil.rmtree(cold, ignore_errors=True)
    program = ["--manifest-path", ROOT / "Cargo.toml", "--locked"]
    measure.must(["cargo", "fetch", *program])
    try:
        built = measure.must(["cargo", "build", "--release", "--bin", "outflow", "--jobs", options.jobs, *program],
                             env={**os.environ, "CARGO_TARGET_DIR": str(cold)})
        size = (cold / "release" / "outflow").stat().st_size
    finally:
        shutil.rmtree(cold, ignore_errors=True)
    print(f"build: {built.wall:.0f} s with {options.jobs} jobs, CPU {built.cpu:.0f} s, "
          f"a program of {measure.mib(size)}")
    verdict = measure.Verdict()
    verdict.check(built.wall < TARGET, f"build: {built.wall:.0f} s (target under {TARGET:.0f} s)")
    verdict.finish()


if __name__ == "__main__":
    main()
