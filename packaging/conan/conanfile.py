"""Conan 2 recipe: conan create packaging/conan"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class ChainruleConan(ConanFile):
    name = "chainrule"
    description = "Header-only C++20 library for training and running neural networks"
    license = "MIT"
    topics = ("neural-network", "machine-learning", "header-only", "opencl", "cuda")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_zlib": [True, False], "with_images": [True, False]}
    default_options = {"with_zlib": True, "with_images": False}
    no_copy_source = True

    @property
    def _checkout(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._checkout, "include/chainrule/version.hpp"))
        self.version = re.search(r'CHAINRULE_VERSION "([0-9.]+)"', text).group(1)

    def export_sources(self):
        for pattern in ("LICENSE", "include/*"):
            copy(self, pattern, self._checkout, self.export_sources_folder)

    def layout(self):
        basic_layout(self, src_folder=".")

    def requirements(self):
        self.requires("eigen/3.4.0", transitive_headers=True)
        if self.options.with_zlib:
            self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True)
        if self.options.with_images:
            self.requires("libpng/[>=1.6 <2]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"),
             os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "chainrule")
        headers = self.cpp_info.components["headers"]
        headers.set_property("cmake_target_name", "chainrule::chainrule")
        headers.bindirs = headers.libdirs = []
        headers.requires = ["eigen::eigen"]
        if self.settings.os in ("Linux", "FreeBSD"):
            headers.system_libs = ["pthread"]
        for component, option, library, macro in (
            ("zlib", self.options.with_zlib, "zlib::zlib", "CHAINRULE_WITH_ZLIB"),
            ("images", self.options.with_images, "libpng::libpng", "CHAINRULE_WITH_PNG"),
        ):
            if option:
                part = self.cpp_info.components[component]
                part.set_property("cmake_target_name", "chainrule::" + component)
                part.bindirs = part.libdirs = []
                part.requires = ["headers", library]
                part.defines = [macro]
