# A grid of ten thousand cells of which nothing is computed: what it is made of, that ninja comes to an end on it, and
# that whoever looks gets an answer. Part of ninja test-long; nothing is timed. No source may change meanwhile: ninja
# would build the programs anew.
. tests/pipeline/lib

cells=10000
# 16 pairs x 5 granularities are 56 different quantizers; 5 score sizes and 25 budgets; tokens of the captions that are
# calibrated, scored and checked with.
tokens=7 calibs=56 scores=$((56 * 5)) recipes=$((56 * 5 * 25))
limit_mb=200
lines() { grep -c '^{"key":' "build/jobs/$1.jsonl"; }
edges() { grep -c "^build .*: $1\( \|\$\)" build/cells.ninja; }
# Whether a command stays below the limit; its status is lost.
modest() { [ "$("$root/build/bench/peak" "$@" 2>/dev/null)" -lt $((limit_mb * 1024)) ]; }

new_project big_grid
ten_thousand_cells
configure $ten_thousand
check 'configure' equal $status 0
check 'it counts the cells' said "$cells cells, $scores distinct computations"
check 'no line of the summary fills a screen' equal "$(awk 'length > 1000' "$S/out" | grep -c .)" 0

# --- what the graph is made of ---
check 'jobs' equal "$(for stage in extract-lm tokenize-calib quantize-calibrate score-layers choose-recipe \
	check-recipe render-report; do lines $stage; done | tr '\n' ' ')" \
	"1 $tokens $calibs $scores $recipes $recipes $cells "
for stage in extract-lm tokenize-calib quantize-calibrate score-layers choose-recipe check-recipe render-report; do
	rule=$(printf '%s' $stage | tr - _)
	check "$stage: an edge a job" equal "$(edges "stage_$rule")" "$(lines $stage)"
	[ $stage != render-report ] || continue
	check "$stage: one group" equal "$(edges "group_$rule")" 1
	check "$stage: all jobs are in it" equal "$(grep -c jsonl: build/jobs/group/$stage-*.json)" "$(lines $stage)"
done
check 'a command a cell' equal "$(edges cell)" $cells
check 'one overview' equal "$(edges overview)" 1
grep -h '^{"key":' build/jobs/*.jsonl | cut -c9-40 | LC_ALL=C sort >"$S/keys"
all=$((1 + tokens + calibs + scores + 2 * recipes + cells))
check 'every job has a key of its own' equal "$(uniq "$S/keys" | grep -c '^[0-9a-f]\{32\}$')" $all
check 'and of 16 digits, too, by which it is named' equal "$(cut -c1-16 "$S/keys" | uniq | grep -c .)" $all
for list in build/jobs/*.jsonl; do grep '^{"key":' "$list" | cut -c9-24 | sed "s|^|$list:|"; done | LC_ALL=C sort >"$S/names"
grep -oh '"job":"[^"]*"' build/jobs/*.jsonl | cut -d'"' -f4 | LC_ALL=C sort -u >"$S/inputs"
check 'every input is a job' equal "$(LC_ALL=C comm -13 "$S/names" "$S/inputs" | grep -c .)" 0
check 'every job but the reports is an input' equal "$(grep -c . "$S/inputs")" $((all - cells))
check 'grid.json has all cells' equal "$(grep -c '^{"cell": ' build/grid.json)" $cells
check 'by different names' equal "$(grep -o '^{"cell": "[^"]*"' build/grid.json | sort -u | grep -c .)" $cells
check 'grid.json is printed' sh -c "build/bin/inspect build/grid.json | grep -q '^grid'"
check "configure takes less than $limit_mb MB" modest ./configure $without_cuda $ten_thousand

build status
check 'ninja status: nothing is known of the whole' said "check-recipe (not run before), $cells reports (never timed)"

# --- ninja, with programs that only write what it waits for ---
published_there
fake_stages
victim=$(sed -n 's/^{"cell": "\([^"]*wfp8_afp8.w_group64[^"]*\)".*/\1/p' build/grid.json | sed -n 60p)
QUANTGRID_FAULT=choose-recipe:$victim
export QUANTGRID_FAULT
build -k 0
unset QUANTGRID_FAULT
check 'one of ten thousand fails' differ $status 0
check 'the others do not' equal "$(find build/ref/choose-recipe -name '*.ref' | grep -c .)" $((recipes - 1))
build failures
check 'ninja failures names it' said "1 job failed, for 1 reason"
check 'with its command' said "again  ninja cells/$victim"
build
check 'the next ninja ends' equal $status 0
check 'every reference is there' equal "$(find build/ref -name '*.ref' | grep -c .)" $((all - cells))
check 'every group was tried' equal "$(find build/ref/group -name '*.stamp' | grep -c .)" 6
build
check 'then there is nothing to do' idle
check "ninja takes less than $limit_mb MB" modest ninja
build failures
check 'no failure stands' said 'nothing failed'

# --- who looks ---
build status
check 'ninja status' said "choose-recipe          $recipes of $recipes there"
check 'and the reports' said "reports               $cells of $cells there"
keep_graph
answers 0 '--dry-run' "$recipes" -- --dry-run $ten_thousand
answers 0 '--explain' "$victim" 'score-layers' 'quantize-calibrate' -- --explain "$victim" $ten_thousand
build gc
check 'gc' equal $status 0
check 'gc: what leads nowhere' said "used by $S/build"
check 'gc deletes nothing' equal "$(find build/ref -name '*.ref' | grep -c .)" $((all - cells))
build cells/$victim
check 'a cell alone' equal $status 0
build
check 'and there is nothing to do as before' idle

finish
