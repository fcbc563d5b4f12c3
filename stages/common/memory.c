#include "common/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

static void out_of_memory(size_t count, size_t size)
{
	fprintf(stderr, "%s: out of memory (%zu x %zu bytes)\n", program_name(), count, size);
	exit(1);
}

void *mem_resize(void *old, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		out_of_memory(count, size);
	size_t bytes = count * size;
	void *p = realloc(old, bytes ? bytes : 1);
	if (!p)
		out_of_memory(count, size);
	return p;
}

void *mem_array(size_t count, size_t size)
{
	return mem_resize(NULL, count, size);
}

void *mem_zeroed(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);
	if (!p)
		out_of_memory(count, size);
	return p;
}

char *mem_strndup(const char *text, size_t length)
{
	char *copy = mem_array(length + 1, 1);
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_join(const char *first, ...)
{
	va_list texts;
	size_t length = 1;
	va_start(texts, first);
	for (const char *text = first; text; text = va_arg(texts, const char *))
		length += strlen(text);
	va_end(texts);
	char *joined = mem_array(length, 1), *end = joined;
	*end = '\0';
	va_start(texts, first);
	for (const char *text = first; text; text = va_arg(texts, const char *))
		end = stpcpy(end, text);
	va_end(texts);
	return joined;
}

char *mem_printf(const char *format, ...)
{
	va_list arguments;
	char most[256];
	va_start(arguments, format);
	int length = vsnprintf(most, sizeof most, format, arguments);
	va_end(arguments);
	if (length < 0)
		out_of_memory(1, 1);
	char *text = mem_array((size_t)length + 1, 1);
	if ((size_t)length < sizeof most) {
		memcpy(text, most, (size_t)length + 1);
		return text;
	}
	va_start(arguments, format);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return text;
}
