/* session/worker_path.h — where the extension module for worker processes is. */
#ifndef CA_SESSION_WORKER_PATH_H
#define CA_SESSION_WORKER_PATH_H

/* DIR_OF_LIB/codeanatomy/codeanatomy_worker.abi3.so beside this library, in the build tree and when installed alike.
 * NULL and a reason when it is not there. The caller frees both with g_free. */
char *session_worker_path(char **ret_missing);

#endif
