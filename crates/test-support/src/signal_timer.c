// Interrupts every thread of a program that is made to load it a hundred times a second, as a profiler does: by a
// signal that is handled, so that system calls that wait end with EINTR. If SIGNAL_TIMER_RESTARTS is set, the handler
// has SA_RESTART: then only those calls end that the system does not restart, such as a read from a socket with a
// time limit.
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void handle(int number) { (void)number; }

static void *interrupt(void *unused) {
    const struct timespec pause = {0, 10 * 1000 * 1000};
    const long own = syscall(SYS_gettid);
    for (;;) {
        nanosleep(&pause, NULL);
        DIR *threads = opendir("/proc/self/task");
        for (struct dirent *entry; threads && (entry = readdir(threads));) {
            const long thread = atol(entry->d_name);
            if (thread > 0 && thread != own)
                syscall(SYS_tgkill, getpid(), thread, SIGPROF);
        }
        if (threads)
            closedir(threads);
    }
    return unused;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = getenv("SIGNAL_TIMER_RESTARTS") ? SA_RESTART : 0};
    pthread_t thread;
    if (sigaction(SIGPROF, &action, NULL) || pthread_create(&thread, NULL, interrupt, NULL))
        abort();
    pthread_detach(thread);
}
