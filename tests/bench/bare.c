/* bare.c - the bare forwarder: datagrams in, datagrams out, not looked at.
 *
 * What it costs per packet is the floor that the kernel's UDP path sets on this machine; a
 * proxy is judged by how little it adds. What comes from the UAS goes to the UAC, all else to
 * the UAS.    bare LISTEN UAC UAS    (each 127.0.0.1:PORT)
 */
#include "loopback.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	static struct batch b;
	if (argc != 4) {
		fprintf(stderr, "usage: bare LISTEN UAC UAS\n");
		return 2;
	}
	struct sockaddr_in listen = loopback_address(argv[1]);
	struct sockaddr_in uac = loopback_address(argv[2]), uas = loopback_address(argv[3]);
	int fd = loopback_socket(&listen, true);

	batch_init(&b);
	for (;;) {
		batch_receive(&b, fd, true);
		for (unsigned i = 0; i < b.count; i++)
			b.peer[i] = b.peer[i].sin_port == uas.sin_port ? uac : uas;
		batch_send(&b, fd);
	}
}
