# Ctrl-C keeps what is finished; a stage that dies by a signal fails its cell alone.
#
# Signals come at a chosen step (tests/preload/steps.c, "edit"), so that they meet what they are meant for.
. tests/pipeline/lib

new_project signals
QUANTGRID_THREADS=1
export QUANTGRID_THREADS
if ! preload_library steps; then
	skip 'no compiler that makes a library to load before'
	finish
fi
configure quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8 dataset.max_calib_samples=2 dataset.calib_seq_len=16
check 'configure' equal $status 0
build
check 'undisturbed' equal $status 0
results >"$S/expected"
sort "$S/trace" | grep -v '^render-report' >"$S/once"

fresh() { rm -rf cache/ac cache/cas build/ref tmp; }

# at STEP COMMAND ARGS...: ninja in whose STEP-th step the command is run; PPID is the process that does that step.
at() {
	step=$1
	QUANTGRID_EDIT=$2
	export QUANTGRID_EDIT
	shift 2
	rm -f "$S/steps" "$S/trace"
	QUANTGRID_STEPS=$S/steps QUANTGRID_STEP=$step:edit LD_PRELOAD=$S/steps.so \
		sh -c 'QUANTGRID_NINJA=$$; export QUANTGRID_NINJA; exec ninja "$@"' ninja "$@" >"$S/out" 2>&1 9>"$S/open"
	status=$?
}

# The number of the first step that PROGRAM does at a path with PART, from the undisturbed list.
step_of() { awk -v program="$1" -v part="$2" '$1 == program && index($0, part) { print NR; exit }' "$S/list"; }

mkfifo "$S/open"
cat "$S/open" >/dev/null &
fresh
at 0 true -j1
check 'counted' equal $status 0
wait
cp "$S/steps" "$S/list"

# What was finished before is not computed again, and all comes out as if nothing had happened.
resumed() {
	cp "$S/trace" "$S/before" 2>/dev/null || : >"$S/before"
	build
	check "$1: the next build" equal $status 0
	check "$1: no finished cell is computed again" equal \
		"$(cat "$S/before" "$S/trace" | grep -v '^render-report' | sort)" "$(cat "$S/once")"
	results >"$S/results"
	check "$1: the same files" same_files "$S/expected" "$S/results"
}

# --- Ctrl-C, at the second and the third commit of a group ---
# The terminal sends it to Ninja, and Ninja to its children.
for program in quantize-calibrate score-layers choose-recipe; do
	for entry in 2 3; do
		fresh
		step=$(awk -v program=$program -v entry=$entry '$1 == program && $2 == "rename" && /cache\/ac/ &&
			++seen == entry { print NR }' "$S/list")
		cat "$S/open" >/dev/null &
		at "$step" 'kill -INT $QUANTGRID_NINJA' -j1
		check "Ctrl-C in $program: the build ends" differ $status 0
		wait
		check "Ctrl-C in $program: results of before are kept" test "$(ran $program)" -ge $((entry - 1))
		resumed "Ctrl-C in $program, at result $entry"
	done
done

# --- a stage that dies ---
# Its group dies as a whole; the cells' own edges compute what is missing, and the rest of the grid goes on.
for signal in KILL TERM HUP SEGV ABRT; do
	fresh
	cat "$S/open" >/dev/null &
	at "$(step_of score-layers cache/tmp)" "kill -$signal \$PPID" -j1 -k 0
	check "SIG$signal for the group: the build fails" differ $status 0
	check "SIG$signal for the group: it is no Ctrl-C" sh -c "! grep -q 'interrupted' '$S/out'"
	wait
	check "SIG$signal for the group: what does not need it is done" equal "$(ran quantize-calibrate)" 3
	resumed "SIG$signal for the group"
done

# One cell's own edge dies: the others come out.
for signal in KILL TERM SEGV; do
	fresh
	cat "$S/open" >/dev/null &
	step=$(awk '$1 == "score-layers" && $2 == "rename" && /\.ref *$/ { print NR; exit }' "$S/list")
	at "$step" "kill -$signal \$PPID" -j1 -k 0
	check "SIG$signal for a cell: the build fails" differ $status 0
	wait
	check "SIG$signal for a cell: the others are reported" equal "$(ran render-report)" 2
	resumed "SIG$signal for a cell"
done

# --- a stage stopped from outside says so, cleans up, and exits 143 ---
fresh
job=$(job_of extract-lm)
for signal in TERM INT HUP; do
	rm -rf cache/ac cache/cas cache/tmp build/ref "$S/steps"
	QUANTGRID_EDIT="kill -$signal \$PPID" QUANTGRID_STEPS=$S/steps LD_PRELOAD=$S/steps.so \
		QUANTGRID_STEP=$(($(awk '$1 == "extract-lm" { n++ } $1 == "extract-lm" && $2 == "fsync" { print n; exit }' "$S/list"))):edit \
		build/bin/extract-lm "$job" >"$S/out" 2>&1
	check "SIG$signal: status" equal $? 143
	check "SIG$signal: nothing half written stays" equal "$(ls cache/tmp)" ''
done

finish
