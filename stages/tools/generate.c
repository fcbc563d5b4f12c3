/* generate: conf/ + rules/ + overrides -> the Ninja files. Started by ./configure, and by ninja when something differs.
 *
 *     build/bin/generate [--summary] ARGS_FILE
 *
 * ARGS_FILE has one argument of ./configure a line. On success an ARGS_FILE named build/config.args.new becomes
 * build/config.args, which ninja repeats; on any error nothing that was there is changed. With --summary the last lines
 * tell what was found and what to type next.
 *
 * Exit status: 0 done, 1 the environment is wrong (missing files, disk), 2 the config is wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "generator/generator.h"
#include "generator/summary.h"
#include "graph/cache.h"

enum { STATUS_ENVIRONMENT = 1, STATUS_CONFIG = 2 };

static const char build_dir[] = "build", cache_dir[] = "cache";

/* Returns an exit status. */
static int run(struct generator *g)
{
	if (g->request.list)
		return summary_print_list(g) ? error_report(STATUS_CONFIG) : 0;
	if (generator_load(g))
		return error_report(STATUS_CONFIG);
	if (g->request.cfg) {
		summary_print_config(g);
		return 0;
	}
	if (rules_read(&g->rules, "rules") || generator_plan(g, build_dir, cache_dir))
		return error_report(STATUS_CONFIG);
	if (cache_prepare(cache_dir))
		return error_report(STATUS_ENVIRONMENT);
	if (g->request.dry_run) {
		summary_print_cells(g);
		return 0;
	}
	return generator_write(g) ? error_report(STATUS_ENVIRONMENT) : 0;
}

int main(int argc, char **argv)
{
	static const char fresh[] = "build/config.args.new", kept[] = "build/config.args";
	static struct generator g;
	const char *args = argc > 1 ? argv[argc - 1] : NULL;
	int summary = argc == 3 && !strcmp(argv[1], "--summary");
	program_name_set("configure");
	if (!args || argc > 3 || (argc == 3 && !summary)) {
		fprintf(stderr, "usage: generate [--summary] ARGS_FILE\n");
		return 2;
	}
	int status = request_read(&g.request, args) ? error_report(STATUS_ENVIRONMENT) : run(&g);
	int looked = g.request.list || g.request.cfg || g.request.dry_run;
	if (!status && !looked && !strcmp(args, fresh) && rename(fresh, kept)) {
		fail("%s: cannot rename %s: %s", kept, fresh, strerror(errno));
		status = error_report(STATUS_ENVIRONMENT);
	}
	if (!status && !looked && summary)
		summary_print(&g);
	return status;
}
