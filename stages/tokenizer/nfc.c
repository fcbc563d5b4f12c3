#include "tokenizer/nfc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/memory.h"
#include "common/utf8.h"

/* The longest canonical decomposition of one code point has four; utf8proc asks for the room it lacks. */
enum { DECOMPOSED_MAX = 8, CLASSES = 256 };

static const utf8proc_option_t options = (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

int nfc_is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0xcc)
			return 0;
	return 1;
}

static unsigned combining_class(utf8proc_int32_t c)
{
	return c < 0x300 ? 0 : (unsigned)utf8proc_get_property(c)->combining_class;
}

/* Stable sort of a few marks by combining class. */
static void order_short_run(utf8proc_int32_t *mark, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		utf8proc_int32_t moved = mark[i];
		size_t to = i;
		for (; to > 0 && combining_class(mark[to - 1]) > combining_class(moved); to--)
			mark[to] = mark[to - 1];
		mark[to] = moved;
	}
}

/* The same by counting, for runs that only a hostile text has. */
static void order_long_run(utf8proc_int32_t *mark, size_t count)
{
	size_t start[CLASSES + 1] = {0};
	utf8proc_int32_t *copy = mem_array(count, sizeof *copy);
	memcpy(copy, mark, count * sizeof *copy);
	for (size_t i = 0; i < count; i++)
		start[combining_class(copy[i]) + 1]++;
	for (size_t i = 0; i < CLASSES; i++)
		start[i + 1] += start[i];
	for (size_t i = 0; i < count; i++)
		mark[start[combining_class(copy[i])]++] = copy[i];
	free(copy);
}

static void order_marks(utf8proc_int32_t *c, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t from = i;
		while (i < count && combining_class(c[i]))
			i++;
		if (i - from > 32)
			order_long_run(c + from, i - from);
		else if (i - from > 1)
			order_short_run(c + from, i - from);
	}
}

static utf8proc_int32_t *decompose(const char *text, size_t length, size_t *count)
{
	size_t used = 0, capacity = length + DECOMPOSED_MAX + 1;
	utf8proc_int32_t *c = mem_array(capacity, sizeof *c);
	for (size_t at = 0; at < length;) {
		uint32_t code_point;
		size_t width = utf8_decode(text + at, length - at, &code_point);
		assert(width);
		at += width;
		if (capacity - used <= DECOMPOSED_MAX)
			c = mem_resize(c, capacity *= 2, sizeof *c);
		utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code_point, c + used, DECOMPOSED_MAX,
			options, NULL);
		assert(n > 0 && n <= DECOMPOSED_MAX);
		used += (size_t)n;
	}
	*count = used;
	return c;
}

char *nfc(const char *text, size_t length, size_t *out_length)
{
	size_t count;
	utf8proc_int32_t *c = decompose(text, length, &count);
	order_marks(c, count);
	utf8proc_ssize_t composed = utf8proc_normalize_utf32(c, (utf8proc_ssize_t)count, options);
	assert(composed >= 0);
	char *out = mem_array(4 * (size_t)composed + 1, 1);
	size_t used = 0;
	for (utf8proc_ssize_t i = 0; i < composed; i++)
		used += (size_t)utf8proc_encode_char(c[i], (utf8proc_uint8_t *)out + used);
	out[used] = '\0';
	free(c);
	*out_length = used;
	return out;
}
