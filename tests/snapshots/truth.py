"""The ground truth of a snapshot: what commands printed inside the product VM just before the dump.

On disk, beside the snapshot: truth/NAME.out and truth/NAME.err, and truth/index.json, a list of {"name", "argv", "status"} in the order in which
the commands ran.
"""
import json
import os


def parse(stream):
    """The commands of the stream that the guest's init writes (root/init says how): a list of (name, argv, status, output, errors)."""
    commands, position = [], 0
    while True:
        end = stream.index(b"\n", position)
        words = stream[position:end].decode("ascii").split()
        position = end + 1
        if words == ["end"]:
            return commands
        if len(words) != 6 or words[0] != "command":
            raise ValueError(f"the truth's stream is damaged at byte {position}: {words}")
        name, (status, output, errors, count) = words[1], map(int, words[2:])
        argv = []
        for _ in range(count):
            end = stream.index(b"\n", position)
            argv.append(stream[position:end].decode())
            position = end + 1
        commands.append((name, argv, status, stream[position:position + output], stream[position + output:position + output + errors]))
        position += output + errors


def write(commands, directory):
    os.makedirs(directory, exist_ok=True)
    for name, _, _, output, errors in commands:
        for suffix, data in (("out", output), ("err", errors)):
            with open(os.path.join(directory, f"{name}.{suffix}"), "wb") as file:
                file.write(data)
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as file:
        json.dump([{"name": name, "argv": argv, "status": status} for name, argv, status, _, _ in commands], file, indent=1)
        file.write("\n")
