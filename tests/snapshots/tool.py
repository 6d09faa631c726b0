"""The tool is trusted, the snapshot is not: checks of `usage` about whose code runs, what the command is given, and its random numbers."""
import shutil
import subprocess
import tempfile

RANDOM = """
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
int main(void)
{
	unsigned long number = 0;
	long size = getrandom(&number, sizeof(number), GRND_NONBLOCK);
	printf("%ld %d %lx\\n", size, size < 0 ? errno : 0, number);
}
"""


def random_numbers(test):
    """The trusted VM's pool is seeded, by what is the same in every run: names of temporary files differ, and so do pointers in /proc."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["cc", "-x", "c", "-", "-o", f"{directory}/random"], input=RANDOM.encode(), check=True)
        seen = [test.run(*words, "--", f"{directory}/random") for words in ([], [], ["--no-cache"])]
        test.expect("getrandom", seen[0][0] == 0 and seen[0][1].startswith("8 0 ") and seen == [seen[0]] * 3, seen)
    seen = test.run("--", "sh", "-c", "seq 30000 | sort -rn -S 64k | head -n 1; mktemp -u; mktemp -u")
    lines = seen[1].split()
    test.expect("temporary files", seen[0] == 0 and lines[0] == "30000" and len(set(lines)) == 3, seen)


# -- whose code runs --

PORT = """
#include <stdio.h>
#include <sys/io.h>
int main(int argc, char **argv)
{
	unsigned result = 7; /* HYPERCALL_EXIT, with status 42 */
	printf("%d\\n", argc > 1 ? iopl(3) : 0);
	fflush(stdout);
	__asm__ volatile("outl %%eax, %%dx" : "+a"(result) : "d"(0x7886), "b"(42 << 8), "c"(0), "S"(0) : "memory");
	printf("%#x %#x\\n", result, inl(0x7886));
}
"""


def port(test):
    """The port by which the agent ends the command, and prints for it, is nobody else's: tools have no I/O privilege, nor would it help them."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["cc", "-x", "c", "-", "-o", f"{directory}/port"], input=PORT.encode(), check=True)
        with open(f"{directory}/policy", "w", encoding="ascii") as file:
            file.write("iopl trusted\n")
        for words, expected in ((["--", f"{directory}/port"], (139, "0\n")), (["--", f"{directory}/port", "iopl"], (139, "0\n")),
                                (["--policy", f"{directory}/policy", "--", f"{directory}/port", "iopl"], (0, "0\n0x7 0xffffffff\n"))):
            seen = test.run(*words)
            test.expect("the agent's port", seen[:2] == expected, words, seen)


def environment(test):
    """What decides which code a program runs stays here, unless --env says otherwise."""
    host = {**test.environment(), "LANG": "C", "TZ": "UTC", "COLUMNS": "99", "PERL5OPT": "-Mevil", "BASH_ENV": "/evil", "SSH_CLIENT": "1", "LD_PRELOAD": "", "PYTHONPATH": "/x",
            "LESSOPEN": "|x", "LC_TIME": "C", "LANGUAGE": "x", "VALUE": "here"}
    usual = {name: host[name] for name in ("PATH", "HOME", "LC_ALL", "LC_TIME", "LANG", "TZ", "COLUMNS")}
    for words, more in (([], {}), (["--env", "VALUE", "--env", "NEW=a=b", "--env=HOME=/", "--env", "NONE"], {"VALUE": "here", "NEW": "a=b", "HOME": "/"})):
        done = subprocess.run(test.line(*words, "--", "env"), stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, env=host)
        lines = done.stdout.decode().splitlines()
        test.expect("the environment", sorted(lines) == sorted(f"{name}={value}" for name, value in {**usual, **more}.items()) and not done.stderr, words, done)
    seen = test.run("--env", "=x", "--", "env")
    test.expect("--env without a name", seen[0] == 125 and "must be NAME or NAME=VALUE" in seen[2], seen)


# Files of the snapshot that an interpreter would run by itself, and a command that finds its own ones.
EVIL_PYTHON = """
v=$(python3 -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
for d in /usr/lib/python3/dist-packages /usr/local/lib/$v/dist-packages /root/.local/lib/$v/site-packages /usr/lib/$v /usr/bin/lib/$v /tmp; do
	mkdir -p $d
	echo 'import sys; print("evil pth")' >$d/evil.pth
	for f in sitecustomize usercustomize json os encodings colorsys; do echo 'print("evil", __file__)' >$d/$f.py; done
done
echo 'home = /tmp' >/usr/bin/pyvenv.cfg
cp /usr/bin/pyvenv.cfg /usr/pyvenv.cfg
cd /tmp
python3 -c 'import colorsys, ctypes, json; print(json.dumps({"a": 1}), colorsys.ONE_THIRD > 0)'
python3 -m json.tool </dev/null 2>&1 | tail -n 1
echo 'import json; print(json.loads("[2]"))' >/tmp/script.py
python3 /tmp/script.py
ls /usr/bin/lib
cat /tmp/json.py
"""
EVIL_PERL = """
for d in /etc/perl /usr/share/perl5 /usr/share/perl/5.36 /usr/lib/x86_64-linux-gnu/perl-base /usr/local/lib/site_perl; do
	mkdir -p $d
	for f in strict POSIX warnings; do echo 'print "evil"; 1' >$d/$f.pm; done
done
perl -MPOSIX -Mwarnings -Mstrict -e 'print floor(3.7), "\n"'
perl -MTime::Local -e 'print timegm(0, 0, 0, 1, 0, 100), "\n"'
cat /etc/perl/strict.pm
"""
EVIL_TCL = """
mkdir -p /usr/share/tcltk/tcl8.6 /usr/lib/tcl8.6
for d in /usr/share/tcltk/tcl8.6 /usr/lib/tcl8.6; do echo 'puts evil' >$d/init.tcl; done
echo 'puts [lsort {b a}]' | tclsh
cat /usr/lib/tcl8.6/init.tcl
"""


def interpreters(test):
    """Those of this machine run this machine's modules; the snapshot's files of these names are there to others, and to be read."""
    rows = [("python3", EVIL_PYTHON, '{"a": 1} True\nExpecting value: line 1 column 1 (char 0)\n[2]\nPYTHON\nprint("evil", __file__)\n'),
            ("perl", EVIL_PERL, '3\n946684800\nprint "evil"; 1\n'),
            ("tclsh", EVIL_TCL, "a b\nputs evil\n")]
    for name, script, expected in rows:
        if not shutil.which(name, path=test.environment()["PATH"]):
            continue
        version = subprocess.run([name, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"], capture_output=True, check=False, text=True,
                                 env=test.environment()).stdout.strip() if name == "python3" else ""
        seen = test.run("--", "sh", "-c", script)
        test.expect(f"{name}'s modules", seen == (0, expected.replace("PYTHON", version), ""), seen)
    seen = test.run("--", "perl", "-MPOSIX", "-e", "print floor(3.7)")
    test.expect("perl by itself", seen == (0, "3", ""), seen)
    seen = test.run("--", "python3", "-c", "import ctypes, json; print(json.dumps([1]))")
    test.expect("python3 by itself", seen == (0, "[1]\n", ""), seen)


STEPS = (random_numbers, port, environment, interpreters)
