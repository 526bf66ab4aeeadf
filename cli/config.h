/* config.h — what the library is told of the world around the program: the user's file and the environment. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <stddef.h>

/* $XDG_CONFIG_HOME/codeanatomy/config.yaml, by default below ~/.config; there or not. The caller frees. */
char *config_user_file(void);

/* The environment of the process, as the library takes it. */
const char *const *config_environment(size_t *ret_n);

#endif
