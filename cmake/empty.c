/* cmake/empty.c — a library needs a source of its own; all of this one's code is in the rooms' archives. */
typedef int ca_empty;
