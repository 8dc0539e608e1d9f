/* loopback_only.c - runs a command where the loopback is the only network there is.
 *
 *   loopback_only COMMAND [ARGUMENT]...
 *
 * A network namespace with nothing but `lo`: every port is free, and whatever a test makes the
 * engine send (a flipped bit in an address, a DNS question) cannot leave the machine. The
 * command sees LOOPBACK_ONLY=1. Ends with 125 where the system does not allow it.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOT_ALLOWED = 125 };

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* A new network, alone as root, else with a user namespace in which we keep our own ids. */
static int leave_network(void)
{
	unsigned uid = (unsigned)getuid(), gid = (unsigned)getgid();
	char map[64];
	if (unshare(CLONE_NEWNET) == 0)
		return 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return -1;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "%u %u 1", uid, uid);
	if (write_file("/proc/self/uid_map", map) != 0)
		return -1;
	snprintf(map, sizeof map, "%u %u 1", gid, gid);
	return write_file("/proc/self/gid_map", map);
}

static int loopback_up(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &lo);
	if (fd >= 0)
		close(fd);
	return result;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: loopback_only COMMAND [ARGUMENT]...\n");
		return 2;
	}
	if (leave_network() != 0 || loopback_up() != 0)
		return NOT_ALLOWED;
	setenv("LOOPBACK_ONLY", "1", 1);
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
