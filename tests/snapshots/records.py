"""The memory of a snapshot in the formats of other programs: as LiME, AVML and QEMU's dump-guest-memory -z would have written it. Steps of
usage.

usage: records.py ELF OUTPUT        OUTPUT ends in .lime, .avml or .kdump
"""
import ctypes
import os
import struct
import subprocess
import sys
import tempfile
import zlib

PAGE = 4096
BLOCK = 16 << 20                     # AVML's records
FRAME = 65536                        # of snappy's framing format
COMPRESSED_UNCHECKED = 2             # its chunk; with checksums they are a matter of the unit tests


def ranges(elf):
    """(address, offset, size) of the memory in an ELF core of 64-bit class."""
    with open(elf, "rb") as file:
        header = file.read(64)
        at, count = struct.unpack_from("<Q", header, 32)[0], struct.unpack_from("<H", header, 56)[0]
        file.seek(at)
        segments = [struct.unpack("<IIQQQQQQ", file.read(56)) for _ in range(count)]
    return [(segment[4], segment[2], segment[5]) for segment in segments if segment[0] == 1 and segment[5]]


def header(magic, version, address, size):
    return struct.pack("<4sIQQQ", magic, version, address, address + size - 1, 0)


def lime(elf, output):
    with open(elf, "rb") as source, open(output, "wb") as target:
        for address, offset, size in ranges(elf):
            target.write(header(b"EMiL", 1, address, size))
            source.seek(offset)
            for start in range(0, size, BLOCK):
                target.write(source.read(min(BLOCK, size - start)))


def frames(snappy, block):
    yield b"\xff\x06\0\0sNaPpY"
    for start in range(0, len(block), FRAME):
        plain = block[start:start + FRAME]
        room = ctypes.c_size_t(snappy.snappy_max_compressed_length(ctypes.c_size_t(len(plain))))
        packed = ctypes.create_string_buffer(room.value)
        assert snappy.snappy_compress(plain, ctypes.c_size_t(len(plain)), packed, ctypes.byref(room)) == 0
        yield struct.pack("<I", COMPRESSED_UNCHECKED | room.value << 8) + packed.raw[:room.value]


def avml(elf, output):
    snappy = ctypes.CDLL("libsnappy.so.1")
    snappy.snappy_max_compressed_length.restype = ctypes.c_size_t
    with open(elf, "rb") as source, open(output, "wb") as target:
        for address, offset, size in ranges(elf):
            for start in range(0, size, BLOCK):
                source.seek(offset + start)
                block = source.read(min(BLOCK, size - start))
                if block.count(0) == len(block):
                    continue            # as AVML does
                stream = b"".join(frames(snappy, block))
                target.write(header(b"AVML", 2, address + start, len(block)) + stream + struct.pack("<Q", len(stream)))


def kdump_headers(pages, blocks):
    """Both headers, without notes."""
    head = b"KDUMP   " + struct.pack("<I", 6) + bytes(4 * 65) + b"x86_64".ljust(65, b"\0")
    head = head.ljust(424, b"\0") + struct.pack("<5I", 1, PAGE, 1, 2 * blocks, pages)
    sub_header = bytes(96) + struct.pack("<Q", pages)
    return head.ljust(PAGE, b"\0") + sub_header.ljust(PAGE, b"\0")


def kdump(elf, output):
    """Flattened, as QEMU writes it: the data and the descriptors in turns."""
    memory = ranges(elf)
    pages = max(address + size for address, _, size in memory) // PAGE
    blocks = -(-pages // (8 * PAGE))
    bitmap = bytearray(blocks * PAGE)
    for address, _, size in memory:
        for page in range(address // PAGE, (address + size) // PAGE):
            bitmap[page // 8] |= 1 << page % 8
    zeros, shared = zlib.compress(bytes(PAGE), 1), None
    descriptors = (2 + 2 * blocks) * PAGE
    data = descriptors + sum(size // PAGE for _, _, size in memory) * 24
    with open(elf, "rb") as source, open(output, "wb") as target:
        def record(at, contents):
            target.write(struct.pack(">qq", at, len(contents)) + contents)

        target.write(b"makedumpfile".ljust(16, b"\0") + struct.pack(">qq", 1, 1).ljust(PAGE - 16, b"\0"))
        record(0, kdump_headers(pages, blocks))
        record(2 * PAGE, bytes(bitmap) * 2)
        for address, offset, size in sorted(memory):
            source.seek(offset)
            for _ in range(address, address + size, BLOCK):
                table, stored = b"", b""
                block = source.read(min(BLOCK, offset + size - source.tell()))
                for at in range(0, len(block), PAGE):
                    page = block[at:at + PAGE]
                    packed = zeros if page.count(0) == PAGE else zlib.compress(page, 1)
                    if packed is zeros and shared is not None:
                        table += struct.pack("<QIIQ", shared, len(zeros), 1, 0)
                        continue
                    plain = len(packed) >= PAGE
                    if packed is zeros:
                        shared = data + len(stored)
                    table += struct.pack("<QIIQ", data + len(stored), PAGE if plain else len(packed), 0 if plain else 1, 0)
                    stored += page if plain else packed
                record(data, stored)
                record(descriptors, table)
                data, descriptors = data + len(stored), descriptors + len(table)
        target.write(struct.pack(">qq", -1, -1))


WRITERS = {"lime": lime, "avml": avml, "kdump": kdump}
LOOKS = [["ps", "-eo", "pid,ppid,user,stat,args"], ["sh", "-c", "uname -a; cat /proc/meminfo; ls -lR /srv; cat /srv/files/*.txt"]]


def formats(test):
    """Whatever the format of the same memory, commands print the same: by checkpoint, and info also by searching the memory."""
    elf = f"{test.snapshot.directory}/memory.elf"
    expected = [test.run("--", *words) for words in LOOKS]
    with tempfile.TemporaryDirectory(dir=os.path.dirname(test.cache)) as directory:
        for name, write in WRITERS.items():
            image = f"{directory}/memory.{name}"
            write(elf, image)
            done = subprocess.run([test.xray86, "info", image, "--kernel-path", test.snapshot.kernel_path], capture_output=True, text=True, check=False,
                                  env=test.environment())
            release = test.snapshot.manifest["kernel"]["release"]
            test.expect(f"info of {name}", done.returncode == 0 and f"release:       {release}\n" in done.stdout, done)
            for words, seen in zip(LOOKS, expected):
                line = [test.xray86, "run", image, "--kernel-path", test.snapshot.kernel_path, "--", *words]
                done = subprocess.run(line, input="", capture_output=True, text=True, check=False, env=test.environment())
                test.expect(f"{words[0]} on {name}", seen[0] == 0 and (done.returncode, done.stdout, done.stderr) == seen, done, seen)
            os.unlink(image)


STEPS = (formats,)

if __name__ == "__main__":
    WRITERS[sys.argv[2].rsplit(".", 1)[1]](*sys.argv[1:])
