"""The server's disk: Debian packages, unpacked and set up without being installed, as a file system of ext4 that takes no mount to be made.

Maintainers' scripts do not run. What they would do, and this server needs, is done here: a merged /usr, users (root/etc/passwd), services that start, the
linker's cache, host keys, and the database. What must be done by programs of the server runs in a chroot, which needs no more than root.
"""
import fnmatch
import os
import shutil
import subprocess

import userland

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = "700M"  # of the file system; it is mostly holes

SERVICES = "nginx ssh cron rsyslog auditd nftables postgresql network-server container server getty@tty1".split()
# The automount is of a module that is not there; the getty would take the console of the scenario.
MASKED = ("e2scrub_all.timer fstrim.timer dpkg-db-backup.timer systemd-tmpfiles-clean.timer systemd-networkd.service networkd-wait-online.service"
          " systemd-firstboot.service systemd-pcrphase.service systemd-pcrphase-sysinit.service lvm2-monitor.service blk-availability.service"
          " x11-common.service hwclock.service proc-sys-fs-binfmt_misc.automount serial-getty@ttyS0.service").split()
DIRECTORIES = {  # path: owner, mode
    "proc": ("root", 0o555), "sys": ("root", 0o555), "dev": ("root", 0o755), "run": ("root", 0o755), "tmp": ("root", 0o1777), "srv": ("root", 0o755),
    "root": ("root", 0o700), "home/alice": ("alice", 0o700), "var/tmp": ("root", 0o1777), "var/log/nginx": ("root", 0o755),
    "var/log/audit": ("root", 0o700), "var/lib/nginx": ("www-data", 0o755), "var/lib/postgresql/15/main": ("postgres", 0o700),
    "var/spool/cron/crontabs": ("root", 0o730), "var/spool/rsyslog": ("root", 0o755), "var/log/journal": ("root", 0o755), "var/lib/systemd": ("root", 0o755), "var/www/html": ("root", 0o755), "mnt": ("root", 0o755), "usr/local/lib": ("root", 0o755)}
LINKS = {"usr/bin/awk": "mawk", "usr/sbin/iptables": "iptables-nft", "etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
         "etc/nginx/sites-enabled/default": None, "etc/mtab": "/proc/self/mounts", "etc/systemd/system/syslog.service": "/lib/systemd/system/rsyslog.service",
         "var/run": "/run", "var/lock": "/run/lock", "usr/bin/pager": "/bin/more",
         "etc/ssh/sshd_config": "/usr/share/openssh/sshd_config"}
INITDB = "/usr/lib/postgresql/15/bin/initdb -D /var/lib/postgresql/15/main --no-sync --no-locale --encoding=UTF8 --auth=trust"
DATABASE = "shared_buffers = 16MB\nautovacuum = off\njit = off\ncheckpoint_timeout = 1d\ncluster_name = 'main'\nunix_socket_directories = '/run/postgresql'\n"


def words_of(name):
    """Of a list with comments beside this file."""
    with open(os.path.join(HERE, name), encoding="ascii") as file:
        return [word for line in file if not line.startswith("#") for word in line.split()]


def _merge_usr(root):
    """/bin, /sbin and /lib* become links into /usr, as on every Debian of today."""
    for name in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
        old, new = os.path.join(root, name), os.path.join(root, "usr", name)
        if os.path.isdir(old) and not os.path.islink(old):
            os.makedirs(new, exist_ok=True)
            subprocess.run(["cp", "-a", "--remove-destination", old + "/.", new], check=True)
            shutil.rmtree(old)
            os.symlink("usr/" + name, old)


def _copy_packages(packages, root):
    unneeded = words_of("unneeded")

    def ignored(directory, names):
        relative = [os.path.relpath(os.path.join(directory, name), packages) for name in names]
        return [name for name, path in zip(names, relative) if any(fnmatch.fnmatch(path, pattern) for pattern in unneeded)]
    shutil.copytree(packages, root, symlinks=True, ignore=ignored)


def _link(root, path, target):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if os.path.isdir(full) and not os.path.islink(full):
        shutil.rmtree(full)
    elif os.path.lexists(full):
        os.unlink(full)
    if target is not None:
        os.symlink(target, full)


def _services(root):
    for name in SERVICES:
        unit = name.split("@")[0] + "@.service" if "@" in name else name + ".service"
        directory = "/etc/systemd/system" if os.path.exists(os.path.join(root, "etc/systemd/system", unit)) else "/lib/systemd/system"
        _link(root, f"etc/systemd/system/multi-user.target.wants/{name}.service", f"{directory}/{unit}")
    for name in MASKED:
        _link(root, f"etc/systemd/system/{name}", "/dev/null")


def _in_chroot(root, command, user="root"):
    subprocess.run(["chroot", f"--userspec={user}", root, "sh", "-c", command], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env={"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C", "TZ": "UTC0"})


def _set_up(root):
    accounts = dict(line.split(":")[0:3:2] for line in open(os.path.join(root, "etc/passwd"), encoding="ascii"))
    for path, (owner, mode) in DIRECTORIES.items():
        full = os.path.join(root, path)
        os.makedirs(full, exist_ok=True)
        os.chown(full, int(accounts[owner]), int(accounts[owner]))
        os.chmod(full, mode)
    os.chmod(os.path.join(root, "etc/shadow"), 0o640)
    with open(os.path.join(root, "var/www/html/index.html"), "w", encoding="ascii") as file:
        file.write("<h1>It works</h1>\n")
    _in_chroot(root, ": >/dev/null; chmod 666 /dev/null; mkdir -m 1777 /dev/shm; ldconfig; ssh-keygen -q -A; ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime")
    shutil.chown(os.path.join(root, "var/lib/postgresql"), int(accounts["postgres"]), int(accounts["postgres"]))
    _in_chroot(root, INITDB, "postgres:postgres")
    with open(os.path.join(root, "var/lib/postgresql/15/main/postgresql.conf"), "a", encoding="ascii") as file:
        file.write(DATABASE)
    shutil.rmtree(os.path.join(root, "dev"))
    os.mkdir(os.path.join(root, "dev"))


def make_tree(build, root, kernel_, modules, commands):
    """root becomes the server's file system; modules are copied with those that they need."""
    packages = userland.fetch(build, "amd64", "server-packages", words_of("packages"), closure=True)
    _copy_packages(packages, root)
    _merge_usr(root)
    shutil.copytree(os.path.join(HERE, "root"), root, symlinks=True, dirs_exist_ok=True)
    for path, target in LINKS.items():
        _link(root, path, target)
    _services(root)
    os.makedirs(os.path.join(root, "etc/product"))
    shutil.copy(commands, os.path.join(root, "etc/product/commands"))
    _set_up(root)
    kernel_.install_modules(modules, root)


def make_disk(root, disk):
    with open(disk, "wb"):
        pass
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-E", "lazy_itable_init=1", "-d", root, disk, SIZE], check=True)
