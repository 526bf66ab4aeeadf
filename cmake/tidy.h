/* cmake/tidy.h — what the static analyzer cannot know, included before every file of src/ by tools/check-tidy.
 *
 * ca_fail() lives in another file, so the analyzer would follow paths where it returns CA_OK and nothing was filled in.
 */
#ifndef CA_TIDY_H
#define CA_TIDY_H

#include "base/error.h"

#define ca_fail(err, code, ...) ((void)(ca_fail)((err), (code), __VA_ARGS__), (code))
#define ca_fail_errno(err, code, ...) ((void)(ca_fail_errno)((err), (code), __VA_ARGS__), (code))
#define ca_fail_context(err, code, ...) ((void)(ca_fail_context)((err), (code), __VA_ARGS__), (code))

#endif
