# Several ninjas at once: every action is computed exactly once, and all come to the same files.
#
# Two that start together meet as it happens; for meetings without luck a second one is started by the first, at a chosen
# step of it (tests/preload/steps.c, "edit").
. tests/pipeline/lib

new_project concurrency
QUANTGRID_THREADS=1
export QUANTGRID_THREADS
if ! steps_library; then
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

computed() { sort "$S/trace" | grep -v '^render-report'; }

agreed() {
	results >"$S/results"
	same_files "$S/results" "$S/expected" && return 0
	diff "$S/expected" "$S/results" | head -n 8
	return 1
}

# --- two ninjas on one build folder ---
for round in 1 2 3; do
	fresh
	ninja >"$S/out.1" 2>&1 &
	first=$!
	ninja >"$S/out" 2>&1
	check "two on one folder, $round: the second" equal $? 0
	wait $first
	check "two on one folder, $round: the first" equal $? 0
	check "two on one folder, $round: every action once" equal "$(computed)" "$(cat "$S/once")"
	check "two on one folder, $round: the same files" agreed
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
	ninja >"$S/out" 2>&1
	check "two folders, $round: this one" equal $? 0
	wait $first
	check "two folders, $round: the other one" equal $? 0
	check "two folders, $round: every action once" equal "$(computed)" "$(cat "$S/once")"
	check "two folders, $round: the same files" agreed
	check "two folders, $round: the same reports" diff -r tmp "$S/other/tmp"
done

# --- beside what looks after the cache ---
for tool in gc fsck; do
	if ! ninja -t query $tool >/dev/null 2>&1; then
		skip "ninja $tool is not there"
		continue
	fi
	fresh
	ninja >"$S/out.1" 2>&1 &
	first=$!
	# It may refuse while stages run; it must not harm them.
	ninja $tool >"$S/out.2" 2>&1
	wait $first
	build
	check "beside ninja $tool: the build" equal $status 0
	check "beside ninja $tool: the same files" agreed
done

finish
