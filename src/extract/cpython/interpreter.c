/* extract/cpython/interpreter.c — runs the command once, isolated, and reads what it says about itself. */
#include "extract/cpython/interpreter.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "extract/cpython/process.h"

enum { ANSWER_BYTES = 16384, ANSWER_MS = 30000 };

/* NUL between the fields, so that a path may hold anything. Python 2 and 3 both run it as far as they get. -S leaves
 * out what `site` adds to builtins, which a program that runs has. */
static const char question[] =
    "import sys\n"
    "if sys.version_info[0] > 2:\n"
    "    import builtins, site\n"
    "    site.setquit(), site.setcopyright(), site.sethelper()\n"
    "    names = sorted(vars(builtins)) + ['object.' + name for name in sorted(dir(object))]\n"
    "else:\n"
    "    names = []\n"
    "f = [b'codeanatomy-interpreter', sys.executable.encode(sys.getfilesystemencoding(), 'surrogateescape'),\n"
    "     b'%d' % sys.version_info[0], b'%d' % sys.version_info[1], sys.implementation.name.encode(),\n"
    "     b'free-threaded' if 't' in sys.abiflags else b'gil', sys.version.encode(),\n"
    "     '\\n'.join(names).encode(), b'end']\n"
    "sys.stdout.buffer.write(b'\\0'.join(f) + b'\\0')\n";

enum {
    FIELD_MARK,
    FIELD_EXECUTABLE,
    FIELD_MAJOR,
    FIELD_MINOR,
    FIELD_NAME,
    FIELD_THREADS,
    FIELD_FULL,
    FIELD_BUILTINS,
    FIELD_END,
    N_FIELDS
};

void interpreter_done(struct interpreter *i)
{
    g_free(i->skip_reason);
    g_free(i->executable);
    g_free(i->version);
    g_free(i->full_version);
    g_strfreev(i->builtins);
    *i = (struct interpreter){.skip_reason = NULL};
}

/* The fields in the answer, pointing into it. false: this is not an answer to the question. */
static bool split_answer(const char *answer, size_t n, const char *ret[N_FIELDS])
{
    size_t at = 0;
    for (int i = 0; i < N_FIELDS; i++) {
        const char *nul = at < n ? memchr(answer + at, '\0', n - at) : NULL;
        if (nul == NULL)
            return false;
        ret[i] = answer + at;
        at = (size_t)(nul - answer) + 1;
    }
    return strcmp(ret[FIELD_MARK], "codeanatomy-interpreter") == 0 && strcmp(ret[FIELD_END], "end") == 0 &&
           g_utf8_validate(ret[FIELD_FULL], -1, NULL) && g_utf8_validate(ret[FIELD_BUILTINS], -1, NULL);
}

/* How the process ended, with the last line of what it complained about. */
static char *describe_end(enum process_io io, int status, const char *complaint)
{
    g_autofree char *text = g_utf8_make_valid(complaint, -1);
    g_strchomp(text);
    const char *last = strrchr(text, '\n');
    last = last != NULL ? last + 1 : text;
    const char *separator = *last != '\0' ? ": " : "";
    if (io == PROCESS_TIMED_OUT)
        return g_strdup_printf("no answer within %d s%s%s", ANSWER_MS / 1000, separator, last);
    /* One that goes on talking is ended by us, so its status says nothing. */
    if (io == PROCESS_ENDED && status != -1 && WIFSIGNALED(status))
        return g_strdup_printf("killed by signal %d%s%s", WTERMSIG(status), separator, last);
    if (io == PROCESS_ENDED && status != -1 && WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return g_strdup_printf("exit status %d%s%s", WEXITSTATUS(status), separator, last);
    return g_strdup_printf("its answer is not understood%s%s", separator, last);
}

static void judge(const char *command, const char *const fields[N_FIELDS], struct interpreter *ret)
{
    const gint64 major = g_ascii_strtoll(fields[FIELD_MAJOR], NULL, 10);
    const gint64 minor = g_ascii_strtoll(fields[FIELD_MINOR], NULL, 10);
    if (strcmp(fields[FIELD_NAME], "cpython") != 0) {
        ret->skip_reason = g_strdup_printf("interpreter '%s' is %s, not CPython", command, fields[FIELD_NAME]);
    } else if (major != 3 || minor < 9) {
        ret->skip_reason = g_strdup_printf("interpreter '%s' is CPython %d.%d, 3.9 or newer is needed", command,
                                           (int)major, (int)minor);
    } else if (strcmp(fields[FIELD_THREADS], "gil") != 0) {
        ret->skip_reason =
            g_strdup_printf("interpreter '%s' is a free-threaded build, which cannot load the worker", command);
    } else {
        ret->executable = g_strdup(*fields[FIELD_EXECUTABLE] != '\0' ? fields[FIELD_EXECUTABLE] : command);
        ret->version = g_strdup_printf("%d.%d", (int)major, (int)minor);
        ret->full_version = g_strdup(fields[FIELD_FULL]);
        ret->builtins = g_strsplit(fields[FIELD_BUILTINS], "\n", 0);
    }
}

int interpreter_resolve(const char *command, const char *start_dir, struct interpreter *ret, struct ca_error *err)
{
    /* A path is relative to the caller's working directory, not to start_dir. */
    g_autofree char *path = strchr(command, '/') != NULL ? g_canonicalize_filename(command, NULL) : g_strdup(command);
    const char *const argv[] = {path, "-I", "-S", "-c", question, NULL};
    struct process p = PROCESS_NONE;
    struct ca_error reason = {.code = CA_OK};
    int rc = process_start(argv, start_dir, &p, &reason);
    if (rc == CA_ERR_NOT_FOUND) {
        ret->skip_reason = g_strdup_printf("no interpreter: %s", reason.message);
        return CA_OK;
    }
    if (rc != CA_OK)
        return ca_fail(err, rc, "%s", reason.message);

    g_autofree char *answer = g_malloc(ANSWER_BYTES);
    g_autofree char *complaint = NULL;
    size_t n = 0;
    int status = -1;
    enum process_io io = process_receive_all(&p, answer, ANSWER_BYTES, &n, process_now_ms() + ANSWER_MS);
    process_stop(&p, &status, &complaint);
    const char *fields[N_FIELDS];
    if (io == PROCESS_ENDED && split_answer(answer, n, fields)) {
        judge(command, fields, ret);
        return CA_OK;
    }
    g_autofree char *end = describe_end(io, status, complaint);
    ret->skip_reason = g_strdup_printf("no interpreter: '%s' does not answer like Python: %s", command, end);
    return CA_OK;
}
