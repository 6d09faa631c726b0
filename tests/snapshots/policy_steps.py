"""--policy FILE: checks of `usage` that rules, arguments and flags of a line do what they say."""
import tempfile


def run(test, policy, *words):
    with tempfile.NamedTemporaryFile("w", encoding="ascii", prefix="policy") as file:
        file.write(policy)
        file.flush()
        status, out, err = test.run("--policy", file.name, "--", *words)
        return status, out, err.replace(file.name, "FILE")


def policies(test):
    name = ("uname", "-n")
    read = ("cat", "/proc/sys/kernel/hostname")
    there, bytes_there = test.run("--", *name), test.run("--", *read)
    rows = [
        ("a rule: the trusted VM", "uname trusted", name, lambda seen: seen[0] == 0 and seen[1] != there[1]),
        ("of another ABI", "uname/i386 trusted", name, lambda seen: seen == there),
        ("an error", "uname refused EROFS", name, lambda seen: seen[0] == 1 and "Read-only file system" in seen[2]),
        ("the last line counts", "uname trusted\nuname product", name, lambda seen: seen == there),
        ("as in the table", "openat at 0 1 opens waits-to-open\nread fd 0", read, lambda seen: seen == bytes_there),
        ("of another argument", "read fd 2", read, lambda seen: seen[:2] == (0, "")),  # the placeholder's: it is empty
        ("a flag that narrows", "read fd 0 refuses", read, lambda seen: seen[0] == 1 and "Invalid argument" in seen[2]),
        ("a flag that is gone", "openat at 0 1 none", read, lambda seen: seen[0] == 1 and "Bad file descriptor" in seen[2]),  # no placeholder
        ("no rule", "# one\nuname maybe", name, lambda seen: seen[0] == 125 and "FILE:2: maybe is no rule; rules are: trusted " in seen[2]),
    ]
    for what, policy, words, good in rows:
        seen = run(test, policy, *words)
        test.expect(f"--policy, {what}", good(seen), policy, seen)


STEPS = [policies]
