/* Threads over independent pieces of work.
 *
 * Which thread does which piece is not fixed; a piece may therefore depend on its index only, and results are combined
 * by the caller in index order. Then the same bits come out with any number of threads.
 */
#ifndef QG_COMMON_POOL_H
#define QG_COMMON_POOL_H

#include <stddef.h>

enum { POOL_THREADS_MAX = 256 };

/* Does piece index of the work; worker (0 .. pool_threads()-1) selects scratch memory. Returns 0, or -1 after
 * fail(). */
typedef int pool_work(void *context, size_t index, size_t worker);

/* Threads pool_run uses: $QUANTGRID_THREADS, else the processors this process may run on. At least 1, at most
 * POOL_THREADS_MAX. */
size_t pool_threads(void);

/* Runs work for index 0 .. count-1, returns when all are done. On failure the pieces not yet begun are left out, and
 * the message of the failed piece of lowest index is the caller's. Who listens to the caller's warnings (error.h) hears
 * those of the pieces, too. */
int pool_run(size_t count, pool_work *work, void *context);

#endif
