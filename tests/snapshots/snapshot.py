"""A snapshot that `make` made, for the tests that run xray86 on it."""
import json
import os
import subprocess


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
        tree = self.manifest["kernel"]["tree"].split("/")
        self.kernel_path = f"{args.kernels}/{tree[-2]}/{tree[-1]}"

    def symbols(self, xray86):
        """The kernel's, where it stands in this snapshot: name -> virtual address; the first one of equal names."""
        image, base = f"{self.kernel_path}/boot/vmlinuz-{self.manifest['kernel']['release']}", hex(self.manifest["kaslr"]["text_virtual"])
        lines = subprocess.run([xray86, "symbols", image, "--kernel-base", base], capture_output=True, check=True, text=True).stdout.splitlines()
        symbols = {}
        for address, _, name in (line.split() for line in lines):
            symbols.setdefault(name, int(address, 16))
        return symbols

    def truth(self, name, stream):
        with open(f"{self.directory}/truth/{name}.{stream}", encoding="utf-8", errors="replace") as file:
            return file.read()
