"""A snapshot that `make` made, for the tests that run xray86 on it."""
import json
import os


class Snapshot:
    def __init__(self, args, name):
        self.name = name
        self.directory = f"{args.directory}/{name}"
        with open(f"{self.directory}/manifest.json", encoding="utf-8") as file:
            self.manifest = json.load(file)
        with open(f"{self.directory}/truth/index.json", encoding="utf-8") as file:
            self.commands = json.load(file)
        images = [f"{self.directory}/{image}" for image in ("memory.elf", "memory.raw")]
        self.image = next(image for image in images if os.path.exists(image))
        self.code = "trusted" if name.endswith("-plain") else "product"  # the others have modules
        tree = self.manifest["kernel"]["tree"].split("/")
        self.kernel_path = f"{args.kernels}/{tree[-2]}/{tree[-1]}"

    def truth(self, name, stream):
        with open(f"{self.directory}/truth/{name}.{stream}", encoding="utf-8", errors="replace") as file:
            return file.read()
