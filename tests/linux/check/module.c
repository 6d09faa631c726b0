/* Loading and unloading a kernel module: dummy.ko, which brings the network interface dummy0. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static char text[65536];

static bool loaded(void)
{
	return read_text("/proc/modules", text, sizeof text) && !strncmp(text, "dummy ", 6) && access("/sys/module/dummy", F_OK) == 0;
}

static bool has_interface(void)
{
	return read_text("/proc/net/dev", text, sizeof text) && strstr(text, "dummy0:");
}

void check_module(struct check *check)
{
	int fd = open(check->module, O_RDONLY | O_CLOEXEC);

	if (!CHECK(check, fd >= 0))
		return;
	for (int round = 0; round < 3; round++) {
		CHECK(check, !loaded() && !has_interface());
		CHECK(check, syscall(SYS_finit_module, fd, "numdummies=1", 0) == 0);
		CHECK(check, loaded() && has_interface());
		CHECK(check, syscall(SYS_finit_module, fd, "", 0) < 0 && errno == EEXIST);
		CHECK(check, syscall(SYS_delete_module, "dummy", O_NONBLOCK) == 0);
	}
	CHECK(check, !loaded() && !has_interface());
	CHECK(check, syscall(SYS_delete_module, "dummy", O_NONBLOCK) < 0 && errno == ENOENT);
	CHECK(check, syscall(SYS_init_module, "\177ELF nonsense", 13, "") < 0 && errno == ENOEXEC);
	close(fd);
}
