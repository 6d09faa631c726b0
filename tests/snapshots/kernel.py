"""The kernel of a product VM, out of Debian's current package, and the modules that it takes along."""
import glob
import os
import shutil
import subprocess

import userland


class Kernel:
    """package (None: no package has it), identity (of what it is made of), release, image (its path) and tree (of the unpacked package)."""

    def __init__(self, build, architecture, flavour):
        meta = "linux-image-" + flavour
        self.tree = userland.fetch(build, architecture, meta, [meta])
        self._find_image()
        with open(self.tree + ".stamp", encoding="ascii") as file:
            self.package = next(line.removesuffix(".deb") for line in file.read().split() if f"-{self.release}_" in line)
        self.identity = self.package

    def _find_image(self):
        images = glob.glob(os.path.join(self.tree, "boot/vmlinuz-*"))
        if len(images) != 1:
            raise RuntimeError(f"{self.tree}/boot: one kernel expected, there are {len(images)}; remove {self.tree}.stamp to get it anew")
        self.image = images[0]
        self.release = os.path.basename(self.image).removeprefix("vmlinuz-")

    def _module_files(self):
        """The path of each module, by its name with underscores."""
        paths = glob.glob(os.path.join(self.tree, "lib/modules", self.release, "kernel/**/*.ko*"), recursive=True)
        return {os.path.basename(path).split(".")[0].replace("-", "_"): path for path in paths}

    def install_modules(self, names, root):
        """Copies the modules, with those they depend on, into the directory root, for modprobe to find."""
        files, wanted, queue = self._module_files(), set(), list(names)
        while queue:
            name = queue.pop().replace("-", "_")
            if name in wanted:
                continue
            if name not in files:
                raise RuntimeError(f"{self.package} has no module {name}")
            wanted.add(name)
            depends = subprocess.run(["modinfo", "-F", "depends", files[name]], check=True, capture_output=True, text=True).stdout
            queue += [dependency for dependency in depends.strip().split(",") if dependency]
        for name in wanted:
            target = os.path.join(root, os.path.relpath(files[name], self.tree))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(files[name], target)
        modules = os.path.join(root, "lib/modules", self.release)
        os.makedirs(modules, exist_ok=True)
        for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
            shutil.copy(os.path.join(self.tree, "lib/modules", self.release, name), modules)
        subprocess.run(["depmod", "-b", root, self.release], check=True)
