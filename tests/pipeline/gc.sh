# What nobody needs is named, and goes when asked; what somebody needs stays.
. tests/pipeline/lib

new_project gc
one=qwen3_vl_demo.wfp8_afp8.default.small
pinned=qwen3_vl_demo.wint4_aint8.default.small
old=qwen3_vl_demo.wint8_afp16.default.small
configure quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8
build
check 'the grid' equal $status 0

gc() {
	build/bin/gc "$@" >"$S/out" 2>&1
	status=$?
}
results() { ls cache/ac/*/*.json | wc -l; }
objects() { ls cache/cas/*/* | wc -l; }
age() { find cache/ac cache/cas -type f ! -name id -exec touch -d '30 days ago' {} +; }

age
before=$(results)
gc
check 'all that the graph leads to is kept' said '0 bytes would go'
check 'the build folder is named' said "used by $S/build"

# --- two cells that the graph no longer has ---
configure quant_pair=wfp8_afp8
build
age
mkdir -p cache/pins
touch cache/pins/$pinned cache/pins/nothing.of.this.name
gc
check 'old results would go' said "score-layers $old"
check 'the calibration, too' said "quantize-calibrate $old"
check 'not those of the pinned cell' sh -c "! grep -q '$pinned' '$S/out'"
check 'not those of the graph' sh -c "! grep -q '$one' '$S/out'"
check 'a pin that keeps nothing is said' said 'pins/nothing.of.this.name keeps nothing'
check 'the dry run says so' said 'Nothing was deleted'
check 'and deletes nothing' equal "$(results)" "$before"
build gc
check 'ninja gc' equal "$status $(results)" "0 $before"
touch "$(grep -l "\"cell\": \"$old\"" cache/ac/*/*.json | xargs grep -l '"kind": "scores"')"
gc
check 'what was used lately stays, with what it came of' equal "$(grep -c "$old" "$S/out")" 2
age

# A limit: the longest unused go, until the rest fits.
touch -d '60 days ago' "$(grep -l "\"cell\": \"$old\"" cache/ac/*/*.json | xargs grep -l '"kind": "check"')"
bytes=$(($(cat cache/ac/*/*.json cache/cas/*/*.* | wc -c) - 1))
gc --max-size $bytes
check 'a limit one byte below takes one result' equal "$(grep -c 'last used' "$S/out")" 1
check 'the longest unused' said "check-recipe $old"
gc --max-size 1k
check 'a limit that cannot be met' said 'above the limit'
gc --max-size 1T
check 'a limit that is met' said '0 bytes would go'

# --- besides results ---
# Pid 999999999 there is not; that of another host may be at work.
host=$(hostname | cut -c1-32)
touch -d '30 days ago' cache/tmp/stranger cache/tmp/gone.999999999@elsewhere.tmp
touch "cache/tmp/gone.999999999@$host.tmp" "cache/tmp/here.$$@$host.tmp" cache/tmp/there.999999999@elsewhere.tmp
mkdir -p cache/quarantine cache/cas/00
touch -d '30 days ago' cache/quarantine/bad
echo x >cache/cas/00/00000000000000000000000000000000.scores
touch -d '30 days ago' cache/cas/00/00000000000000000000000000000000.scores
echo /nowhere/at/all >cache/roots/gone
gc --delete
check 'gc --delete' equal $status 0
check 'results went' equal "$(results)" $((before - 4))
check 'and their objects' equal "$(ls cache/cas/*/*.* | wc -l)" "$(results)"
check 'and references to them' equal "$(ls build/ref/*/$old-*.ref 2>/dev/null)" ''
check 'files of processes that are no more' equal "$(ls cache/tmp)" \
	"$(printf '%s\n' "here.$$@$host.tmp" there.999999999@elsewhere.tmp)"
check 'quarantine' equal "$(ls cache/quarantine)" ''
check 'a build folder that is gone' test ! -e cache/roots/gone
build
check 'the graph lacks nothing' idle
build fsck
check 'and all is as written' equal $status 0
configure quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8
build
check 'back to the grid: only what went is computed' equal "$status $(ran_cells score-layers)" "0 $old"

# --- what killed processes leave ---
# killed WORDS COMMAND...: it is killed at the step with these words (tests/preload/steps.c). gone WHERE: it left
# something there, which is listed, is no damage, and goes.
rm cache/tmp/*
mkdir -p tmp
echo mine >tmp/.notes.999999999@elsewhere.tmp
killed() {
	step=$1
	shift
	rm -rf "$S/steps" "$S/steps.met"
	QUANTGRID_STEPS=$S/steps QUANTGRID_STEP="/$step:kill" LD_PRELOAD=$S/steps.so "$@" >"$S/out" 2>&1
}
left_over() { find cache build tmp/qwen3_lm_sensitivity -name '*@*.tmp' 2>/dev/null; find build/progress -type f; }
gone() {
	left_over >"$S/left"
	grep -q "^$1" "$S/left" || { echo "nothing is left in $1:"; cat "$S/left"; return 1; }
	gc
	grep -q "half-written files\{0,1\}  *$(wc -l <"$S/left") " "$S/out" ||
		{ echo 'not listed:'; cat "$S/left"; return 1; }
	fsck=$(build/bin/fsck 2>&1) || { echo "fsck takes it for damage: $fsck"; return 1; }
	gc --delete
	left_over >"$S/left"
	[ ! -s "$S/left" ] || { echo 'still there:'; cat "$S/left"; return 1; }
}
small="$without_cuda quant_pair=wint8_afp16 dataset.max_calib_samples=2 dataset.calib_seq_len=16"
if preload_library steps; then
	while read -r where step; do
		rm -rf cache/ac cache/cas cache/leafdb build/ref build/jobs build/leaf/stamp tmp/qwen3_lm_sensitivity
		# shellcheck disable=SC2086
		./configure $small >"$S/out" 2>&1
		killed "$step" ninja -j1
		check "$step" gone "$where"
	done <<-STEPS
		cache/tmp score-layers rename cache/cas
		build/progress score-layers rename cache/cas
		cache/ac score-layers rename cache/ac
		cache/leafdb leaves rename cache/leafdb
		build/leaf leaves rename build/leaf/stamp
		build/ref/score-layers score-layers rename *.ref
		tmp/qwen3_lm_sensitivity render-report rename
	STEPS
	for file in jobs/score-layers.jsonl grid.json cells.ninja; do
		rm build/$file
		# shellcheck disable=SC2086
		killed "generate rename build/$file" ./configure $small
		check "the generator's $file" gone build/$file
	done
	check 'what others wrote stays' test -f tmp/.notes.999999999@elsewhere.tmp
else
	skip 'no compiler that makes a library to load before'
fi
configure quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8
build

# --- references lost, wrong words ---
age
rm -rf build/ref
gc --delete
check 'without references results go' differ "$(results)" "$before"
gc --grace -1
check 'a wrong value' equal $status 2
check 'is said with what is expected' said '--grace -1: expected days'

# --- ninja -t clean is harmless ---
build
# Of the programs only the stages' outputs: to compile them again takes a minute.
ninja -t clean -r stage_score_layers stage_quantize_calibrate stage_tokenize_calib stage_extract_lm group_score_layers \
	>"$S/out" 2>&1
build
check 'ninja -t clean: nothing is computed again' equal \
	"$status $(ran score-layers) $(ran quantize-calibrate) $(ran tokenize-calib) $(ran extract-lm)" '0 0 0 0 0'

finish
