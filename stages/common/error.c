#include "common/error.h"

#include <stdio.h>
#include <string.h>

/* Long enough for twenty problems of a config, each with its line and a list of valid words; longer text is cut. */
enum { MESSAGE_MAX = 16384 };

static _Thread_local char message[MESSAGE_MAX];
static _Thread_local struct warn_listener listening;
static const char *program = "quantgrid";

void program_name_set(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');
	program = slash ? slash + 1 : argv0;
}

const char *program_name(void)
{
	return program;
}

static void set_message(const char *format, va_list arguments)
{
	/* The arguments may quote the current message, so build the new one beside it. */
	char next[MESSAGE_MAX];
	vsnprintf(next, sizeof next, format, arguments);
	memcpy(message, next, sizeof message);
}

int fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	set_message(format, arguments);
	va_end(arguments);
	return -1;
}

void *fail_null(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	set_message(format, arguments);
	va_end(arguments);
	return NULL;
}

int fail_context(const char *format, ...)
{
	char context[MESSAGE_MAX];
	char joined[MESSAGE_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(context, sizeof context, format, arguments);
	va_end(arguments);
	size_t used = strlen(context);
	memcpy(joined, context, used);
	snprintf(joined + used, sizeof joined - used, ": %s", message);
	memcpy(message, joined, sizeof message);
	return -1;
}

const char *error_text(void)
{
	return message;
}

int error_report(int status)
{
	fflush(stdout);
	fprintf(stderr, "%s: error: %s\n", program, message);
	return status;
}

int error_argument(const char *argument)
{
	fail("%s: not known here, or its value is missing", argument);
	return error_report(2);
}

int output_end(int status)
{
	int lost = fflush(stdout) || ferror(stdout);
	if (!lost || status)
		return status;
	fail("standard output: cannot write");
	return error_report(1);
}

void warn(const char *format, ...)
{
	char text[MESSAGE_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fflush(stdout);
	fprintf(stderr, "%s: warning: %s\n", program, text);
	if (listening.hear)
		listening.hear(listening.context, text);
}

struct warn_listener warn_listen(struct warn_listener listener)
{
	struct warn_listener before = listening;
	listening = listener;
	return before;
}

struct warn_listener warn_listening(void)
{
	return listening;
}
