/* base/cleanup.h — release by scope, and ownership that leaves it.
 *
 *     CA_DEFINE_AUTOPTR(contract, contract_free)      in the header of `struct contract`
 *     CA_AUTOPTR(contract) c = NULL;                  in a function: freed when the scope ends
 *     *ret = CA_STEAL(c);                             unless it was stolen
 *
 * The functions named must accept NULL (pointers) or a zeroed struct (values).
 */
#ifndef CA_BASE_CLEANUP_H
#define CA_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>

/* Call f(&variable) when the variable's scope ends. */
#define CA_CLEANUP(f) __attribute__((cleanup(f)))

/* Declare how a `struct S *` is freed by CA_AUTOPTR(S). */
#define CA_DEFINE_AUTOPTR(S, free_function)                   \
    static inline void S##_autoptr_cleanup(struct S **object) \
    {                                                         \
        if (*object != NULL)                                  \
            free_function(*object);                           \
    }

#define CA_AUTOPTR(S) CA_CLEANUP(S##_autoptr_cleanup) struct S *

/* The value of a pointer variable, which is NULL afterwards. */
#define CA_STEAL(pointer)                           \
    __extension__({                                 \
        __typeof__(pointer) ca_stolen_ = (pointer); \
        (pointer) = NULL;                           \
        ca_stolen_;                                 \
    })

static inline void ca_autofree_cleanup(void *pointer_to_pointer)
{
    void **object = pointer_to_pointer;
    free(*object);
}

/* malloc'ed memory: CA_AUTOFREE char *text = NULL; */
#define CA_AUTOFREE CA_CLEANUP(ca_autofree_cleanup)

static inline void ca_autoclose_cleanup(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

#define CA_AUTOCLOSE CA_CLEANUP(ca_autoclose_cleanup)

#endif
