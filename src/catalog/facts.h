/* catalog/facts.h — single facts of a contract about its rows, and what was found of them; private to the room. */
#ifndef CA_CATALOG_FACTS_H
#define CA_CATALOG_FACTS_H

#include <glib.h>

#include "contract/contract.h"

/* kind, status, method   constants
 *   kind      that of enum catalog_fact_kind, or "file"
 *   fact      a path (`nodes[].kind`), columns, the name of a check (VIEW.CHECK for that of a generated view), a file
 *   status    proved, unproved or violated; NULL: not said yet
 *   method    NULL: nobody looked
 *   detail    the first rows that break it, or why it is not proved; NULL: nothing more to say */
struct catalog_finding {
    const char *kind;
    char *fact;
    const char *status;
    const char *method;
    char *detail;
};

void catalog_finding_free(struct catalog_finding *f);

/* Append one; `kind` is a constant, `fact` is copied. Borrowed from the array. */
struct catalog_finding *catalog_finding_add(GPtrArray *facts, const char *kind, const char *fact);

/* By kind and fact. */
void catalog_findings_sort(GPtrArray *findings);

/* Every fact of a contract, in that order, with neither status nor method. The caller unrefs. */
GPtrArray *catalog_facts(const struct contract *contract);

#endif
