// Interrupts every thread of a program that is made to load it a hundred times a second, as profilers do, with a
// signal that the program handles. SA_RESTART does not help where a socket has a time limit.
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void handle(int number) { (void)number; }

static void *interrupt(void *unused) {
    long own = syscall(SYS_gettid);
    for (;;) {
        usleep(10000);
        DIR *threads = opendir("/proc/self/task");
        for (struct dirent *entry; threads && (entry = readdir(threads));) {
            long thread = atol(entry->d_name);
            if (thread > 0 && thread != own)
                syscall(SYS_tgkill, getpid(), thread, SIGPROF);
        }
        if (threads)
            closedir(threads);
    }
    return unused;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    pthread_t thread;
    if (sigaction(SIGPROF, &action, NULL) || pthread_create(&thread, NULL, interrupt, NULL))
        abort();
    pthread_detach(thread);
}
