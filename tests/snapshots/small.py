"""Kernels that are built small, from Debian's sources and the configurations of small/: for what Debian's own kernels are not."""
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

import kernel
import userland

HERE = os.path.dirname(os.path.abspath(__file__))
PREFIX = "small-"    # of such kernels' names in the table of variants; what follows is a file of small/
MAKE_FOR = {"amd64": "ARCH=x86_64", "i386": "ARCH=i386"}
# The same configuration gives the same kernel, whoever builds it.
ENVIRONMENT = {"KBUILD_BUILD_USER": "tester", "KBUILD_BUILD_HOST": "small", "KBUILD_BUILD_VERSION": "1", "KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 UTC"}


def _configuration(name, architecture):
    kind, text = name.removeprefix(PREFIX), ""
    for part in ("common", kind):
        with open(os.path.join(HERE, "small", part), encoding="ascii") as file:
            text += file.read()
    return f'{text}CONFIG_64BIT={"y" if architecture == "amd64" else "n"}\nCONFIG_LOCALVERSION="-{name}"\n'


def _sources(build):
    """Debian's current sources, unpacked; and their package."""
    package = userland.fetch(build, "amd64", "linux-source", ["linux-source"])
    tree = os.path.join(build, "linux", "linux-source")
    with open(tree + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(tree):
            os.makedirs(tree + ".partial", exist_ok=True)
            archive = glob.glob(os.path.join(package, "usr/src/linux-source-*.tar.*"))[0]
            subprocess.run(["tar", "-C", tree + ".partial", "--strip-components=1", "-xf", archive], check=True)
            os.rename(tree + ".partial", tree)
    with open(package + ".stamp", encoding="ascii") as file:
        return tree, next(line for line in file.read().split() if line.startswith("linux-source-"))


def _build(sources, configuration, architecture, tree):
    """Fills the tree as Debian's packages do."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(tree)) as scratch:
        def make(*words):
            subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "-C", sources, f"O={scratch}", MAKE_FOR[architecture], f"CC={os.environ.get('CC', 'gcc')}",
                            *words], check=True, env=os.environ | ENVIRONMENT)

        wanted = os.path.join(scratch, "wanted")
        with open(wanted, "w", encoding="ascii") as file:
            file.write(configuration)
        make(f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig")
        with open(os.path.join(scratch, ".config"), encoding="ascii") as file:
            lines = file.read().splitlines()
        lacking = [line for line in configuration.splitlines() if line.startswith("CONFIG_") and not line.endswith("=n") and line not in lines]
        if lacking:
            raise RuntimeError(f"{sources} cannot be configured so: {' '.join(lacking)}")
        modular = "CONFIG_MODULES=y" in lines
        make("bzImage", *(["modules"] if modular else []))
        with open(os.path.join(scratch, "include/config/kernel.release"), encoding="ascii") as file:
            release = file.read().strip()
        os.makedirs(os.path.join(tree, "boot"))
        shutil.copy(os.path.join(scratch, "arch/x86/boot/bzImage"), os.path.join(tree, "boot/vmlinuz-" + release))
        if modular:
            make(f"INSTALL_MOD_PATH={tree}", "INSTALL_MOD_STRIP=1", "modules_install")
            for link in ("build", "source"):
                os.unlink(os.path.join(tree, "lib/modules", release, link))


class SmallKernel(kernel.Kernel):
    """No package has it; it is built unless the one at hand has the same sources and configuration."""

    def __init__(self, build, architecture, name):  # pylint: disable=super-init-not-called
        self.package, self.tree = None, os.path.join(build, "linux", architecture, name)
        os.makedirs(os.path.dirname(self.tree), exist_ok=True)
        configuration = _configuration(name, architecture)
        with open(self.tree + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sources, package = _sources(build)
            self.identity = f"{package} {hashlib.sha256(configuration.encode()).hexdigest()}"
            if not self._is_there():
                shutil.rmtree(self.tree, ignore_errors=True)
                _build(sources, configuration, architecture, self.tree)
                with open(self.tree + ".stamp", "w", encoding="ascii") as file:
                    file.write(self.identity)
        self._find_image()

    def _is_there(self):
        try:
            with open(self.tree + ".stamp", encoding="ascii") as file:
                return file.read() == self.identity
        except FileNotFoundError:
            return False


def open_kernel(build, architecture, name):
    """The kernel of a variant: built here, or out of Debian's package."""
    return (SmallKernel if name.startswith(PREFIX) else kernel.Kernel)(build, architecture, name)
