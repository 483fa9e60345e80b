// Interrupts every thread of a program that is made to load it a hundred times a second, as a profiler does: by a
// signal that is handled, so that system calls that wait end with EINTR.
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void handle(int signal) { (void)signal; }

static void *interrupt(void *unused) {
    const struct timespec pause = {0, 10 * 1000 * 1000};
    const pid_t self = syscall(SYS_gettid);
    for (;;) {
        nanosleep(&pause, NULL);
        DIR *threads = opendir("/proc/self/task");
        for (struct dirent *entry; threads && (entry = readdir(threads));) {
            const pid_t thread = atoi(entry->d_name);
            if (thread > 0 && thread != self)
                syscall(SYS_tgkill, getpid(), thread, SIGPROF);
        }
        if (threads)
            closedir(threads);
    }
    return unused;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGPROF, &action, NULL);
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt, NULL);
}
