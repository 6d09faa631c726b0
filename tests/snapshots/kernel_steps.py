"""xray86 kernel: checks of `usage` that packages are named, downloaded and unpacked, and that hostile ones leave nothing behind."""
import glob
import gzip
import io
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import tarfile
import tempfile

MODULE = "kernel/fs/nls/nls_utf8.ko"


class Place:
    """A folder with a cache of its own, and packages."""

    def __init__(self, test):
        self.test, self.snapshot = test, test.snapshot
        self.directory = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        self.release, self.tree = self.snapshot.manifest["kernel"]["release"], self.snapshot.kernel_path
        self.image = f"{self.tree}/boot/vmlinuz-{self.release}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def xray86(self, *words, programs=None):
        environment = self.test.environment(self.path("cache")) | ({"PATH": programs} if programs else {})
        done = subprocess.run([self.test.xray86, *words], capture_output=True, timeout=600, check=False, env=environment, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def kernel(self, *words, **options):
        os.makedirs(self.path("cache"), exist_ok=True)
        return self.xray86("kernel", self.snapshot.image, *words, **options)

    def kept(self):
        return sorted(os.listdir(self.path("cache/xray86/kernels"))) if os.path.exists(self.path("cache/xray86/kernels")) else []

    def forget(self):
        shutil.rmtree(self.path("cache/xray86/kernels"), ignore_errors=True)


def read(path):
    with open(path, "rb") as file:
        return file.read()


# -- packages: each is made of {name: contents} --

def make_tar(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, contents in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(contents)
            tar.addfile(entry, io.BytesIO(contents))
    return data.getvalue()


def make_deb(place, files):
    root, package = place.path("deb"), place.path("made.deb")
    for name, contents in {**files, "DEBIAN/control": b"Package: made\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@x>\nDescription: x\n"}.items():
        os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
        with open(f"{root}/{name}", "wb") as file:
            file.write(contents)
    os.chmod(f"{root}/DEBIAN", 0o755)
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", root, package], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return read(package)


def make_pacman(_, files):
    return subprocess.run(["zstd", "-q"], input=make_tar({".PKGINFO": b"pkgname = linux\n", **files}), stdout=subprocess.PIPE, check=True).stdout


def make_apk(_, files):
    parts = [make_tar({".SIGN.RSA.pub": b"signature"})[:1024], make_tar({".PKGINFO": b"pkgname = linux\n"})[:1024], make_tar(files)]
    return b"".join(gzip.compress(part, 1) for part in parts)


def make_rpm(_, files):
    payload = b""
    for number, (name, contents) in enumerate([*((f"./{name}", contents) for name, contents in files.items()), ("TRAILER!!!", b"")]):
        fields = (number, stat.S_IFREG | 0o644, 0, 0, 1, 0, len(contents), 0, 0, 0, 0, len(name) + 1, 0)
        payload += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        payload += bytes(-len(payload) % 4) + contents
        payload += bytes(-len(payload) % 4)
    lead = b"\xed\xab\xee\xdb\3\0\0\0\0\1".ljust(96, b"\0")
    headers = b"\x8e\xad\xe8\1" + struct.pack(">III", 0, 0, 8) + bytes(8) + b"\x8e\xad\xe8\1" + struct.pack(">III", 0, 0, 0)
    return lead + headers + gzip.compress(payload, 1)


KINDS = {"deb": make_deb, "rpm": make_rpm, "pkg.tar.zst": make_pacman, "apk": make_apk}


def make_package(place, kind, files):
    path = place.path(f"package.{kind}")
    data = KINDS[kind](place, files)
    with open(path, "wb") as file:
        file.write(data)
    return path


def kernel_files(place):
    return {f"boot/vmlinuz-{place.release}": read(place.image)}


def module_files(place):
    return {f"usr/lib/modules/{place.release}/{MODULE}": read(f"{place.tree}/lib/modules/{place.release}/{MODULE}"), "usr/share/doc/made/copyright": b"x"}


def forge(image, banner):
    """The setup header says that it is of the banner's build; what is compressed is another kernel."""
    release, builder, version = re.fullmatch(r"Linux version (\S+) (\(.*?\)) .*\) (#.*)", banner).groups()
    text, at = f"{release} {builder} {version}\0".encode(), int.from_bytes(image[0x20e:0x210], "little") + 0x200
    return image[:at] + text + image[at + len(text):]


# -- steps --

def names(test):
    with Place(test) as place:
        version = place.snapshot.manifest["kernel"]["package"].split("_")[1]
        status, out, err = place.kernel("--json")
        told = json.loads(out)
        test.expect("kernel --json", status == 0 and told["distribution"] == "Debian" and told["archive"].startswith("https://snapshot.debian.org/")
                    and told["packages"] == [{"name": f"linux-image-{place.release}", "version": version, "architecture": "amd64", "role": "image"}]
                    and told["banner"] == place.snapshot.manifest["kernel"]["banner"] and f"/boot/vmlinuz-{place.release}" in told["searched"], out, err)
        if not os.path.exists(f"/boot/vmlinuz-{place.release}"):
            test.expect("a kernel that is not here", told["image"] is None and "type xray86 kernel SNAPSHOT --get" in err and place.kept() == [], out, err)
        status, out, err = place.kernel("--kernel-path", place.tree, "--get")
        test.expect("a kernel that is here", status == 0 and not err and f"kernel image:  {place.image}\n" in out
                    and f"modules:       {place.tree}/lib/modules/{place.release}\n" in out and place.kept() == [], out, err)


def others(test):
    """A kernel of the right name and another build."""
    with Place(test) as place:
        other, = glob.glob(f"{test.other.kernel_path}/boot/vmlinuz-*")
        path = place.path(f"vmlinuz-{place.release}")
        os.symlink(os.path.abspath(other), path)
        status, out, err = place.kernel("--kernel-path", place.path(""))
        if not os.path.exists(f"/boot/vmlinuz-{place.release}"):
            test.expect("another build's kernel", status == 0 and f"{path}: another build's, or it cannot be read\n" in out and "is not here" in err, out, err)
        os.remove(path)
        os.symlink(os.path.abspath(place.image), path)
        os.makedirs(place.path(f"other/usr/lib/modules/{place.release}"))
        os.mkdir(place.path("bin"))
        with open(place.path("bin/apt-get"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 100\n")
        os.chmod(place.path("bin/apt-get"), 0o755)
        paths = ("--kernel-path", f"{place.path('')}:{place.path('other')}")
        seen = place.kernel(*paths)
        test.expect("modules that are not beside the image", seen[0] == 0 and not seen[2] and f"kernel image:  {path}\n" in seen[1]
                    and f"modules:       {place.path('other')}/usr/lib/modules/{place.release}: perhaps another build's" in seen[1], seen)
        seen = place.kernel(*paths, "--json")
        test.expect("the same as JSON", seen[0] == 0 and json.loads(seen[1])["image"] == path and json.loads(seen[1])["modules"] is None, seen)
        status, out, err = place.kernel(*paths, "--get", programs=f"{place.path('bin')}:/usr/bin:/bin")
        test.expect("--get asks for them", status == 125 and "apt-get did not get linux-image-" in err, out, err)
        os.makedirs(place.path("other/boot"))
        os.rename(path, place.path(f"other/boot/vmlinuz-{place.release}"))
        seen = place.kernel(*paths, "--get", programs=f"{place.path('bin')}:/usr/bin:/bin")
        test.expect("modules that are beside the image", seen[0] == 0 and not seen[2] and f"modules:       {place.path('other')}/usr/lib/modules/{place.release}\n" in seen[1], seen)


def unpacks(test):
    with Place(test) as place:
        for kind in ("deb", "pkg.tar.zst"):
            place.forget()
            package = make_package(place, kind, kernel_files(place) | module_files(place))
            status, out, err = place.kernel(package)
            folder = f"{place.path('cache/xray86/kernels')}/{place.kept()[0] if place.kept() else None}"
            test.expect(f"a package of the kind .{kind}", status == 0 and not err and len(place.kept()) == 1 and f"kernel image:  {folder}/boot/vmlinuz-" in out
                        and read(f"{folder}/boot/vmlinuz-{place.release}") == read(place.image)
                        and read(f"{folder}/lib/modules/{place.release}/{MODULE}") == module_files(place)[f"usr/lib/modules/{place.release}/{MODULE}"]
                        and not glob.glob(f"{folder}/usr"), status, out, err)
        first, second = (make_package(place, kind, files) for kind, files in (("apk", kernel_files(place)), ("rpm", module_files(place))))
        status, out, err = place.kernel(first, second)
        test.expect("two packages", status == 0 and not err and os.path.exists(f"{folder}/lib/modules/{place.release}/{MODULE}"), out, err)
        seen = place.xray86("run", "--no-cache", place.snapshot.image, "uname", "-r")
        test.expect("a run with the unpacked kernel", seen == (0, f"{place.release}\n", ""), seen)
        listed = place.xray86("cache", "list")[1]
        test.expect("cache list of an unpacked kernel", listed.startswith(f"{folder}\n") and f"unpacked, {place.release}, " in listed, listed)
        pruned = place.xray86("cache", "prune")
        test.expect("cache prune keeps it", pruned == (0, "", "") and len(place.kept()) == 1, pruned)
        pruned = place.xray86("cache", "prune", "--all")
        test.expect("cache prune --all deletes it", pruned[0] == 0 and pruned[1].startswith(f"deleted {folder} (") and place.kept() == [], pruned)


def refuses(test):
    """One line, 125, and nothing is kept: what was there before stays."""
    with Place(test) as place:
        good = make_package(place, "apk", kernel_files(place))
        test.expect("a kernel without modules, whose package is given twice", place.kernel(good, good)[0] == 0)
        kept = place.kept()
        other, = glob.glob(f"{test.other.kernel_path}/boot/vmlinuz-*")
        forged = forge(read(other), place.snapshot.manifest["kernel"]["banner"])
        cut = read(place.image)
        with open(place.path("cut.deb"), "wb") as file:
            file.write(make_deb(place, kernel_files(place))[:1 << 20])
        with open(place.path("text.rpm"), "wb") as file:
            file.write(b"no package\n")
        os.mkdir(place.path("boot"))
        with open(place.path("boot/huge"), "wb") as file:
            file.truncate(5 << 30)
        subprocess.run(["tar", "-C", place.path(""), "--sparse", "-cf", place.path("huge.tar"), "boot/huge"], check=True)
        rows = [
            ("another kernel", make_package(place, "pkg.tar.zst", {f"boot/vmlinuz-{place.release}": read(other)}), "is a kernel of another build"),
            ("a forged header", make_package(place, "apk", {f"boot/vmlinuz-{place.release}": forged}), f"boot/vmlinuz-{place.release}: a kernel of another build"),
            ("a kernel that is cut", make_package(place, "deb", {f"boot/vmlinuz-{place.release}": cut[:len(cut) // 2]}), "truncated"),
            ("modules alone", make_package(place, "rpm", module_files(place)), f"there is no image of Linux {place.release}; needed is Linux {place.release}, \"#1 "),
            ("a truncated package", place.path("cut.deb"), "damaged"),
            ("a text", place.path("text.rpm"), "no package"),
            ("a huge package", place.path("huge.tar"), "far more is in it"),
            ("no file", place.path("none"), "No such file"),
            ("a folder", place.path("boot"), "no file that can be read"),
        ]
        for what, path, words in rows:
            status, out, err = place.kernel(path)
            test.expect(f"a package: {what}", status == 125 and not out and words in err and err.count("\n") == 1 and ".new-" not in err
                        and place.kept() == kept, status, out, err)
        names_out = {"../evil": b"x", "boot/../../../evil": b"x", "/tmp/xray86-evil": b"x"}
        status, out, err = place.kernel(make_package(place, "pkg.tar.zst", names_out))
        test.expect("names that lead out", status == 125 and f"nothing of Linux {place.release} is in it" in err and place.kept() == kept
                    and not glob.glob(place.path("**/evil"), recursive=True) and not os.path.exists("/tmp/xray86-evil"), out, err)


def managers(test):
    """Package managers of our own, in the real one's place; and none at all."""
    with Place(test) as place:
        make_package(place, "deb", kernel_files(place))
        package = f"linux-image-{place.release}:amd64={place.snapshot.manifest['kernel']['package'].split('_')[1]}"
        os.mkdir(place.path("bin"))

        def write(script):
            with open(place.path("bin/apt-get"), "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\n{script}\n")
            os.chmod(place.path("bin/apt-get"), 0o755)

        programs = f"{place.path('bin')}:/usr/bin:/bin"
        write(f"echo asked for \"$@\"; cp {place.path('package.deb')} x.deb; echo junk >x.txt")
        status, out, err = place.kernel("--get", programs=programs)
        test.expect("--get", status == 0 and "kernel image:  " in out and err == f"asked for -q download {package}\n" and len(place.kept()) == 1, out, err)
        place.forget()
        for what, script, words in [("fails", "exit 100", "apt-get did not get linux-image-"), ("has another file", "echo junk >x.deb", "no package"),
                                    ("does nothing", "exit 0", "apt-get did not get linux-image-"), ("is killed", "kill -9 $$", "apt-get was ended by signal 9")]:
            write(script)
            status, out, err = place.kernel("--get", programs=programs)
            test.expect(f"a package manager that {what}", status == 125 and not out and words in err and err.count("\n") == 1 and place.kept() == [], status, out, err)
        write("exit 100")
        err = place.kernel("--get", programs=programs)[2]
        test.expect("the archive is named", f"https://snapshot.debian.org/binary/linux-image-{place.release}/, and type xray86 kernel SNAPSHOT FILE..." in err, err)
        status, out, err = place.kernel("--get", programs=place.path("none"))
        test.expect("no package manager", status == 125 and "this machine has no apt-get, to get the packages of Debian" in err and "https://snapshot.debian.org" in err, err)


def real_manager(test):
    """This machine's apt, which may have the version, or no more."""
    with Place(test) as place:
        package = f"linux-image-{place.release}:amd64={place.snapshot.manifest['kernel']['package'].split('_')[1]}"
        os.mkdir(place.path("apt"))
        there = subprocess.run(["apt-get", "-q", "download", package], cwd=place.path("apt"), capture_output=True, check=False).returncode == 0
        status, out, err = place.kernel("--get")
        if there:
            modules = f"{place.path('cache/xray86/kernels')}/{place.kept()[0]}/lib/modules/{place.release}" if place.kept() else ""
            count = sum(len(files) for _, _, files in os.walk(modules))
            expected = sum(len(files) for _, _, files in os.walk(f"{place.tree}/lib/modules/{place.release}"))
            test.expect("--get by apt", status == 0 and f"modules:       {modules}\n" in out and count == expected > 100, status, out, err, count, expected)
        else:
            test.expect("--get of what mirrors have no more", status == 125 and not out and "https://snapshot.debian.org/" in err and place.kept() == [], status, out, err)


STEPS = [names, others, unpacks, refuses, managers, real_manager]
