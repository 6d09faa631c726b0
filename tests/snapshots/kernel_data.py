"""The kernel's structures in a snapshot's memory, by its BTF and its own page tables: for tests that damage certain ones. x86-64, 4 levels."""
import struct

from btf import Btf

ADDRESS = 0xffffffffff000
MOST = 20000    # members of a list: more than any has, unless it goes in a circle


class KernelData:
    """memory: bytes-like; symbols: name -> virtual address. Where a page is looked up once is where it stays, whatever is done to the page tables later."""

    def __init__(self, memory, symbols, root):
        self.memory, self.symbols, self.root = memory, symbols, root
        self.pages = {}
        self.btf = Btf(self.read(symbols["__start_BTF"], symbols["__stop_BTF"] - symbols["__start_BTF"]))

    @classmethod
    def of_snapshot(cls, xray86, snapshot, memory):
        kaslr, symbols = snapshot.manifest["kaslr"], snapshot.symbols(xray86)
        return cls(memory, symbols, symbols["init_top_pgt"] - kaslr["text_virtual"] + kaslr["text_physical"])

    # -- memory --

    def entries(self, address):
        """Physical addresses of the page-table entries that are walked for a virtual address, from the root down."""
        table, found = self.root, []
        for shift in (39, 30, 21, 12):
            found.append(table + (address >> shift & 511) * 8)
            entry = self._entry(found[-1])
            if not entry & 1 or (shift in (30, 21) and entry & 0x80):
                break
            table = entry & ADDRESS
        return found

    def _entry(self, paddr):
        return struct.unpack_from("<Q", self.memory, paddr)[0] if paddr + 8 <= len(self.memory) else 0

    def translate(self, address):
        """The physical address; None: not mapped, or not in this memory."""
        page = address >> 12
        if page not in self.pages:
            self.pages[page] = self._walk(page << 12)
        return None if self.pages[page] is None else self.pages[page] + (address & 4095)

    def _walk(self, address):
        walked = self.entries(address)
        entry, shift = self._entry(walked[-1]), 48 - 9 * len(walked)
        paddr = (entry & ADDRESS & -(1 << shift)) | (address & (1 << shift) - 1)
        return paddr if entry & 1 and paddr < len(self.memory) else None

    def read(self, address, size):
        data = b""
        while len(data) < size:
            paddr = self.translate(address + len(data))
            if paddr is None:
                raise LookupError(f"{address + len(data):#x} is not in the snapshot")
            data += self.memory[paddr:paddr + min(size - len(data), 4096 - paddr % 4096)]
        return data

    def word(self, address):
        return struct.unpack("<Q", self.read(address, 8))[0]

    def field(self, address, structure, path):
        """The address of an object's member."""
        return address + self.btf.offset(structure, path)

    # -- objects --

    def list(self, head, structure, path):
        """The objects of a list_head."""
        offset, at, found = self.btf.offset(structure, path), self.word(head), []
        while at != head and len(found) < MOST:
            found.append(at - offset)
            at = self.word(at)
        return found

    def tasks(self):
        return [self.symbols["init_task"]] + self.list(self.field(self.symbols["init_task"], "task_struct", "tasks"), "task_struct", "tasks")

    def caches(self):
        return self.list(self.symbols["slab_caches"], "kmem_cache", "list")

    def modules(self):
        return self.list(self.symbols["modules"], "module", "list")

    def dentries(self, most):
        """Some of those that are cached, from the roots of all file systems down."""
        left = [self.word(self.field(block, "super_block", "s_root")) for block in self.list(self.symbols["super_blocks"], "super_block", "s_list")]
        found = []
        while left and len(found) < most:
            dentry = left.pop(0)
            if dentry:
                found.append(dentry)
                left += self.list(self.field(dentry, "dentry", "d_subdirs"), "dentry", "d_child")
        return found
