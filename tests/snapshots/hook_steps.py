"""The code that runs: checks of `usage` that hooks of the kind that rootkits make are passed by, and told, and that switches are followed. An x86-64 kernel that names its
data."""
import mmap
import re
import struct
import subprocess
import tempfile

from kernel_data import KernelData

FILLED = b"\xcc" * 8
READ_ONLY = 6 << 20  # behind the text of an i386 image: at least that much is read-only data, and what follows


def put(kernel, address, data):
    for i, byte in enumerate(data):
        kernel.memory[kernel.translate(address + i)] = byte


def hook_operations(kernel):
    """/proc/net/tcp's show() leads somewhere else, and so does getdents64() of the folder /proc: words of constant data."""
    elsewhere = struct.pack("<Q", kernel.symbols["init_task"])
    put(kernel, kernel.symbols["tcp4_seq_ops"] + 24, elsewhere)
    put(kernel, kernel.symbols["proc_root_operations"], elsewhere * 4)


def hook_table(kernel):
    put(kernel, kernel.symbols["sys_call_table"] + 8 * 217, struct.pack("<Q", kernel.symbols["init_task"]))


def hook_text(kernel):
    """The text of functions is never the snapshot's."""
    put(kernel, kernel.symbols["tcp4_seq_show"], FILLED)
    put(kernel, kernel.symbols["proc_root_readdir"], FILLED)


def hook_entries(kernel):
    """As ftrace hooks in, at the no-op that a function begins with."""
    for name in ("tcp4_seq_show", "proc_root_readdir"):
        put(kernel, kernel.symbols[name], b"\xe8\x00\x10\x00\x00")


def write_over_sites(kernel):
    """A jump that no kernel makes stands where the allocator has its jump labels, each of 5 bytes; their keys are as they were."""
    start, stop, function = (kernel.symbols[name] for name in ("__start___jump_table", "__stop___jump_table", "kmem_cache_alloc"))
    for at in range(start, stop, 16):
        site = at + struct.unpack("<i", kernel.read(at, 4))[0]
        if function <= site < function + 0x400 and kernel.read(site, 2) in (b"\x0f\x1f", b"\x66\x90"):
            put(kernel, site, b"\xe9\x00\x10\x00\x00" if kernel.read(site, 2) == b"\x0f\x1f" else b"\xeb\x00")


def edited(test, copy, edit):
    snapshot = test.snapshot
    subprocess.run(["cp", "--sparse=always", f"{snapshot.directory}/memory.raw", copy.name], check=True)
    with open(copy.name, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        edit(KernelData.of_snapshot(test.xray86, snapshot, memory))
    return copy.name


def ask(test, image, way, *command, snapshot=None):
    root = ["--root", f"{snapshot.directory}/root"] if snapshot else []
    line = [test.xray86, "run", image, "--kernel-path", (snapshot or test.snapshot).kernel_path, *root, "--redirect", way, "--", *command]
    return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=200, check=False, env=test.environment(), text=True)


def hooks(test):
    """What the hooks would hide or break is as it is without them; what is constant data has a note that names the word and the function."""
    command = ("sh", "-c", "cat /proc/net/tcp; ls /proc")
    raw = f"{test.snapshot.directory}/memory.raw"
    for way in ("context", "tags"):
        plain = ask(test, raw, way, *command)
        for what, edit, told in (("tables of operations", hook_operations, ("tcp4_seq_ops+0x18", "tcp4_seq_show", "proc_root_operations+")),
                                 ("the table of system calls", hook_table, ("sys_call_table+0x6c8",)), ("text", hook_text, ()), ("patch sites", write_over_sites, ()),
                                 ("entries of functions", hook_entries, ())):
            with tempfile.NamedTemporaryFile(dir=test.snapshot.directory) as copy:
                done = ask(test, edited(test, copy, edit), way, *command)
            notes = [line for line in done.stderr.splitlines() if "constant data of the snapshot's kernel were changed" in line]
            entries = [line for line in done.stderr.splitlines() if re.search(r"leads elsewhere at the entry of 2 functions \((tcp4_seq_show|proc_root_readdir), for one\)", line)]
            sites = [line for line in done.stderr.splitlines() if "kmem_cache_alloc" in line and "that no kernel puts there" in line]
            test.expect(f"hooks in {what} are passed by ({way})", done.returncode == 0 and done.stdout == plain.stdout and plain.returncode == 0
                        and all(name in done.stderr for name in told) and bool(notes) == bool(told) and len(sites) == (edit is write_over_sites)
                        and len(entries) == (edit in (hook_text, hook_entries)) and not plain.stderr, done)


def hook_unnamed(snapshot, symbols, memory):
    """As hook_operations() and hook_table(), in an i386 kernel, which does not name its data: whatever words of the image lead to these functions lead elsewhere."""
    hooked = {struct.pack("<I", symbols[name]) for name in ("tcp4_seq_show", "proc_root_readdir", "__ia32_sys_sync")}
    first = snapshot.manifest["kaslr"]["text_physical"] + symbols["_etext"] - symbols["_text"] & -4
    for at in range(first, first + READ_ONLY, 4):
        if memory[at:at + 4] in hooked:
            memory[at:at + 4] = struct.pack("<I", symbols["_etext"])


def hooks_unnamed(test):
    """Likewise in a 32-bit VM."""
    snapshot, command = test.other, ("sh", "-c", "cat /proc/net/tcp; ls /proc")
    symbols, raw = snapshot.symbols(test.xray86), f"{snapshot.directory}/memory.raw"
    for way in ("context", "tags"):
        plain = ask(test, raw, way, *command, snapshot=snapshot)
        with tempfile.NamedTemporaryFile(dir=snapshot.directory) as copy:
            subprocess.run(["cp", "--sparse=always", raw, copy.name], check=True)
            with open(copy.name, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
                hook_unnamed(snapshot, symbols, memory)
            done = ask(test, copy.name, way, *command, snapshot=snapshot)
        notes = [line for line in done.stderr.splitlines() if "constant data of the snapshot's kernel were changed" in line]
        told = all(any(f"and not {name}" in line for line in notes) for name in ("tcp4_seq_show", "proc_root_readdir", "__do_sys_sync"))
        test.expect(f"hooks in constant data without names are passed by ({way})", plain.returncode == 0 and not plain.stderr and done.returncode == 0
                    and done.stdout == plain.stdout and told, done)


def switches(test):
    """A command that turns a switch of the kernel, by a sysctl, finds it turned: the kernel writes to its text, and that is followed."""
    script = "wc -l </proc/1/sched; echo 1 >/proc/sys/kernel/sched_schedstats; cat /proc/sys/kernel/sched_schedstats; wc -l </proc/1/sched"
    for way in ("context", "tags"):
        seen = test.run("--redirect", way, "--", "sh", "-c", script)
        before, flag, after = (int(line) for line in seen[1].split()) if seen[0] == 0 and len(seen[1].split()) == 3 else (0, 0, 0)
        test.expect(f"a switch that a command turns ({way})", flag == 1 and after > before + 20 and not seen[2], seen)


FILTER = """
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct sock_filter nothing = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog filter = {1, &nothing};
	struct sockaddr_un name = {AF_UNIX, "\\0filtered"};
	char text[8];
	int from = socket(AF_UNIX, SOCK_DGRAM, 0), to = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (argc != 2 || write(open("/proc/sys/net/core/bpf_jit_enable", O_WRONLY), argv[1], 1) != 1)
		perror("bpf_jit_enable");
	if (bind(to, (struct sockaddr *)&name, sizeof(name)) || setsockopt(to, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		perror("filter");
	if (sendto(from, "hello", 5, 0, (struct sockaddr *)&name, sizeof(name)) != 5)
		perror("sendto");
	printf("%zd\\n", recv(to, text, sizeof(text), MSG_DONTWAIT));
}
"""


def filters(test):
    """A socket of the snapshot that has a filter, which is a BPF program: nothing is lost by it, whether it is compiled or interpreted."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["cc", "-x", "c", "-", "-o", f"{directory}/filter"], input=FILTER.encode(), check=True)
        for way in ("context", "tags"):
            for jit in "10":
                seen = test.run("--redirect", way, "--", f"{directory}/filter", jit)
                test.expect(f"a socket with a filter, jit {jit} ({way})", seen == (0, "5\n", ""), seen)


STEPS = (hooks, hooks_unnamed, switches, filters)
