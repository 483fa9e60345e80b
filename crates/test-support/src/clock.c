// Takes the place of the system's clock in a program that is made to load it: the time of day is as many
// seconds off as the file says that WALL_CLOCK_STEP names. Other clocks stay what they are.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = syscall(SYS_clock_gettime, clock, time);
    const char *path = getenv("WALL_CLOCK_STEP");
    if (failed || clock != CLOCK_REALTIME || !path)
        return failed;
    FILE *file = fopen(path, "r");
    long step = 0;
    if (file && fscanf(file, "%ld", &step) == 1)
        time->tv_sec += step;
    if (file)
        fclose(file);
    return 0;
}
