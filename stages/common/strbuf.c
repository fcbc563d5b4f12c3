#include "common/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

void strbuf_init(struct strbuf *b)
{
	b->capacity = 64;
	b->s = mem_array(b->capacity, 1);
	b->s[0] = '\0';
	b->length = 0;
}

void strbuf_release(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf){0};
}

void strbuf_clear(struct strbuf *b)
{
	b->length = 0;
	b->s[0] = '\0';
}

static void reserve(struct strbuf *b, size_t more)
{
	size_t need = b->length + more + 1;
	if (need <= b->capacity)
		return;
	while (b->capacity < need)
		b->capacity *= 2;
	b->s = mem_resize(b->s, b->capacity, 1);
}

void strbuf_add(struct strbuf *b, const void *bytes, size_t length)
{
	reserve(b, length);
	if (length)
		memcpy(b->s + b->length, bytes, length);
	b->length += length;
	b->s[b->length] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *text)
{
	strbuf_add(b, text, strlen(text));
}

void strbuf_addc(struct strbuf *b, char c)
{
	reserve(b, 1);
	b->s[b->length++] = c;
	b->s[b->length] = '\0';
}

void strbuf_addf(struct strbuf *b, const char *format, ...)
{
	va_list arguments;
	size_t room = b->capacity - b->length;
	va_start(arguments, format);
	int length = vsnprintf(b->s + b->length, room, format, arguments);
	va_end(arguments);
	if (length < 0) {
		b->s[b->length] = '\0';
		return;
	}
	if ((size_t)length >= room) {
		reserve(b, (size_t)length);
		va_start(arguments, format);
		vsnprintf(b->s + b->length, (size_t)length + 1, format, arguments);
		va_end(arguments);
	}
	b->length += (size_t)length;
}

char *strbuf_take(struct strbuf *b)
{
	char *text = b->s;
	strbuf_init(b);
	return text;
}

int text_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}
