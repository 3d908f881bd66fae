"""The tarball that scripts/package.sh makes: it runs wherever it is unpacked, and needs glibc only."""
import pathlib
import re
import tarfile
import tempfile
import unittest

import tools

GLIBC = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"}


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        made = tools.check(tools.run(tools.SOURCE / "scripts" / "package.sh", "runtime"))
        tarball = tools.SOURCE / made.out.splitlines()[-1]
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        with tarfile.open(tarball) as archive:
            archive.extractall(cls.folder, filter="data")
        # Not where it was unpacked either: nothing may remember a path.
        (unpacked,) = pathlib.Path(cls.folder).iterdir()
        cls.prefix = unpacked.rename(pathlib.Path(cls.folder) / "moved")
        cls.artifact = pathlib.Path(cls.folder) / "model.sluice"
        cls.model = tools.MODELS / "bert-tiny-optimum"
        tools.check(tools.tool("sluice-compile", cls.model / "model.onnx", "-o", cls.artifact, "-q"))

    def test_runs_from_another_path(self):
        data = ("--test-data", self.model / "test_data_set_0")
        tools.check(tools.run(self.prefix / "bin" / "sluice-run", self.artifact, *data, cwd="/"))
        tools.check(tools.run(self.prefix / "bin" / "sluice-dump", self.artifact, "--verify", cwd="/"))
        tools.check(tools.run(self.prefix / "bin" / "sluice-bench", self.artifact, "--iters", 1, cwd="/"))

    def test_needs_glibc_only(self):
        self.assertTrue((self.prefix / "bin" / "sluice-run").exists())
        for binary in (self.prefix / "bin").iterdir():
            with self.subTest(binary.name):
                needs = {pathlib.Path(line.split()[0]).name for line in tools.check(tools.run("ldd", binary)).out.splitlines()}
                self.assertLessEqual(needs, GLIBC)

    def test_is_small_and_stripped(self):
        run = self.prefix / "bin" / "sluice-run"
        self.assertLess(run.stat().st_size, 15_000_000)
        self.assertNotIn(".symtab", tools.check(tools.run("readelf", "-SW", run)).out)

    def test_library_shows_the_c_interface_only(self):
        symbols = tools.check(tools.run("nm", "--extern-only", "--defined-only", self.prefix / "lib" / "libsluice.a")).out
        names = re.findall(r"^[0-9a-f]+ \w (\w+)", symbols, re.MULTILINE)
        self.assertIn("sluice_model_open", names)
        self.assertEqual([n for n in names if not n.startswith("sluice_")], [])

    def test_cmake_finds_it(self):
        project = pathlib.Path(self.folder) / "project"
        project.mkdir()
        (project / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(uses_sluice CXX)\nfind_package(sluice REQUIRED)\n"
            "add_executable(uses_sluice main.cpp)\ntarget_link_libraries(uses_sluice sluice::sluice)\n")
        (project / "main.cpp").write_text(
            '#include "sluice/runtime.h"\nint main() { return sluice::Model::Open("none").ok() ? 1 : 0; }\n')
        tools.check(tools.run("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}",
                              "-DCMAKE_CXX_COMPILER=clang++-22", "-DCMAKE_CXX_STANDARD=17"))
        tools.check(tools.run("cmake", "--build", project / "build"))
        tools.check(tools.run(project / "build" / "uses_sluice"))

    def test_programs_build_against_it(self):
        """As the comments in examples/ say, with C and C++ compilers."""
        for compiler, example in (("clang-22", "embed.c"), ("clang++-22", "embed.cpp")):
            with self.subTest(example):
                program = pathlib.Path(self.folder) / example.replace(".", "_")
                source = self.prefix / "share" / "doc" / "sluice" / "examples" / example
                tools.check(tools.run(compiler, source, "-I", self.prefix / "include" / "sluice", "-L", self.prefix / "lib", "-lsluice",
                                      "-lstdc++", "-lm", "-o", program))
                self.assertEqual(tools.run(program).code, 2)
        out = tools.check(tools.run(pathlib.Path(self.folder) / "embed_c", self.artifact)).out
        self.assertIn("output last_hidden_state: 1 1 64\n", out)
