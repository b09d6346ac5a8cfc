"""Conan 2 recipe: conan create . packages the headers and the compiled kernels."""
import os

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load


class Nibble(ConanFile):
    name = "nibble"
    license = "MIT"
    description = "Large language models on CPUs, inside the host's process"
    settings = "os", "arch", "compiler", "build_type"
    exports_sources = "CMakeLists.txt", "LICENSE", "include/*", "packaging/*"
    requires = "highway/[>=1.0.3 <2]", "xsimd/[>=8.1]", "eigen/[>=3.4 <6]"

    def set_version(self):
        config = load(self, os.path.join(self.recipe_folder, "include/nibble/config.hpp"))
        numbers = [line.split()[2] for line in config.splitlines() if line.startswith("#define NIBBLE_VERSION_")]
        self.version = ".".join(numbers)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "EXAMPLES", "BENCH"):
            toolchain.cache_variables["NIBBLE_BUILD_" + part] = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = ["lib/cmake/nibble"]
