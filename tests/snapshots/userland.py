"""The file system of product VMs: Debian's own tools, unpacked and never installed, with product-scenario and the files of root/ on top.

There is one tree for each architecture, shared by its snapshots; tools of it can be run on the snapshots afterwards, too.
"""
import fcntl
import fnmatch
import hashlib
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FETCH = os.path.join(HERE, "..", "linux", "fetch")

PACKAGES = ("procps psmisc iproute2 net-tools lsof util-linux util-linux-extra coreutils kmod findutils hostname mount sysvinit-utils bash dash"
            " libc-bin grep sed mawk ncurses-base busybox-static").split()

# Of the packages and all that they depend on, what no command needs.
UNNEEDED = ["usr/share", "usr/include", "usr/games", "var", "etc/init.d", "etc/systemd", "lib/systemd", "usr/lib/systemd",
            "usr/lib/*/perl*", "usr/lib/*/libperl*", "usr/bin/perl*", "usr/lib/*/gconv", "usr/lib/*/engines-*", "usr/lib/*/ossl-modules",
            "usr/lib/dpkg", "usr/bin/dpkg*", "usr/lib/*/libdb-*", "usr/bin/*.pl", "usr/sbin/dpkg*"]

COMPILE = "gcc -static -O1 -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -pthread".split()
COMPILE_FOR = {"amd64": ["-m64"], "i386": ["-m32"]}


def _content(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def fetch(build, architecture, tree, packages, closure=False):
    """Unpacks current Debian packages; returns the tree's path."""
    directory = os.path.join(build, "linux")
    subprocess.run([FETCH, *(["--closure"] if closure else []), directory, architecture, tree, *packages], check=True)
    return os.path.join(directory, architecture, tree)


def scenario_sources():
    directory = os.path.join(HERE, "guest")
    return sorted(os.path.join(directory, name) for name in os.listdir(directory))


def _compile_scenario(architecture, program):
    sources = [os.path.basename(source) for source in scenario_sources() if source.endswith(".c")]
    result = subprocess.run([*COMPILE, *COMPILE_FOR[architecture], "-o", program, *sources], cwd=os.path.join(HERE, "guest"), check=False)
    if result.returncode:
        raise RuntimeError("cannot compile product-scenario for " + architecture + ("; gcc-multilib may be missing" if architecture == "i386" else ""))


def _roles():
    """The scenario's roles, as this machine's own build of it tells them: not every machine runs programs of 32 bits."""
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, "product-scenario")
        _compile_scenario("amd64", program)
        return subprocess.run([program, "--roles"], check=True, capture_output=True, text=True).stdout.split()


def _install_scenario(root, architecture):
    _compile_scenario(architecture, os.path.join(root, "usr/sbin/product-scenario"))
    for role in _roles():
        os.symlink("product-scenario", os.path.join(root, "usr/sbin", role))


def _unneeded(directory, names, top):
    relative = [os.path.relpath(os.path.join(directory, name), top) for name in names]
    return [name for name, path in zip(names, relative) if any(fnmatch.fnmatch(path, pattern) for pattern in UNNEEDED)]


def _assemble(build, architecture, root):
    version = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:8]    # a fetched tree is left alone, so a new list needs a new name
    packages = fetch(build, architecture, "product-userland-" + version, PACKAGES, closure=True)
    shutil.copytree(packages, root, symlinks=True, ignore=lambda directory, names: _unneeded(directory, names, packages))
    shutil.copytree(os.path.join(HERE, "root"), root, symlinks=True, dirs_exist_ok=True)
    for directory in "proc sys dev run tmp srv mnt root home var etc/product".split():
        os.makedirs(os.path.join(root, directory), exist_ok=True)
    os.symlink("/run", os.path.join(root, "var/run"))
    shutil.copy(os.path.join(HERE, "commands"), os.path.join(root, "etc/product/commands"))
    with open(os.path.join(root, "etc/product/architecture"), "w", encoding="ascii") as file:
        file.write(architecture + "\n")
    _install_scenario(root, architecture)


def prepare(build, architecture, digest):
    """Makes the tree unless the one at hand was made from the same sources (their digest); returns its path."""
    root = os.path.join(build, "linux", architecture, "product-root")
    with open(root + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = root + ".stamp"
        if not os.path.exists(stamp) or _content(stamp) != digest:
            partial = root + ".partial"
            shutil.rmtree(partial, ignore_errors=True)
            _assemble(build, architecture, partial)
            shutil.rmtree(root, ignore_errors=True)
            os.rename(partial, root)
            with open(stamp, "w", encoding="ascii") as file:
                file.write(digest)
    return root
