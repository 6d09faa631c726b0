"""Data alone make calls work without end: checks of `usage` that a call's budget ends it, told by counts and not by a clock. An x86-64 kernel with SLUB."""
import json
import mmap
import struct
import subprocess
import tempfile

from kernel_data import KernelData

PAGE, LARGE, GIB = 4096, 2 << 20, 1 << 30
TABLE, LEAF, LARGE_LEAF = 0x63, 0x63 | 1 << 63, 0xe3 | 1 << 63  # entries of page tables
EMPTY = 8           # GiB: the direct map of a small machine has nothing from there on
FREELIST = 3 * GIB  # in an object: where the pointer to the next free one is
BUDGET, ITERATIONS = 100000000, 4  # of a call: instructions, and iterations of REP string instructions for one of them
AT_ONCE = 1 << 16   # iterations that one execution of an instruction does: by so much, and the rest of the call, it may exceed them


def swab(word):
    return int.from_bytes(word.to_bytes(8, "little"), "big")


class HugeObjects:
    """Objects of almost 4 GiB in the cache of struct file: clearing one is a single instruction. Page tables map one large page over and over there."""

    def __init__(self, kernel):
        self.kernel, self.memory = kernel, kernel.memory
        self.direct_map = kernel.word(kernel.symbols["page_offset_base"])
        self.object = self.direct_map + EMPTY * GIB
        self.next = self.map_object()
        self.take_into_cache(self.cache(b"filp\0"))

    def put(self, paddr, *words):
        struct.pack_into(f"<{len(words)}Q", self.memory, paddr, *words)

    def cache(self, name):
        kernel = self.kernel
        return next(cache for cache in kernel.caches() if kernel.read(kernel.word(kernel.field(cache, "kmem_cache", "name")), len(name)) == name)

    def map_object(self):
        """3 GiB of the large page, and 1 GiB of a small one, in which the pointers are. Returns the small one."""
        large = max(range(LARGE, len(self.memory) - LARGE, LARGE), key=lambda page: self.memory[page:page + LARGE].count(0))
        free = (page for page in range(LARGE, len(self.memory) - PAGE, PAGE) if not large <= page < large + LARGE and not any(self.memory[page:page + PAGE]))
        body, end, table, page = (next(free) for _ in range(4))
        self.put(body, *[large | LARGE_LEAF] * 512)
        self.put(end, *[table | TABLE] * 512)
        self.put(table, *[page | LEAF] * 512)
        entry = self.kernel.entries(self.object)[1]
        self.put(entry, *[body | TABLE] * 3, end | TABLE)
        return page

    def take_into_cache(self, cache):
        """The first free object is that one, and so is the one behind it (CONFIG_SLAB_FREELIST_HARDENED)."""
        kernel, place = self.kernel, self.object + FREELIST
        self.put(self.next + place % PAGE, self.object ^ kernel.word(kernel.field(cache, "kmem_cache", "random")) ^ swab(place))
        for member, value in (("object_size", 0xfffffff8), ("offset", FREELIST)):
            struct.pack_into("<I", self.memory, kernel.translate(kernel.field(cache, "kmem_cache", member)), value)
        slab = kernel.word(kernel.field(cache, "kmem_cache", "cpu_slab")) + kernel.word(kernel.symbols["__per_cpu_offset"])
        self.put(kernel.translate(kernel.field(slab, "kmem_cache_cpu", "freelist")), self.object)


def huge_objects(test):
    """Each call ends when its iterations have used up its budget, which halves for the next one; both ways of redirecting count alike."""
    snapshot, seen = test.snapshot, []
    with tempfile.NamedTemporaryFile(dir=snapshot.directory) as copy, tempfile.NamedTemporaryFile("r") as trace:
        subprocess.run(["cp", "--sparse=always", f"{snapshot.directory}/memory.raw", copy.name], check=True)
        with open(copy.name, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            HugeObjects(KernelData.of_snapshot(test.xray86, snapshot, memory))
        for way in ("context", "tags"):
            line = [test.xray86, "run", copy.name, "--kernel-path", snapshot.kernel_path, "--redirect", way, "--timeout", "200", "--stats", "--json", f"--trace={trace.name}",
                    "--", "cat", "/proc/uptime", "/proc/uptime"]
            done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False, env=test.environment(), text=True)
            stats = next(json.loads(line) for line in done.stderr.splitlines() if line.startswith("{"))
            trace.seek(0)
            ended = [call for call in map(json.loads, trace) if call.get("causes") == ["budget"]]
            seen.append((done.returncode, stats, [(call["call"], call["stores"], call["instructions"]) for call in ended]))
            within = [BUDGET * ITERATIONS >> i <= call["stores"] <= (BUDGET * ITERATIONS >> i) + 2 * AT_ONCE for i, call in enumerate(ended)]
            test.expect(f"calls that clear huge objects ({way})", done.returncode == 1 and stats["endless"] == stats["aborted"] == 2 and within == [True] * 2
                        and stats["iterations"] <= BUDGET * ITERATIONS * 3 // 2 + 4 * AT_ONCE and " 2 calls did not end" in done.stderr, done, ended)
    test.expect("both ways end them alike", seen[0] == seen[1], seen)


STEPS = (huge_objects,)
