"""Conan 2 recipe: conan create . packages the headers and what is compiled once."""
import os

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir
from conan.tools.scm import Version

required_conan_version = ">=2.0"


class Nibble(ConanFile):
    name = "nibble"
    package_type = "static-library"
    license = "MIT"
    description = "Large language models on CPUs, inside the host's process"
    topics = "llm", "gguf", "inference", "quantization", "cpu", "simd", "header-only"
    settings = "os", "arch", "compiler", "build_type"
    options = {"fPIC": [True, False], "checked": [True, False]}
    default_options = {"fPIC": True, "checked": False}
    implements = ["auto_shared_fpic"]
    exports_sources = "CMakeLists.txt", "LICENSE", "include/*", "packaging/*", "!packaging/conan/*", "!packaging/vcpkg/*"
    test_package_folder = "packaging/conan"

    def set_version(self):
        config = load(self, os.path.join(self.recipe_folder, "include/nibble/config.hpp"))
        numbers = [line.split()[2] for line in config.splitlines() if line.startswith("#define NIBBLE_VERSION_")]
        self.version = ".".join(numbers)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        # nibble's headers include those of all three; Highway is compiled into nibble_kernels alone
        self.requires("eigen/[>=3.4 <6]", transitive_headers=True)
        self.requires("xsimd/[>=8.1 <15]", transitive_headers=True)
        self.requires("highway/[>=1.0.3 <2]", transitive_headers=True, transitive_libs=True)

    def validate(self):
        check_min_cppstd(self, 20)
        least = {"gcc": "12", "clang": "14", "apple-clang": "15", "msvc": "193"}.get(str(self.settings.compiler))
        if least and Version(self.settings.compiler.version) < least:
            raise ConanInvalidConfiguration(f"{self.ref} needs {self.settings.compiler} {least} or newer")

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["NIBBLE_CHECKED"] = bool(self.options.checked)
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
        for described_by_conan in ("lib/cmake", "lib/pkgconfig", "share"):
            rmdir(self, os.path.join(self.package_folder, described_by_conan))

    def package_id(self):
        self.info.settings.rm_safe("compiler.cppstd")

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "nibble")
        self.cpp_info.set_property("pkg_config_name", "nibble")
        headers, kernels, library = (self.cpp_info.components[name] for name in ("headers", "kernels", "nibble"))
        for name, component in (("headers", headers), ("kernels", kernels), ("nibble", library)):
            component.set_property("cmake_target_name", f"nibble::{name}")
            component.set_property("pkg_config_name", "nibble" if name == "nibble" else f"nibble-{name}")
        packaged = {dependency.ref.name for dependency in self.dependencies.direct_host.values()}
        from_package = lambda name: [f"{name}::{name}"] if name in packaged else []  # the others are requirements of the platform
        headers.requires = from_package("eigen") + from_package("xsimd")
        headers.defines = ["NIBBLE_CHECKED=1"] if self.options.checked else []
        if self.settings.os in ("Linux", "FreeBSD"):
            headers.system_libs = ["pthread"]
        kernels.libs = ["nibble_kernels"]
        kernels.requires = ["headers"] + from_package("highway")
        kernels.system_libs = [] if from_package("highway") else ["hwy"]
        library.libs = ["nibble"]
        library.requires = ["headers", "kernels"]
