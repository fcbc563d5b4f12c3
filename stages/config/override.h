/* One override of the command line: KEY=VALUE with Hydra's grammar.
 *
 *     key=value        change what exists          a.b=1   l.0=7   quant_pair=wfp8_afp8   group@package=option
 *     +key=value       add                         ++key=value   change or add
 *     ~key  ~key=value delete
 *
 * Beyond Hydra, a part of a key may be quoted: quant_cfg_overrides."*weight_quantizer".axis=1.
 * A value is a scalar, a quoted string, [list], {dict}, or a cast: int() float() str() bool() sort(). A sweep is a list
 * without brackets (a,b), choice(...), range(start,stop,step) or glob(pattern,exclude=pattern); casts apply to sweeps
 * too. interval(), tag() and shuffle() are refused, and so are more than 64 KiB of text, 64 levels, and ranges that make
 * more than 100,000 values together.
 */
#ifndef QG_CONFIG_OVERRIDE_H
#define QG_CONFIG_OVERRIDE_H

#include "config/node.h"

enum override_type { OVERRIDE_CHANGE, OVERRIDE_ADD, OVERRIDE_FORCE_ADD, OVERRIDE_DELETE };
enum override_sweep { SWEEP_NONE, SWEEP_CHOICE, SWEEP_RANGE, SWEEP_GLOB };

struct override {
	enum override_type type;
	char *key;                /* without sign and package: "a/b", "dataset.size", "a.*w.axis" */
	char **parts;             /* the key cut at its dots outside quotes, unquoted */
	size_t part_count;
	char separator;           /* '/' between the parts of a group's path, else '.' */
	char *package;            /* of group@package; NULL when there is none */
	struct origin at;         /* of the key; holds its source */
	struct origin value_at;

	int has_value;            /* 0 for "~key" */
	int quoted;               /* the value was one quoted string */
	enum override_sweep sweep;
	struct node *value;       /* SWEEP_NONE: the value. SWEEP_CHOICE, SWEEP_RANGE: list of the values */
	struct node *include;     /* SWEEP_GLOB: lists of patterns */
	struct node *exclude;
};

/* Parses "key=value" as typed. */
int override_parse(struct override *o, const char *text);

/* As override_parse for a key and a value that stand in a file (sweep files), for messages. value is text in the same
 * grammar. */
int override_parse_pair(struct override *o, const char *key, const struct origin *key_at, const char *value,
	const struct origin *value_at);

void override_release(struct override *o);

/* The override with one value of its sweep in the place of the sweep, in a fresh *to. */
void override_pick(struct override *to, const struct override *from, const struct node *value);

/* "key=value" again, in new memory; of sweeps "key=choice(...)". The caller frees. */
char *override_text(const struct override *o);

#endif
