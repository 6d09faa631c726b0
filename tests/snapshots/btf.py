"""Where structures of a kernel have their members, out of the BTF in its memory (Documentation/bpf/btf.rst)."""
import struct

MAGIC = 0xeb9f
STRUCT, UNION, TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG = 4, 5, 8, 9, 10, 11, 18
ALIASES = (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG)
# Bytes that follow struct btf_type: (fixed, for each of vlen).
TRAILERS = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0), 19: (0, 12)}


class Btf:
    def __init__(self, data):
        magic, _, _, header, types, types_size, strings, strings_size = struct.unpack_from("<HBBIIIII", data)
        if magic != MAGIC:
            raise ValueError("no BTF")
        self.strings = data[header + strings:header + strings + strings_size]
        self.types = [(None, 0, [])]    # (kind, size or type, members)
        self.by_name = {}
        self._read(data[header + types:header + types + types_size])

    def _read(self, data):
        at = 0
        while at < len(data):
            name, info, size = struct.unpack_from("<III", data, at)
            kind, count, with_bits = info >> 24 & 0x1f, info & 0xffff, info >> 31
            at += 12
            members = []
            if kind in (STRUCT, UNION):
                for i in range(count):
                    member, type_, offset = struct.unpack_from("<III", data, at + 12 * i)
                    members.append((self._string(member), type_, (offset & 0xffffff if with_bits else offset) // 8))
                if members:
                    self.by_name.setdefault(self._string(name), len(self.types))
            self.types.append((kind, size, members))
            fixed, each = TRAILERS.get(kind, (0, 0))
            at += fixed + each * count

    def _string(self, at):
        return self.strings[at:self.strings.index(b"\0", at)].decode()

    def _strip(self, number):
        while self.types[number][0] in ALIASES:
            number = self.types[number][1]
        return number

    def _member(self, number, name):
        for member, type_, offset in self.types[self._strip(number)][2]:
            if member == name:
                return offset, type_
            inner = None if member else self._member(type_, name)
            if inner:
                return offset + inner[0], inner[1]
        return None

    def offset(self, structure, path):
        """Bytes from the structure's start to the member a.b.c."""
        number, total = self.by_name[structure], 0
        for name in path.split("."):
            found = self._member(number, name)
            if not found:
                raise KeyError(f"{structure}.{path}")
            total, number = total + found[0], found[1]
        return total

    def size(self, structure):
        return self.types[self.by_name[structure]][1]
