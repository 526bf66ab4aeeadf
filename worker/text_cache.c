/* worker/text_cache.c — open addressing by address, texts in one growing buffer. */
#include <Python.h>

#include "worker/text_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 1024, KEEP_CAPACITY = 16384 };

static size_t slot_of(const struct text_cache *c, PyObject *key)
{
    size_t slot = (((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 32) & (c->capacity - 1);
    while (c->slots[slot].key != NULL && c->slots[slot].key != key)
        slot = (slot + 1) & (c->capacity - 1);
    return slot;
}

static int grow(struct text_cache *c)
{
    struct text_cache larger = *c;
    larger.capacity = c->capacity == 0 ? FIRST_CAPACITY : c->capacity * 2;
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return ENOMEM;
    for (size_t i = 0; i < c->capacity; i++) {
        if (c->slots[i].key != NULL)
            larger.slots[slot_of(&larger, c->slots[i].key)] = c->slots[i];
    }
    free(c->slots);
    *c = larger;
    return 0;
}

static int add_bytes(struct text_cache *c, PyObject *bytes, size_t *ret_at, size_t *ret_n)
{
    size_t n = (size_t)PyBytes_Size(bytes);
    if (c->bytes_capacity - c->n_bytes < n + 1) {
        size_t capacity = (c->n_bytes + n + 1) * 2;
        char *larger = realloc(c->bytes, capacity);
        if (larger == NULL)
            return ENOMEM;
        c->bytes = larger;
        c->bytes_capacity = capacity;
    }
    memcpy(c->bytes + c->n_bytes, PyBytes_AsString(bytes), n + 1);
    *ret_at = c->n_bytes;
    *ret_n = n;
    c->n_bytes += n + 1;
    return 0;
}

static int fill(struct text_cache *c, struct text_cache_entry *entry, PyObject *str)
{
    PyObject *ascii = PyObject_ASCII(str);
    PyObject *ascii_bytes = ascii != NULL ? PyUnicode_AsUTF8String(ascii) : NULL;
    PyObject *utf8 = ascii_bytes != NULL ? PyUnicode_AsEncodedString(str, "utf-8", "backslashreplace") : NULL;
    int rc = utf8 != NULL ? 0 : -1;
    struct text_cache_entry made = {.key = str};
    if (rc == 0)
        rc = add_bytes(c, utf8, &made.utf8_at, &made.n_utf8);
    if (rc == 0)
        rc = add_bytes(c, ascii_bytes, &made.ascii_at, &made.n_ascii);
    if (rc == 0) {
        *entry = made;
        c->n++;
    }
    Py_XDECREF(utf8);
    Py_XDECREF(ascii_bytes);
    Py_XDECREF(ascii);
    return rc;
}

int text_cache_get(struct text_cache *c, PyObject *str, struct rows_str *ret_utf8, struct rows_str *ret_ascii)
{
    if (c->n * 2 >= c->capacity) {
        int rc = grow(c);
        if (rc != 0)
            return rc;
    }
    struct text_cache_entry *entry = &c->slots[slot_of(c, str)];
    if (entry->key == NULL) {
        int rc = fill(c, entry, str);
        if (rc != 0)
            return rc;
    }
    *ret_utf8 = (struct rows_str){c->bytes + entry->utf8_at, (int64_t)entry->n_utf8};
    *ret_ascii = (struct rows_str){c->bytes + entry->ascii_at, (int64_t)entry->n_ascii};
    return 0;
}

void text_cache_clear(struct text_cache *c)
{
    if (c->capacity > KEEP_CAPACITY) {
        free(c->slots);
        free(c->bytes);
        *c = (struct text_cache){.slots = NULL};
        return;
    }
    if (c->slots != NULL)
        memset(c->slots, 0, c->capacity * sizeof *c->slots);
    c->n = 0;
    c->n_bytes = 0;
}
