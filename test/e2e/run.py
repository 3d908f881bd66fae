"""Runs the end-to-end tests: run.py BUILD [NAME...] takes test/e2e/NAME_test.py, or all; ends with `N passed, N failed`."""
import pathlib
import sys
import unittest

import tools


def main():
    tools.BUILD = pathlib.Path(sys.argv[1]).resolve()
    here = pathlib.Path(__file__).resolve().parent
    names = [f"{name}_test" for name in sys.argv[2:]] or sorted(f.stem for f in here.glob("*_test.py"))
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{max(result.testsRun - failed, 0)} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
