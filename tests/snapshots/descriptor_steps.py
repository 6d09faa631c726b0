"""Descriptors of files of the snapshot, by other ways than read() and write(): checks of `usage`."""

# A file by every name of its descriptor: what a link leads to, what it leads on to, and what the kernel tells of it.
NAMES = """
exec 3</srv/files/notes.txt 4</srv
for name in /proc/self/fd/3 /dev/fd/3 /proc/thread-self/fd/3 /proc/$$/fd/3 /proc/$$/task/$$/fd/3; do
  stat -L -c '%F %s %i' $name; readlink $name
done
stat -L -c '%F %s %i' /srv/files/notes.txt; echo /srv/files/notes.txt
stat -L -c '%F %s %i' /dev/stdin </srv/files/notes.txt; (readlink /dev/stdin) </srv/files/notes.txt
stat -c '%F %N' /proc/self/fd/3
test -r /dev/fd/3 && test ! -d /dev/fd/3 && test -d /dev/fd/4 && echo tested
test "$(cat /dev/fd/4/files/notes.txt)" = "$(cat /srv/files/notes.txt)" && cd /dev/fd/4/files && pwd -P
read -r line <&3; sed -n 's/pos:.//p' /proc/$$/fdinfo/3; sed -n 's/flags:.//p' /proc/self/fdinfo/3
find /proc/$$/fd -mindepth 1 -printf '%f %l\\n' | sort | sed -n '/^[34] /p'
exec 5>/tmp/gone; echo text >&5; rm /tmp/gone; readlink /proc/self/fd/5; cat /dev/fd/5; rm -f /tmp/gone
readlink /proc/1/fd/5 || echo none
"""


def names(test):
    """The tool's own placeholders are /dev/null; nobody is to see that, whatever name of the descriptor he uses."""
    for snapshot, options in ((test.snapshot, []), (test.snapshot, ["--redirect", "tags"]), (test.other, ["--root", f"{test.other.directory}/root"])):
        kernel = ["--kernel-path", snapshot.kernel_path]
        status, out, err = test.run(*kernel, *options, "--", "sh", "-c", NAMES, snapshot=snapshot)
        lines, size = out.splitlines(), len(snapshot.truth("cat-notes", "out"))
        inode = lines[0].split()[-1] if lines else ""
        file = [f"regular file {size} {inode}", "/srv/files/notes.txt"] * 7
        link = ["symbolic link '/proc/self/fd/3' -> '/srv/files/notes.txt'", "tested", "/srv/files", str(size)]
        found = ["3 /srv/files/notes.txt", "4 /srv", "/tmp/gone (deleted)", "text", "none"]
        flags = [line for line in lines if line in ("0100000", "0300000")]  # O_LARGEFILE of each ABI
        good = status == 0 and err == "" and len(flags) == 1 and [line for line in lines if line not in flags] == file + link + found
        test.expect(f"names of descriptors on {snapshot.name} {options}", good, status, out, err)


STEPS = (names,)
