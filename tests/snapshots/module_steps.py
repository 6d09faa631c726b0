"""The code that runs: checks of `usage` about modules of the snapshot. An x86-64 snapshot with the modules dummy and veth."""

COMMAND = ("cat", "/proc/net/dev")
OWN = "xray86: note: code of modules is the snapshot's own, unverified (--code product)\n"


def trusted_by_name(test):
    """--trust-module runs the snapshot's own code of the modules that it names, and of no others."""
    own = test.run("--code", "product", "--", *COMMAND)
    test.expect("the snapshot's own code", own[0] == 0 and "dummy0" in own[1] and own[2] == OWN, own)
    note = "xray86: note: code of the module {} is the snapshot's own, unverified (--trust-module)\n"
    for way in ("context", "tags"):
        both = test.run("--redirect", way, "--code", "trusted", "--trust-module", "veth", "--trust-module", "dummy", "--", *COMMAND)
        test.expect(f"--trust-module ({way})", both[:2] == own[:2] and sorted(both[2].splitlines(True)) == sorted(note.format(name) for name in ("dummy", "veth")), both)
        one = test.run("--redirect", way, "--code", "trusted", "--trust-module", "veth", "--", *COMMAND)
        test.expect(f"--trust-module of another module ({way})", one[0] == 1 and "(of the snapshot's module dummy)" in one[2], one)


STEPS = (trusted_by_name,)
