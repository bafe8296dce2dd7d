/* The physical limit: 64 bytes there and back over a UNIX socket, one at a time. Prints round trips per second. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 20000;
    int ends[2];
    char buffer[64] = {0};
    struct timespec from, to;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return 1;
    if (fork() == 0) {
        close(ends[0]);
        while (read(ends[1], buffer, sizeof buffer) == sizeof buffer)
            if (write(ends[1], buffer, sizeof buffer) != sizeof buffer)
                return 1;
        return 0;
    }
    close(ends[1]);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++)
        if (write(ends[0], buffer, sizeof buffer) != sizeof buffer || read(ends[0], buffer, sizeof buffer) != sizeof buffer)
            return 1;
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.0f\n", count / ((to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) / 1e9));
    return 0;
}
