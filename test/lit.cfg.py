# lit: .mlir files under test/, run with the tools of the build folder.  `scripts/run_lit.sh build` runs them all.
import os
import sys

import lit.formats

config.name = "sluice"
config.test_format = lit.formats.ShTest(False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.sluice_binary_dir, "test")
path = [os.path.join(config.sluice_binary_dir, "bin"), config.llvm_tools_dir, os.environ.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
config.environment["FILECHECK_OPTS"] = "-enable-var-scope"
config.excludes = ["CMakeFiles", "data"]
config.substitutions += [("%source", config.sluice_source_dir), ("%build", config.sluice_binary_dir), ("%python", sys.executable)]
models = os.path.join(os.path.dirname(config.sluice_source_dir), "shared", "models")
config.substitutions.append(("%models", models))
