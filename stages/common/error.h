/* Errors that may well happen: bad input, a full disk, a damaged file.
 *
 * A function that can fail returns 0 (or a pointer) on success and -1 (or NULL) on failure, after calling fail().
 * Callers add where they were with fail_context() and return -1 themselves; only main() prints. The message belongs to
 * the calling thread and lives until that thread's next fail(); pool.h carries it from a worker to its caller.
 *
 *     if (file_read(path, LIMIT, &text))
 *             return fail_context("config.json of the checkpoint");
 *
 * What cannot happen is an assert; running out of memory ends the program (memory.h).
 */
#ifndef QG_COMMON_ERROR_H
#define QG_COMMON_ERROR_H

#include <stdarg.h>

/* Sets the message, formatted as by printf. Returns -1, so that "return fail(...)" reads well. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As fail(), for pointer functions: returns NULL. */
void *fail_null(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Puts "CONTEXT: " in front of the current message. Returns -1. */
int fail_context(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The calling thread's message; "" when nothing failed. Borrowed until the thread's next fail(). */
const char *error_text(void);

/* Prints "PROGRAM: error: MESSAGE" to stderr and returns status, for "return error_report(1)" in main. */
int error_report(int status);

/* Prints that the program does not know this argument, or misses its value. Returns 2. */
int error_argument(const char *argument);

/* Writes what standard output still holds back, for "return output_end(status)" in main: status, or 1 after a message
 * when status is 0 but a part of the output is lost, as on a full disk. */
int output_end(int status);

/* Prints "PROGRAM: warning: ..." to stderr, and tells who listens to the calling thread. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Who else wants to know: hear gets the text without program and newline, in the thread that warned. It leaves
 * error_text() as it was and does not warn(). */
struct warn_listener {
	void (*hear)(void *context, const char *text);   /* NULL: nobody listens */
	void *context;                                   /* borrowed */
};

/* From here on listener hears the warnings of the calling thread, and of the workers that pool_run() starts for it.
 * Returns who did before, for the caller to put back. */
struct warn_listener warn_listen(struct warn_listener listener);
/* Who listens to the calling thread. */
struct warn_listener warn_listening(void);

/* The name error_report() and warn() print; borrowed. main() calls it first with its argv[0]. */
void program_name_set(const char *argv0);
const char *program_name(void);

#endif
