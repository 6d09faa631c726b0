# xray86: see README.md. `make` builds build/xray86; `make help` lists the other targets.

CC ?= gcc
BUILD ?= build
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -fno-strict-aliasing -fwrapv -fno-tree-slp-vectorize -I. -MMD -MP $(CFLAGS) $(EXTRA_CFLAGS)
LDLIBS = -lcapstone -lelf

LIB_SOURCES = $(wildcard util/*.c mmu/*.c emu/*.c emu/isa/*.c emu/dev/*.c loader/*.c redirect/*.c)
OPS_SOURCES = $(wildcard emu/ops/*.c)
CLI_SOURCES = $(wildcard cli/*.c)
UNIT_TESTS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

LIB_OBJECTS = $(LIB_SOURCES:%.c=$(BUILD)/%.o) $(OPS_SOURCES:%.c=$(BUILD)/%.plain.o) $(OPS_SOURCES:%.c=$(BUILD)/%.tagged.o)
CLI_OBJECTS = $(CLI_SOURCES:%.c=$(BUILD)/%.o)

all: $(BUILD)/xray86

$(BUILD)/%.plain.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -DENGINE_TAGGED=0 -c -o $@ $<

$(BUILD)/%.tagged.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -DENGINE_TAGGED=1 -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/libxray86.a: $(LIB_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/xray86: $(CLI_OBJECTS) $(BUILD)/libxray86.a
	$(CC) $(CFLAGS) $(EXTRA_CFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libxray86.a
	$(CC) $(CFLAGS) $(EXTRA_CFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# The emulator against the host's CPU: random instructions, compared (tests/differential/).
DIFFERENTIAL_SOURCES = $(wildcard tests/differential/*.c tests/differential/*.S)
CASES ?= 1000000
SEED ?= 1

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/differential/differential: $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(DIFFERENTIAL_SOURCES)))) $(BUILD)/libxray86.a
	$(CC) $(CFLAGS) $(EXTRA_CFLAGS) -o $@ $^ $(LDLIBS)

differential: $(BUILD)/tests/differential/differential
	$< --cases $(CASES) --seed $(SEED)

# The decoder against Capstone: random bytes and compiled code (tests/decoder/).
SWEEP_SAMPLES ?= 300000
SWEEP_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/decoder/*.c) emu/decode.c emu/isa/isa.c)

$(BUILD)/tests/decoder/sweep: $(SWEEP_OBJECTS)
	$(CC) $(CFLAGS) $(EXTRA_CFLAGS) -o $@ $^ $(LDLIBS)

decoder-sweep: $(BUILD)/tests/decoder/sweep
	@for mode in 16 32 64; do $< --random $(SWEEP_SAMPLES) --seed $(SEED) --mode $$mode || exit 1; done
	$< --elf $<

test-unit: $(UNIT_TESTS:%=$(BUILD)/tests/unit/%)
	@for test in $^; do echo "== $$test"; $$test || exit 1; done

clean:
	rm -rf $(BUILD)

.PHONY: all decoder-sweep differential test-unit clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
