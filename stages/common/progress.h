/* How far a long computation is, for who wants to show it: code that computes says it and knows nothing of who listens.
 *
 * A step costs a call and a comparison when nobody listens. The first thread alone calls both functions.
 */
#ifndef QG_COMMON_PROGRESS_H
#define QG_COMMON_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

/* what: of which done of total are behind us, as in "layer"; static. */
typedef void progress_listener(const char *what, size_t done, size_t total);

/* From here on steps go to listener; NULL: to nobody. */
void progress_listen(progress_listener *listener);
void progress_step(const char *what, size_t done, size_t total);

/* The same for bytes, in steps of "MiB". */
void progress_bytes(uint64_t done, uint64_t total);

#endif
