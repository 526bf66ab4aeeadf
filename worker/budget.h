/* worker/budget.h — the memory that one worker may take beyond what the interpreter itself needs.
 *
 * The limit is on address space, so an allocation fails where it would go over; CPython makes a MemoryError of it. But
 * its parser raises MemoryError for code that is nested too deep, too. A worker retires once its peak was over half of
 * the budget, so every file starts below that line: a MemoryError under it is the parser's own, one above it is the
 * budget's.
 */
#ifndef CA_WORKER_BUDGET_H
#define CA_WORKER_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* base_bytes   address space when the limit was set
 * limit_bytes  allowed beyond; 0: no limit
 */
struct budget {
    uint64_t base_bytes;
    uint64_t limit_bytes;
};

void budget_init(struct budget *ret, uint64_t limit_bytes);

/* Whether more than half of the budget was ever taken. */
bool budget_is_half_spent(const struct budget *b);

/* Largest resident set so far. */
uint64_t budget_peak_bytes(void);

#endif
