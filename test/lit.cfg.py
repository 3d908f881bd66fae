# lit: .mlir files under test/, run with the tools of the build folder.  `scripts/run_lit.sh build` runs them all.
import os

import lit.formats

config.name = "sluice"
config.test_format = lit.formats.ShTest(False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.sluice_binary_dir, "test")
path = [os.path.join(config.sluice_binary_dir, "bin"), config.llvm_tools_dir, os.environ.get("PATH", "")]
config.environment["PATH"] = os.pathsep.join(path)
config.excludes = ["CMakeFiles", "data"]
config.substitutions.append(("%source", config.sluice_source_dir))
