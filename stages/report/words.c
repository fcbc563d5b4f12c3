#include "report/words.h"

#include <stdio.h>
#include <string.h>

static const char *element_words(enum element element)
{
	switch (element) {
	case ELEMENT_INT8:
		return "INT8";
	case ELEMENT_INT4:
		return "INT4";
	case ELEMENT_FP8:
		return "FP8 (E4M3)";
	case ELEMENT_FP4:
		return "FP4 (E2M1)";
	case ELEMENT_NONE:
		break;
	}
	return "16 bits, as they are";
}

static void add_scale(struct strbuf *to, struct quantizer q)
{
	switch (q.scale) {
	case SCALE_TENSOR:
		strbuf_adds(to, "one scale a tensor");
		break;
	case SCALE_ROW:
		strbuf_adds(to, "one scale an output channel");
		break;
	case SCALE_COLUMN:
		strbuf_adds(to, "one scale an input channel");
		break;
	case SCALE_BLOCK:
		strbuf_addf(to, "one scale for each block of %zu", q.block);
		break;
	case SCALE_TOKEN:
		strbuf_adds(to, "one scale a token, found at run time");
		break;
	}
}

static void add_quantizer(struct strbuf *to, struct quantizer q)
{
	strbuf_adds(to, element_words(q.element));
	if (q.element == ELEMENT_NONE)
		return;
	strbuf_adds(to, ", ");
	add_scale(to, q);
}

void words_weight(struct strbuf *to, struct quantizer q)
{
	add_quantizer(to, q);
}

void words_activation(struct strbuf *to, struct quantizer q)
{
	add_quantizer(to, q);
	if (q.element != ELEMENT_NONE && q.scale == SCALE_TENSOR)
		strbuf_adds(to, ", fixed by calibration");
}

void words_cell(struct strbuf *to, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p == '|')
			strbuf_adds(to, "\\|");
		else
			strbuf_addc(to, *p == '\n' || *p == '\r' ? ' ' : *p);
	}
}

void words_share(struct strbuf *to, double share)
{
	double percent = 100 * share;
	if (percent > 0 && percent < 0.1)
		strbuf_adds(to, "<0.1 %");
	else
		strbuf_addf(to, "%.1f %%", percent);
}

void words_count(struct strbuf *to, double count)
{
	char digits[32];
	size_t length = (size_t)snprintf(digits, sizeof digits, "%.0f", count);
	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			strbuf_addc(to, ',');
		strbuf_addc(to, digits[i]);
	}
}

const char *words_s(size_t count)
{
	return count == 1 ? "" : "s";
}

const char *words_between(size_t index, size_t count)
{
	if (!index)
		return "";
	return index + 1 < count ? ", " : " and ";
}

const char *words_short_layer(const char *name)
{
	static const char prefix[] = "model.language_model.";
	return strncmp(name, prefix, sizeof prefix - 1) ? name : name + sizeof prefix - 1;
}

static int is_number(const char *text, size_t length)
{
	return length > 0 && strspn(text, "0123456789") >= length;
}

const char *words_layer_kind(const char *name)
{
	const char *kind = name;
	for (const char *part = name, *dot; (dot = strchr(part, '.')); part = dot + 1)
		if (is_number(part, (size_t)(dot - part)))
			kind = dot + 1;
	return kind;
}
