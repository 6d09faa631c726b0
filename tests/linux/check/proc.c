/* /proc and the other views of the kernel: that what they say agrees with what the process knows. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char text[65536];

static bool load(const char *path)
{
	return read_text(path, text, sizeof text);
}

/* The number after the name in text; -1 if there is none. */
static long long field(const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

/* The permissions of the mapping of the address, from text as /proc/self/maps; null if there is none. */
static const char *mapping(uintptr_t address)
{
	static char permissions[5];

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx %4s", &start, &end, permissions) == 3 && address >= start && address < end)
			return permissions;
	}
	return NULL;
}

static bool mapped_as(const void *address, const char *permissions)
{
	const char *got = load("/proc/self/maps") ? mapping((uintptr_t)address) : NULL;

	return got && !strcmp(got, permissions);
}

static int initialised = 1;

static void check_self(struct check *check)
{
	char path[200], link[200] = "";
	void *shared = shared_memory(4096);
	int pid, local, fd;
	ssize_t length;

	prctl(PR_SET_NAME, "a (strange) one");
	CHECK(check, load("/proc/self/stat") && sscanf(text, "%d ", &pid) == 1 && pid == getpid());
	CHECK(check, strstr(text, " (a (strange) one) R "));
	CHECK(check,
	      load("/proc/self/status") && field("PPid:") == getppid() && field("Threads:") == 1 && field("VmSize:") > field("VmRSS:"));
	CHECK(check, load("/proc/self/cmdline") && strstr(text, "check"));
	CHECK(check, (length = readlink("/proc/self/exe", path, sizeof path)) > 0 && length < (ssize_t)sizeof path);
	CHECK(check,
	      mapped_as((const void *)(uintptr_t)check_self, "r-xp") && mapped_as(&initialised, "rw-p") && mapped_as(&local, "rw-p"));
	CHECK(check, mapped_as(shared, "rw-s") && !mapped_as((void *)16, "rw-p"));
	mprotect(shared, 4096, PROT_NONE);
	CHECK(check, mapped_as(shared, "---s"));
	fd = open("/dev/null", O_RDWR);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	CHECK(check, readlink(path, link, sizeof link) == 9 && !strcmp(link, "/dev/null"));
	close(fd);
	CHECK(check, access(path, F_OK) < 0);
	CHECK(check, load("/proc/self/smaps") && field("Rss:") >= 0 && field("Pss:") >= 0);
	CHECK(check, getauxval(AT_PAGESZ) == 4096 && getauxval(AT_PHNUM) > 0 && getauxval(AT_RANDOM));
	fd = open("/proc/self/mem", O_RDWR);
	CHECK(check, pread(fd, &local, sizeof local, (off_t)(uintptr_t)&initialised) == sizeof local && local == 1);
	local = 77;
	CHECK(check, pwrite(fd, &local, sizeof local, (off_t)(uintptr_t)&initialised) == sizeof local && initialised == 77);
	close(fd);
}

static void check_others(struct check *check)
{
	char path[64];
	pid_t child = fork();

	if (child == 0)
		for (;;)
			pause();
	snprintf(path, sizeof path, "/proc/%d/status", child);
	sleep_ms(20);
	CHECK(check, load(path) && strstr(text, "State:\tS (sleeping)") && field("PPid:") == getpid());
	kill(child, SIGSTOP);
	sleep_ms(20);
	CHECK(check, load(path) && strstr(text, "State:\tT (stopped)"));
	kill(child, SIGKILL);
	sleep_ms(20);
	CHECK(check, load(path) && strstr(text, "State:\tZ (zombie)"));
	CHECK(check, killed(child, SIGKILL) && !load(path));
}

static void check_system(struct check *check)
{
	struct utsname name;
	struct sysinfo info;
	unsigned char random[2][32];
	long long total = 0;
	double up = 0;

	CHECK(check,
	      load("/proc/meminfo") && (total = field("MemTotal:")) > 10000 && field("MemFree:") < total && field("MemAvailable:") > 0);
	CHECK(check, sysinfo(&info) == 0 && (long long)info.totalram * info.mem_unit / 1024 == total && info.procs > 0);
	CHECK(check, load("/proc/cpuinfo") && strstr(text, "processor\t: 0") && strstr(text, " fpu ") && strstr(text, " sse2 ") &&
			     strstr(text, "bogomips"));
	CHECK(check, load("/proc/uptime") && (up = strtod(text, NULL)) > 0);
	CHECK(check, llabs((long long)(up * 1000) - clock_ms(CLOCK_BOOTTIME)) < 5000);
	CHECK(check, uname(&name) == 0 && !strcmp(name.sysname, "Linux") && load("/proc/version") && strstr(text, name.release));
	CHECK(check, load("/proc/stat") && field("ctxt ") > 0 && field("processes ") > 0 && field("btime ") > 0);
	CHECK(check, load("/proc/interrupts") && strstr(text, "CPU0") && load("/proc/loadavg") && load("/proc/filesystems") &&
			     strstr(text, "tmpfs") && load("/proc/mounts"));
	CHECK(check, load("/proc/sys/kernel/ostype") && !strcmp(text, "Linux\n"));
	CHECK(check, getrandom(random, sizeof random, GRND_NONBLOCK) == sizeof random && memcmp(random[0], random[1], sizeof random[0]));
	if (check->machine) {
		int fd = open("/proc/sys/kernel/hostname", O_WRONLY);

		CHECK(check, write(fd, "checked\n", 8) == 8 && uname(&name) == 0 && !strcmp(name.nodename, "checked"));
		close(fd);
		CHECK(check, load("/proc/self/environ") && access("/sys/kernel", F_OK) == 0 && load("/sys/devices/system/cpu/online") &&
				     !strcmp(text, "0\n"));
	}
}

void check_proc(struct check *check)
{
	check_self(check);
	check_others(check);
	check_system(check);
}
