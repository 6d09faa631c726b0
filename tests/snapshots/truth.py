"""The ground truth of a snapshot: what commands printed inside the product VM just before the dump.

On disk, beside the snapshot: truth/NAME.out and truth/NAME.err, and truth/index.json, a list of {"name", "kind", "argv", "status"} in the order in which
the commands ran.
"""
import collections
import json
import os

Command = collections.namedtuple("Command", "name kind argv status output errors")


def parse(stream):
    """The commands of the stream that the guest's init writes (root/init says how): a list of Command."""
    commands, position = [], 0
    while True:
        end = stream.index(b"\n", position)
        words = stream[position:end].decode("ascii").split()
        position = end + 1
        if words == ["end"]:
            return commands
        if len(words) != 7 or words[0] != "command":
            raise ValueError(f"the truth's stream is damaged at byte {position}: {words}")
        name, kind = words[1:3]
        status, output, errors, count = map(int, words[3:])
        argv = []
        for _ in range(count):
            end = stream.index(b"\n", position)
            argv.append(stream[position:end].decode())
            position = end + 1
        commands.append(Command(name, kind, argv, status, stream[position:position + output], stream[position + output:position + output + errors]))
        position += output + errors


def write(commands, directory):
    os.makedirs(directory, exist_ok=True)
    for command in commands:
        for suffix, data in (("out", command.output), ("err", command.errors)):
            with open(os.path.join(directory, f"{command.name}.{suffix}"), "wb") as file:
                file.write(data)
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as file:
        json.dump([{"name": command.name, "kind": command.kind, "argv": command.argv, "status": command.status} for command in commands], file, indent=1)
        file.write("\n")
