# After an edit exactly what it touches is computed again, whatever the times of files say, and then there is nothing to do.
# What ran is read from the traces of the stages: every computation is in a row's list, and every row is followed by a
# ninja that must be idle.
. tests/pipeline/lib

new_project edits
QUANTGRID_THREADS=1
export QUANTGRID_THREADS
cat >conf/sweeps/four.yaml <<'SWEEP'
preset: qwen3_lm_sensitivity
sweep:
  quant_pair: glob(edit_*)
  dataset.size: small,medium
fixed: [output_layout=publish, dataset.size_to_max_samples.small=2, dataset.size_to_max_samples.medium=3,
  dataset.calib_seq_len=16, autoquant.score_size=3]
SWEEP
# One that sees activations, and one that does not: its calib is one for both sizes.
sed 's/^name:.*/name: edit_fp8/' conf/quant_pair/wfp8_afp8.yaml >conf/quant_pair/edit_fp8.yaml
sed 's/^name:.*/name: edit_int8/' conf/quant_pair/wint8_afp16.yaml >conf/quant_pair/edit_int8.yaml
model=models/qwen3_vl_demo
captions=$model/captions
weights=$model/checkpoint/model.safetensors
int8=conf/quant_pair/edit_int8.yaml

# What the last build computed, sorted, "score:edit_int8.small" each; then, behind a slash, what it reported.
did() {
	[ -f "$S/trace" ] || { echo /; return; }
	sed -e 's/^tokenize-calib demo_captions/tokens:n/; s/^extract-lm .*/lm/; s/^quantize-calibrate/calib:/' \
		-e 's/^score-layers/score:/; s/^choose-recipe/choose:/; s/^check-recipe/check:/; s/^render-report/report:/' \
		-e 's/ qwen3_vl_demo\.//; s/\.default//; s/n\./n/' "$S/trace" | sort | awk '
			/^report:/ { sub("report:", ""); reports = reports " " $0; next }
			{ computed = computed " " $0 }
			END { print substr(computed, 2) "/" substr(reports, 2) }'
}

# row WORDS COMPUTED REPORTED: the next build computes and reports just that, and the one after it nothing.
row() {
	build
	check "$1: the build" equal $status 0
	check "$1: what ran" equal "$(did)" "$2/$3"
	build
	check "$1: then there is nothing to do" idle
}

# of STAGES CELLS: each stage for each cell, as did() has them.
of() {
	for stage in $1; do
		for cell in $2; do echo "$stage:$cell"; done
	done | sort | tr '\n' ' ' | sed 's/ $//'
}

list() { for word in "$@"; do [ -z "$word" ] || echo "$word"; done | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/ $//'; }

int='edit_int8.medium edit_int8.small'
small='edit_fp8.small edit_int8.small'
medium='edit_fp8.medium edit_int8.medium'
all=$(list "$small" "$medium")

configure --grid conf/sweeps/four.yaml
check 'configure' equal $status 0
once=$(list calib:edit_int8.small 'calib:edit_fp8.medium calib:edit_fp8.small' "$(of 'score choose check' "$all")")
row 'the first build' "$(list "$once" lm 'tokens:n2 tokens:n3')" "$all"

# --- what changes nothing ---
row 'nothing' '' ''
find . -path ./build -prune -o -type f -print | xargs touch
row 'every file touched' '' ''
touch -d 2037-01-01 $captions/* $weights conf/*/*
row 'times in the future' '' ''
echo '# a comment' >>$int8
row 'a comment' '' ''
{ tail -n 1 $int8; sed '$d' $int8; } >"$S/reordered"
cp "$S/reordered" $int8
row 'another order of keys' '' ''
lose_ninja_log
row 'a lost .ninja_log' '' "$all"
# shellcheck disable=SC2046
ninja -t clean -r $(sed -n 's/^rule //p' build/cells.ninja) >/dev/null 2>&1
row 'ninja -t clean of the stages' '' "$all"
# Everything, programs included. To compile them takes a minute, and is not what is asked here.
path=$PATH
kept_compiler || skip 'a compiler has a path: all is compiled again'
published() { sed -n 's/.*"manifest": "\([^"]*\)".*/\1/p' build/grid.json | xargs ls 2>/dev/null | wc -l; }
reports=$(published)
ninja -t clean >/dev/null 2>&1
check 'ninja -t clean takes programs' test ! -e build/bin/score-layers
check 'and published files' equal "$reports $(published)" '4 0'
row 'ninja -t clean of everything' '' "$all"
PATH=$path
check 'the programs are there again' test -x build/bin/score-layers
check 'and the reports' equal "$(published)" 4
QUANTGRID_THREADS=2
row 'another number of threads' '' ''
QUANTGRID_THREADS=1
ninja -j1 >"$S/out" 2>&1
check 'another -j' idle
if command -v samu >/dev/null 2>&1; then
	rm -f "$S/trace"
	samu >"$S/out" 2>&1
	check 'another ninja computes nothing' equal "$(did | sed 's|/.*||')" ''
else
	skip 'no samurai to build on with'
fi
mv $model/checkpoint "$S/moved"
sed -i "s|^path:.*|path: $S/moved|" conf/model/qwen3_vl_demo.yaml
row 'a moved checkpoint' '' "$all"
mv "$S/moved" $model/checkpoint
sed -i "s|^path:.*|path: $model/checkpoint|" conf/model/qwen3_vl_demo.yaml
row 'moved back' '' "$all"
sed -i 's/^device: auto/device: cpu/' conf/autoquant/gradient_default.yaml
row 'the device, when it is the same' '' "$all"
sed -i 's/^device: cpu/device: auto/' conf/autoquant/gradient_default.yaml
row 'and back' '' "$all"

# --- one value ---
cp $int8 "$S/int8"
sed -i 's/^weight:.*/weight: int4/; s/^format_name:.*/format_name: INT4_BLOCKWISE_WEIGHT_ONLY_CFG/' $int8
row 'one pair' "$(list calib:edit_int8.small "$(of 'score choose check' "$int")")" "$int"
# Its reports lie in another folder, so that those of before are still there.
cp "$S/int8" $int8
row 'back to the earlier pair' '' ''
sed -i 's/^weight:.*/weight: int4/; s/^format_name:.*/format_name: INT4_BLOCKWISE_WEIGHT_ONLY_CFG/' $int8
row 'to the edited one again' '' ''
cp "$S/int8" $int8
row 'and back again' '' ''
sed -i 's/^effective_bits: 8.0/effective_bits: 11.0/' conf/autoquant/gradient_default.yaml
row 'the budget' "$(of 'choose check' "$all")" "$all"
sed -i 's/^effective_bits: 11.0/effective_bits: 8.0/' conf/autoquant/gradient_default.yaml
row 'the earlier budget' '' "$all"
# Reports of another budget that Ninja has no note of: two that it did not write, and one that it did not see the end of.
reports() { find $model/layer-analysis -type f | LC_ALL=C sort | xargs cksum; }
reports >"$S/earlier"
for way in report cells/qwen3_vl_demo.edit_fp8.default.small killed; do
	sed -i 's/^effective_bits: 8.0/effective_bits: 11.0/' conf/autoquant/gradient_default.yaml
	if [ $way = killed ]; then
		build build.ninja
		check 'a report by itself' build/bin/render-report "$(job_of render-report qwen3_vl_demo.edit_int8.default.medium)"
	else
		build $way
		check "ninja $way" equal $status 0
	fi
	reports >"$S/other"
	check "reports of the other budget: $way" differ "$(cat "$S/other")" "$(cat "$S/earlier")"
	sed -i 's/^effective_bits: 11.0/effective_bits: 8.0/' conf/autoquant/gradient_default.yaml
	row "the earlier budget after $way" '' "$all"
	reports >"$S/now"
	check "the reports are those of the earlier budget again: $way" same_files "$S/now" "$S/earlier"
done
sed -i 's/^batch_size: 1/batch_size: 9/' conf/autoquant/kl_div_default.yaml
row 'an option that no cell uses' '' ''

# --- the grid ---
sed 's/^name:.*/name: edit_fp4/' conf/quant_pair/wfp4_afp16.yaml >conf/quant_pair/edit_fp4.yaml
row 'an option more' "$(list calib:edit_fp4.small "$(of 'score choose check' 'edit_fp4.medium edit_fp4.small')")" 'edit_fp4.medium edit_fp4.small'
rm conf/quant_pair/edit_fp4.yaml
row 'an option less' '' ''
if ninja -t list | grep -q cleandead; then
	old=$(ls build/ref/score-layers/*edit_fp4* | wc -l)
	ninja -t cleandead >/dev/null 2>&1
	check 'ninja -t cleandead takes what an earlier graph left' \
		equal "$old $(ls build/ref/score-layers | grep -c edit_fp4)" '2 0'
	row 'ninja -t cleandead' '' ''
	sed 's/^name:.*/name: edit_fp4/' conf/quant_pair/wfp4_afp16.yaml >conf/quant_pair/edit_fp4.yaml
	row 'the option again' '' 'edit_fp4.medium edit_fp4.small'
	rm conf/quant_pair/edit_fp4.yaml
	row 'and without it again' '' ''
else
	skip 'this ninja has no -t cleandead'
fi

# --- captions ---
mkdir "$S/captions"
cp -p $captions/* "$S/captions/"
for size in small medium; do echo 'One more behind those that are used.' >>$captions/captions_$size.txt; done
row 'captions behind the used ones' 'tokens:n2 tokens:n3' "$all"
cp -p "$S/captions/"* $captions/
row 'without them again' '' "$all"
sed -i '1s/blue/green/' $captions/captions_small.txt
touch -d 2001-01-01 $captions/captions_small.txt
row 'a used caption, in a file with an old time' \
	"$(list tokens:n2 calib:edit_fp8.small "$(of 'score choose check' "$small")")" "$small"
cp -p "$S/captions/"* $captions/
row 'the earlier caption' '' "$small"
sed '2s/a/o/' $captions/captions_medium.txt >"$S/other"
touch -d 2000-01-01 "$S/other"
mv "$S/other" $captions/captions_medium.txt
row 'an older file in the place of one' \
	"$(list tokens:n3 calib:edit_fp8.medium "$(of 'score choose check' "$medium")")" "$medium"
cp -p "$S/captions/"* $captions/
row 'the file from before' '' "$medium"

# --- a shard ---
# flip PATTERN: the last byte of a tensor whose name has it, in place, with the file's time put back.
flip() {
	header=$(od -An -tu4 -N4 $weights | tr -d ' ')
	# What follows a name, up to the next brace, is on the next line.
	end=$(head -c $((header + 8)) $weights | tail -c "$header" | tr '{' '\n' | sed -n "/$1/{n;p;q;}" |
		sed 's/.*"data_offsets": *\[[0-9]*, *\([0-9]*\)\].*/\1/')
	at=$((header + 8 + end - 1))
	byte=$(od -An -tu1 -j $at -N 1 $weights | tr -d ' ')
	touch -r $weights "$S/time"
	printf "\\$(printf %03o $((byte ^ 128)))" | dd of=$weights bs=1 seek=$at conv=notrunc 2>/dev/null
	touch -r "$S/time" $weights
}
flip visual
row 'a weight of the vision tower' 'lm' "$all"
flip visual
row 'the earlier weight there' '' "$all"
flip 'language_model.*q_proj'
row 'a weight of the language model' "$(list lm "$once")" "$all"
flip 'language_model.*q_proj'
row 'the earlier weight' '' "$all"

# --- a stage ---
sed -i 's/^version: 1 /version: 1001 /' rules/tokenize-calib.yaml
row 'another version, the same tokens' 'tokens:n2 tokens:n3' "$all"
sed -i 's/^version: 1001 /version: 1 /' rules/tokenize-calib.yaml
row 'the earlier version' '' "$all"

# --- a library ---
if preload_library unicode; then
	LD_PRELOAD=$S/unicode.so
	export LD_PRELOAD
	configure --grid conf/sweeps/four.yaml
	row 'another Unicode, the same tokens' 'tokens:n2 tokens:n3' "$all"
	configure --grid conf/sweeps/four.yaml --explain qwen3_vl_demo.edit_fp8.default.small
	check '--explain names it' said 'unicode: 99.0.0'
	unset LD_PRELOAD
	configure --grid conf/sweeps/four.yaml
	row 'the Unicode of before' '' "$all"
else
	skip 'no compiler that makes a library to load before'
fi

# --- what was lost ---
ref_of() {
	key=$(job_of "$1" "$2")
	echo "build/ref/$1/$2-${key#*:}.ref"
}
cell=qwen3_vl_demo.edit_int8.default.small
entry_of() { echo cache/ac/*/"$(sed -n 's/.*"action": "\(.*\)",/\1/p' "$1")".json; }
object_of() { echo cache/cas/*/"$(sed -n 's/.*"content": "\(.*\)",/\1/p' "$1")".*; }
for stage in quantize-calibrate score-layers; do
	ref=$(ref_of $stage $cell)
	cp "$ref" "$S/ref"
	rm "$ref"
	row "the reference of $stage lost" '' ''
	check "the reference of $stage is there again" same_files "$ref" "$S/ref"
	rm "$(entry_of "$ref")"
	row "the action of $stage lost, its reference not" '' ''
	rm "$ref"
	case $stage in score*) word=score ;; *) word=calib ;; esac
	row "the action of $stage lost" "$word:edit_int8.small" ''
	rm "$(object_of "$ref")" "$ref"
	row "the object of $stage lost" "$word:edit_int8.small" ''
done
rm -rf cache
if [ -e "$S/unicode.so" ]; then
	LD_PRELOAD=$S/unicode.so ninja >"$S/out" 2>&1
	check 'another Unicode than the graph was made for' equal $? 1
	check 'is named' said 'utf8proc here knows 99.0.0: run ./configure again'
	rm -rf cache
fi
row 'everything lost' "$(list "$once" lm 'tokens:n2 tokens:n3')" "$all"

finish
