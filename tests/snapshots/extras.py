"""Programs that a product VM runs in the place of a module: extras/NAME.c, for modules NAME of the table `variants`. modprobe starts them."""
import hashlib
import os
import subprocess

import userland

HERE = os.path.dirname(os.path.abspath(__file__))
ARGUMENTS = {"bpf_programs": "/sys/fs/cgroup /sys/kernel/tracing", "audit_rules": ""}


def _source(name):
    return os.path.join(HERE, "extras", name + ".c")


def has(name):
    return name in ARGUMENTS


def install(names, architecture, root):
    """Compiles the programs into the directory root, and tells modprobe of them."""
    for name in names:
        for directory in ("usr/sbin", "etc/modprobe.d"):
            os.makedirs(os.path.join(root, directory), exist_ok=True)
        subprocess.run([*userland.COMPILE, *userland.COMPILE_FOR[architecture], "-o", os.path.join(root, "usr/sbin", name), _source(name)], check=True)
        with open(os.path.join(root, "etc/modprobe.d", name + ".conf"), "w", encoding="ascii") as file:
            file.write(f"install {name} /usr/sbin/{name} {ARGUMENTS[name]}".rstrip() + "\n")


def digest(names):
    """Of what VMs with these modules contain besides the others'; empty if that is nothing."""
    sources = "".join(open(_source(name), encoding="utf-8").read() + ARGUMENTS[name] for name in names if has(name))
    return hashlib.sha256(sources.encode()).hexdigest() if sources else ""
