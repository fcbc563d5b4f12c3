# Several ninjas at once: every action is computed exactly once, and all come to the same files.
#
# Two that start together meet as it happens; for meetings without luck a second one is started by the first, at a chosen
# step of it (tests/preload/steps.c, "edit"). So are gc and fsck, and so a stage by gc.
. tests/pipeline/lib

new_project concurrency
QUANTGRID_THREADS=1
export QUANTGRID_THREADS
if ! preload_library steps; then
	skip 'no compiler that makes a library to load before'
	finish
fi
arguments='quant_pair=wint8_afp16,wfp8_afp8 dataset.size=small,medium dataset.size_to_max_samples.small=2
	dataset.size_to_max_samples.medium=3 dataset.calib_seq_len=16'
configure $arguments
check 'configure' equal $status 0
build
check 'undisturbed' equal $status 0
results >"$S/expected"
sort "$S/trace" | grep -v '^render-report' >"$S/once"

fresh() { rm -rf cache/ac cache/cas build/ref tmp "$S/trace"; }

computed() { [ ! -f "$S/trace" ] || sort "$S/trace" | grep -v '^render-report'; }

agreed() {
	results >"$S/results"
	same_files "$S/results" "$S/expected" && return 0
	diff "$S/expected" "$S/results" | head -n 8
	return 1
}

# Both ninjas end, and each action was computed by one of them: side_by_side WORDS THIS OTHER. $first: the other one.
side_by_side() {
	ninja >"$S/out" 2>&1
	check "$1: $2" equal $? 0
	wait $first
	check "$1: $3" equal $? 0
	check "$1: every action once" equal "$(computed)" "$(cat "$S/once")"
	check "$1: the same files" agreed
}

# --- two ninjas on one build folder ---
for round in 1 2 3; do
	fresh
	ninja >"$S/out.1" 2>&1 &
	first=$!
	side_by_side "two on one folder, $round" 'the second' 'the first'
done
build
build
check 'and then there is nothing to do' idle

# --- while one is in the middle of something ---
# The pipe is closed when both have ended.
mkfifo "$S/open"
steps=$(rm -f "$S/steps"; fresh; LD_PRELOAD=$S/steps.so QUANTGRID_STEPS=$S/steps ninja -j1 >"$S/out" 2>&1; echo $(($(wc -c <"$S/steps") / 96)))
for part in 1 3 5 7 9; do
	fresh
	rm -f "$S/steps"
	QUANTGRID_EDIT="unset QUANTGRID_STEP QUANTGRID_STEPS; ninja -j1 >$S/out.2 2>&1 &"
	export QUANTGRID_EDIT
	cat "$S/open" >/dev/null &
	waiting=$!
	LD_PRELOAD=$S/steps.so QUANTGRID_STEPS=$S/steps QUANTGRID_STEP=$((steps * part / 10)):edit \
		ninja -j1 >"$S/out" 2>&1 9>"$S/open"
	check "begun in the middle ($part): the build" equal $? 0
	wait $waiting
	check "begun in the middle ($part): the second one, too" sh -c "! grep -q 'FAILED\|error' '$S/out.2'"
	check "begun in the middle ($part): every action once" equal "$(computed)" "$(cat "$S/once")"
	check "begun in the middle ($part): the same files" agreed
done

# --- two build folders on one cache ---
mkdir "$S/other" && cp -a configure build.ninja build.ninja.in conf rules models build tests stages "$S/other/"
rm -rf "$S/other/build/ref" "$S/other/tmp"
(cd "$S/other" && ./configure $without_cuda $arguments --cache-dir "$S/cache" >"$S/out" 2>&1)
check 'the other folder' equal $? 0
for round in 1 2; do
	fresh
	rm -rf "$S/other/build/ref" "$S/other/tmp"
	(cd "$S/other" && exec ninja >"$S/out.1" 2>&1) &
	first=$!
	side_by_side "two folders, $round" 'this one' 'the other one'
	check "two folders, $round: the same reports" diff -r tmp "$S/other/tmp"
done

# --- beside what looks after the cache ---
for tool in gc fsck; do
	fresh
	ninja >"$S/out.1" 2>&1 &
	first=$!
	ninja $tool >"$S/out" 2>&1
	check "beside ninja $tool: ninja $tool" equal $? 0
	wait $first
	check "beside ninja $tool: the build" equal $? 0
	build
	check "beside ninja $tool: every result was there" equal "$status $(computed)" '0 '
	check "beside ninja $tool: the same files" agreed
done

# held STEP COMMAND...: the command is run while the build is held at the first step with these words. Its status comes
# to $S/status, what it says to $S/said; the build goes on and must come to what it always comes to.
held() {
	fresh
	rm -f "$S/steps" "$S/steps.met" "$S/status"
	step=$1
	shift
	QUANTGRID_EDIT="unset QUANTGRID_STEP QUANTGRID_STEPS; $* >'$S/said' 2>&1; echo \$? >'$S/status'"
	export QUANTGRID_EDIT
	LD_PRELOAD=$S/steps.so QUANTGRID_STEPS=$S/steps QUANTGRID_STEP="/$step:edit" ninja -j1 >"$S/out" 2>&1
	status=$?
	unset QUANTGRID_EDIT
	[ $status = 0 ] && [ "$(computed)" = "$(cat "$S/once")" ] && agreed
}
while read -r step; do
	check "gc beside $step: the build" held "$step" build/bin/gc --delete --grace 0
	check "gc beside $step: refused" equal "$(cat "$S/status")" 1
	check "gc beside $step: naming it, $(cat "$S/said")" \
		grep -q "cache is in use by ${step%% *}.*(process [0-9]*)" "$S/said"
	check "fsck beside $step: the build" held "$step" build/bin/fsck
	check "fsck beside $step: nothing damaged, $(cat "$S/said")" equal "$(cat "$S/status")" 0
	check "ninja gc and fsck beside $step: the build" held "$step" ninja gc fsck
	check "ninja gc and fsck beside $step: $(cat "$S/said")" equal "$(cat "$S/status")" 0
done <<STEPS
extract-lm rename cache/cas
quantize-calibrate rename cache/ac
score-layers write *.json.
choose-recipe rename *.ref
render-report rename *small
render-report rename *qwen3_lm_sensitivity.
STEPS
held 'score-layers rename cache/ac' build/bin/gc --delete
check 'gc names the cell' grep -q 'in use by score-layers of qwen3_vl_demo\.[a-z0-9_.]* (process' "$S/said"

# A stage that starts while gc deletes waits: else it would lead to what goes next. gc goes on when the stage is seen to
# wait.
find cache/ac cache/cas -type f ! -name id -exec touch -d '30 days ago' {} +
rm -rf build/ref "$S/steps" "$S/steps.met" "$S/trace"
QUANTGRID_EDIT="unset QUANTGRID_STEP
	grep -q ':$(stat -c %i cache/locks) ' /proc/locks || { echo >'$S/unseen'; exit 0; }
	LD_PRELOAD=$S/steps.so ninja -j1 >'$S/out.2' 2>&1 &
	until grep -q -e '-> OFDLCK.*:$(stat -c %i cache/locks) ' /proc/locks; do kill -0 \$! || exit 1; done"
export QUANTGRID_EDIT
cat "$S/open" >/dev/null &
waiting=$!
LD_PRELOAD=$S/steps.so QUANTGRID_STEPS=$S/steps QUANTGRID_STEP='/gc unlink cache/ac:edit' \
	build/bin/gc --delete >"$S/out" 2>&1 9>"$S/open"
check 'gc deletes while a stage starts' equal $? 0
wait $waiting
unset QUANTGRID_EDIT
if [ -e "$S/unseen" ]; then
	skip 'the system does not show locks'
else
	# Between opening the locks and all else a stage does lies all that gc does.
	check 'the stage waits for it' awk '/^gc / { last = NR } /^(tokenize-calib|extract-lm) / { if (!asked) asked = NR }
		/^(tokenize-calib|extract-lm) / && !/ open cache\/locks / { if (!first) first = NR }
		END { exit !(asked && asked < last && last < first) }' "$S/steps"
	check 'every action is computed once' equal "$(computed)" "$(cat "$S/once")"
fi
build
build
check 'and then nothing is left to do' idle
check 'and the same files' agreed

# --- two ./configure ---
# Which of them comes last is as it happens; the graph is that of one of them, and ./configure takes turns also when it is
# ninja that calls.
one_graph() {
	set -- $(grep -c wint4_afp16 build/config.args build/cells.ninja build/grid.json build/jobs/render-report.jsonl |
		sed 's/.*:0$/no/; s/.*:.*/yes/' | sort -u)
	equal $# 1
}
if command -v flock >/dev/null 2>&1; then
	for round in 1 2 3 4 5; do
		./configure $without_cuda $arguments >"$S/said" 2>&1 &
		./configure $without_cuda quant_pair=wint4_afp16 >"$S/out" 2>&1
		status=$?
		wait $!
		check 'two ./configure at once' equal "$status $?" '0 0'
		check 'the graph is that of one' one_graph
	done
	build
	check 'and can be built' equal $status 0
else
	skip 'no flock(1), so that ./configure cannot wait for another'
fi

# --- the folder of a language model ---
configure quant_pair=wint8_afp16 extract.materialize=true
build
folder=$(sed -n 's/.*"output_layout.language_model_dir":"\([^"]*\)".*/\1/p' build/jobs/materialize-lm.jsonl)
check 'a folder is published' test -d "$folder"
rm -rf "$folder" "$S/steps" "$S/steps.met"
QUANTGRID_EDIT="unset QUANTGRID_STEP QUANTGRID_STEPS; build/bin/gc --delete >'$S/said' 2>&1; echo \$? >'$S/status'"
export QUANTGRID_EDIT
LD_PRELOAD=$S/steps.so QUANTGRID_STEPS=$S/steps QUANTGRID_STEP='/materialize-lm rename:edit' ninja >"$S/out" 2>&1
check 'a folder is written while gc runs' equal "$? $(cat "$S/status")" '0 1'
check 'gc names who writes it' grep -q 'in use by materialize-lm of qwen3_vl_demo (process' "$S/said"
check 'the folder is there' test -f "$folder/config.json"

finish
