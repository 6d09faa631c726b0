# The agent (guest/), built for both architectures and embedded. Included by the top Makefile.

AGENT_CFLAGS = -std=gnu17 -Os $(WARNINGS) -ffreestanding -fno-stack-protector -fno-pic -fcf-protection=none -mno-sse -mno-mmx \
	-fno-asynchronous-unwind-tables -I.
AGENT_LDFLAGS = -static -nostdlib -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-s

$(BUILD)/guest/agent%: guest/agent.c guest/system.h guest/protocol.h
	@mkdir -p $(@D)
	$(Q)$(CC) -m$* $(AGENT_CFLAGS) $(AGENT_LDFLAGS) -o $@ $<

$(BUILD)/guest/agents.o: guest/agents.S $(BUILD)/guest/agent64 $(BUILD)/guest/agent32
	$(Q)$(CC) -DAGENT_X86_64='"$(BUILD)/guest/agent64"' -DAGENT_I386='"$(BUILD)/guest/agent32"' -c -o $@ $<
