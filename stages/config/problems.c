#include "config/problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/memory.h"
#include "common/strbuf.h"

static void add_one(struct problems *p, const char *text, size_t length, const char *where)
{
	size_t more;
	int end = 0;
	/* The last line of a message that was itself collected; that of one with as many as fit is made again. */
	if (!strncmp(text, "these are ", 10))
		return;
	if (sscanf(text, "and %zu more%n", &more, &end) == 1 && (size_t)end == length) {
		p->more = more > p->more ? more : p->more;
		return;
	}
	for (size_t i = 0; i < p->count; i++)
		if (!strncmp(p->items[i].text, text, length) && !p->items[i].text[length]) {
			p->items[i].times++;
			return;
		}
	if (p->count == PROBLEMS_MAX) {
		p->more++;
		return;
	}
	p->items[p->count].text = mem_strndup(text, length);
	p->items[p->count].where = where ? mem_strdup(where) : NULL;
	p->items[p->count++].times = 1;
}

/* The end of the problem that begins at text: before the newline in front of the next one. */
static const char *end_of(const char *text)
{
	const char *end = text + strcspn(text, "\n");
	while (*end && (end[1] == ' ' || !end[1]))
		end += 1 + strcspn(end + 1, "\n");
	return end;
}

int problems_add(struct problems *p, const char *where)
{
	char *message = mem_strdup(error_text());
	for (const char *at = message, *end; at; at = *end ? end + 1 : NULL) {
		end = end_of(at);
		add_one(p, at, (size_t)(end - at), where);
	}
	free(message);
	return p->count < PROBLEMS_MAX;
}

int problems_composed_from(const struct origin *from)
{
	struct strbuf all;
	if (!from->source)
		return -1;
	strbuf_init(&all);
	for (const char *at = error_text(), *end; at; at = *end ? end + 1 : NULL) {
		end = end_of(at);
		strbuf_adds(&all, all.length ? "\n" : "");
		strbuf_add(&all, at, (size_t)(end - at));
		strbuf_adds(&all, "\n    composed from: ");
		origin_describe(&all, from);
	}
	fail("%s", all.s);
	strbuf_release(&all);
	return -1;
}

int problems_report(struct problems *p, size_t tries)
{
	struct strbuf all;
	int bad = p->count ? -1 : 0;
	strbuf_init(&all);
	for (size_t i = 0; i < p->count; i++) {
		strbuf_addf(&all, "%s%s", i ? "\n" : "", p->items[i].text);
		if (p->items[i].where && p->items[i].times < tries)
			strbuf_addf(&all, "\n    %s", p->items[i].where);
		free(p->items[i].text);
		free(p->items[i].where);
	}
	if (p->more)
		strbuf_addf(&all, "\nand %zu more", p->more);
	else if (p->count == PROBLEMS_MAX)
		strbuf_addf(&all, "\nthese are %d; there may be more", PROBLEMS_MAX);
	if (bad)
		fail("%s", all.s);
	strbuf_release(&all);
	*p = (struct problems){0};
	return bad;
}
