/* worker/budget.c — RLIMIT_AS from the present size of the process, and VmPeak from /proc. */
#include "worker/budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* A line of /proc/self/status in bytes, 0: not there. */
static uint64_t status_bytes(const char *key)
{
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        return 0;
    char line[256];
    unsigned long long kib = 0;
    while (kib == 0 && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtoull(line + strlen(key), NULL, 10);
    }
    fclose(file);
    return (uint64_t)kib * 1024;
}

void budget_init(struct budget *ret, uint64_t limit_bytes)
{
    *ret = (struct budget){.base_bytes = status_bytes("VmSize:"), .limit_bytes = limit_bytes};
    struct rlimit limit;
    if (limit_bytes == 0 || ret->base_bytes == 0 || getrlimit(RLIMIT_AS, &limit) != 0)
        return;
    rlim_t wanted = ret->base_bytes + limit_bytes;
    if (limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max)
        limit.rlim_max = wanted;
    limit.rlim_cur = limit.rlim_max;
    /* A limit that cannot be set leaves the one of the process; the watchdog of the host is still there. */
    (void)setrlimit(RLIMIT_AS, &limit);
}

bool budget_is_half_spent(const struct budget *b)
{
    return b->limit_bytes != 0 && status_bytes("VmPeak:") > b->base_bytes + b->limit_bytes / 2;
}

uint64_t budget_peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
