# A cell that fails stops no other, is said with its reason, and runs again next time.
. tests/pipeline/lib

new_project failures
grid="quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8"
overview=tmp/qwen3_lm_sensitivity/qwen3_lm_sensitivity

configure $grid
check 'configure' equal $status 0
stages='extract-lm, tokenize-calib, quantize-calibrate, score-layers, choose-recipe, check-recipe'
build status
check 'ninja status: no run tells what the build takes' \
	said "the whole build: no telling how long: $stages (not run before), 3 reports (never timed)"
QUANTGRID_FAULT=compute:qwen3_vl_demo.wfp8_afp8.default.small
export QUANTGRID_FAULT
build -k 0
unset QUANTGRID_FAULT
check 'the build fails' differ $status 0
check 'the failed cell is named with its reason' said 'qwen3_vl_demo.wfp8_afp8.default.small: injected fault'
check 'its neighbours are reported' equal "$(ran render-report)" 2
check 'the overview is there' test -s $overview.json
check 'and names the failed cell with its reason' grep -q 'injected fault' $overview.md
victim=qwen3_vl_demo.wfp8_afp8.default.small
check 'the log of the cell has it, with the command' grep -q "once more, by itself: build/bin/quantize-calibrate" \
	build/logs/$victim.log
check 'the logs of others have what they took' grep -q 'score-layers: computed' \
	build/logs/qwen3_vl_demo.wint4_aint8.default.small.log
build failures
check 'ninja failures' equal "$status $(said '1 job failed, for 1 reason' && echo counted)" '0 counted'
check 'it names the cell' said "quantize-calibrate $victim"
check 'its log' said "log    build/logs/$victim.log"
check 'and how to try it alone' said "again  ninja cells/$victim"
build status
check 'ninja status: what the failed cell takes by its neighbours' \
	grep -q '^the whole build: about [0-9:]* left, without 1 report (never timed)$' "$S/out"
build
check 'the next build succeeds' equal $status 0
check 'and calibrates and scores only what was missing' equal "$(ran_cells score-layers)" \
	'qwen3_vl_demo.wfp8_afp8.default.small'
check 'its report is there' test -s tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wfp8_afp8/default/small/per-layer-sensitivity.md
check 'the overview no longer names it' sh -c "! grep -q 'injected fault' $overview.md"
build
check 'and then there is nothing to do' idle
build failures
check 'and no failure stands' said 'nothing failed'

# A failed scoring (its calibration is there) is the other half of the same story.
rm -rf cache/ac cache/cas build/ref tmp
QUANTGRID_FAULT=score-layers:qwen3_vl_demo.wfp8_afp8.default.small
export QUANTGRID_FAULT
build -k 0
unset QUANTGRID_FAULT
check 'a failed scoring fails the build' differ $status 0
check 'two cells are reported' equal "$(ran render-report)" 2
build
check 'then only the failed one is scored' equal "$(ran quantize-calibrate) $(ran_cells score-layers)" \
	'0 qwen3_vl_demo.wfp8_afp8.default.small'

# Killed in the middle of the commit sequence: nothing half-written is ever used.
for point in before-cas after-cas after-ac; do
	rm -f build/progress/*
	rm -rf cache/ac cache/cas cache/tmp build/ref tmp
	QUANTGRID_FAULT=$point
	export QUANTGRID_FAULT
	build
	unset QUANTGRID_FAULT
	check "killed at $point: the build fails" differ $status 0
	build failures
	check "killed at $point: ninja failures tells of it" said 'ended without a word'
	build
	check "killed at $point: the next one succeeds" equal $status 0
	check "killed at $point: all is there" test -s tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wint4_aint8/default/small/per-layer-sensitivity.json
done

# --- a captions file that cannot be read fails the cells that need it ---
rm -rf cache tmp
configure $grid dataset.size=small,medium
captions=models/qwen3_vl_demo/captions/captions_medium.txt
cp $captions "$S/captions"
printf 'not \377 text\n' >>$captions
build -k 0
check 'a bad captions file fails the build' differ $status 0
check 'and is said with line and column' said 'captions_medium.txt:129:5'
check 'cells of the other size are scored' equal "$(ran_cells score-layers | grep -c small)" 3
check 'and reported' test -s tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wfp8_afp8/default/small/per-layer-sensitivity.md
check 'the overview names the others with the reason' grep -q 'captions_medium.txt:129:5' $overview.md
build failures
check 'ninja failures says so of what is no cell, too' said 'again  build/bin/tokenize-calib build/jobs/tokenize-calib.jsonl:'
configure $grid
build failures
check 'not of what the graph no longer has' said 'nothing failed'
configure $grid dataset.size=small,medium
check 'one bad file of two is no error of configure' equal $status 0
check 'but said' said 'captions_medium.txt:129:5'
cp "$S/captions" $captions
build
check 'mended, the rest is computed' equal "$status $(ran_cells score-layers | grep -c medium)" '0 3'

# --- every cell fails ---
configure $grid
rm -rf cache tmp
QUANTGRID_FAULT=score-layers
export QUANTGRID_FAULT
build -k 0
unset QUANTGRID_FAULT
build failures
check 'all cells fail: for one reason' said '3 jobs failed, for 1 reason;'
check 'all cells fail: the overview is there all the same' equal "$(grep -c '"status": "failed"' $overview.json)" 3
build
check 'all cells failed: the next build succeeds' equal $status 0

# --- a damaged object ---
calib=$(grep -l '"cell": "qwen3_vl_demo.wfp8_afp8.default.small"' cache/ac/*/*.json | xargs grep -l '"kind": "calib"')
object=$(sed -n 's/.*"content": "\([0-9a-f]*\)".*/\1/p' "$calib")
object=$(ls cache/cas/*/"$object".calib)
chmod u+w "$object"
printf 'X' | dd of="$object" bs=1 seek=400 conv=notrunc 2>/dev/null
rm -rf tmp $(grep -l '"kind": "scores"' cache/ac/*/*.json) build/ref/score-layers build/ref/group
build -k 0
check 'a damaged calib fails the build' differ $status 0
check 'and is said to be damaged' said 'damaged'
check 'its neighbours are scored' equal "$(ran score-layers)" 2
build
check 'the next build makes it again' equal "$status $(ran_cells quantize-calibrate)" '0 qwen3_vl_demo.wfp8_afp8.default.small'
check 'and scores its cell' equal "$(ran_cells score-layers)" 'qwen3_vl_demo.wfp8_afp8.default.small'

# --- half of the cache deleted ---
rm -rf cache/cas
build
check 'objects deleted: the next build makes them again' equal "$status $(ran score-layers)" '0 3'
rm -rf cache/ac
build
check 'actions deleted: the next build succeeds' equal $status 0

# --- one cell by itself ---
rm tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wfp8_afp8/default/small/per-layer-sensitivity.md
build cells/qwen3_vl_demo.wfp8_afp8.default.small
check 'a cell by itself renders its report again' test -s tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wfp8_afp8/default/small/per-layer-sensitivity.md
check 'and only its own' equal "$(ran render-report)" 1

# --- looking changes nothing ---
build status
check 'ninja status counts the results' said 'score-layers              3 of 3 there'
check 'and the reports' said 'reports                   3 of 3 there'
check 'ninja status: nothing runs, nothing was left behind' \
	equal "$(said 'nothing computes now' && ls build/progress)" ''
check 'and nothing is left' equal "$(grep -c 'the whole build' "$S/out")" 0
cksum build.ninja build/*.ninja build/grid.json build/config.args build/jobs/* build/jobs/group/* 2>/dev/null >"$S/before"
configure --dry-run $grid dataset.size=medium
check '--dry-run' equal $status 0
check '--dry-run names the cells' said 'to run  qwen3_vl_demo.wfp8_afp8.default.medium'
configure --cfg quant_pair=wint4_afp16
check '--cfg prints the config' said 'name: wint4_afp16'
configure --list quant_pair
check '--list prints the options' said 'wint8_aint8_lm_only'
cksum build.ninja build/*.ninja build/grid.json build/config.args build/jobs/* build/jobs/group/* 2>/dev/null >"$S/after"
check 'the graph and its jobs are as they were' same_files "$S/before" "$S/after"

# ninja report renders from what exists and never computes.
rm -rf tmp
rm -f $(grep -l '"cell": "qwen3_vl_demo.wfp8_afp8.default.small"' cache/ac/*/*.json) build/ref/score-layers/*wfp8_afp8*
build report
check 'ninja report computes nothing' equal "$(ran quantize-calibrate)$(ran score-layers)$(ran tokenize-calib)" 000
check 'it renders what is there' said '2 of 3 reports rendered'
check 'and lists what is missing' said 'missing  qwen3_vl_demo.wfp8_afp8.default.small'
lost=$(find tmp -name pareto-curve.csv | head -n 1)
rm "$lost"
build report
check 'it writes what a report has lost' test -s "$lost"

# --- warnings stand in the log of their cell ---
rm -rf build/ref build/logs
configure quant_pair=wint8_afp16 dataset.size=small,medium dataset.max_calib_samples=40
build
log=build/logs/demo_captions.40.log
check 'fewer captions than asked for is a warning' said '40 captions asked for, the file has 16: all are used'
check 'it stands in the log of what it is about' equal "$(grep -c ' tokenize-calib: warning: .*the file has 16' $log)" 1
check 'each log has its own' \
	equal "$(grep -h warning build/logs/demo_captions.32.log | grep -c ' demo_captions.32: ')" 1
check 'and those of other cells have none' equal "$(grep -l warning build/logs/qwen3*)" ''
printf 'damaged' >"$(ls build/ref/score-layers/*.wint8_afp16.default.small-*.ref)"
build
check 'a damaged reference file is said' said 'choose-recipe: warning: '
check 'and stands in the log of who needed it' \
	equal "$(grep -l ' choose-recipe: warning: .*leads nowhere' build/logs/*)" \
	build/logs/qwen3_vl_demo.wint8_afp16.default.small.log

# --- three things at once: a shard cut short, NaN in a weight, a file that may not become so large ---
rm -rf cache tmp build/ref build/failed build/logs
checkpoint=models/qwen3_vl_demo/checkpoint
for bad in cut odd; do
	cp -a $checkpoint $bad
	chmod -R u+w $bad
done
truncate -s -1000 cut/model.safetensors
printf '\377\377\377\377' | dd of=odd/model.safetensors bs=1 seek=600000 conv=notrunc 2>/dev/null
configure quant_pair=wfp8_afp8,wint4_afp16,wfp4_afp16 model=qwen3_vl_demo model.path=$checkpoint,cut,odd
check 'three checkpoints: configure' equal $status 0
# 13 KiB: enough for scores of weights alone.
mv build/bin/score-layers build/bin/score-layers.whole
cat >build/bin/score-layers <<'END'
#!/bin/bash
ulimit -f 13
exec build/bin/score-layers.whole "$@"
END
chmod +x build/bin/score-layers
build -k 0
check 'the build fails' differ $status 0
check 'what the failures leave alone is reported' equal "$(ran_cells render-report)" \
	"qwen3_vl_demo.wfp4_afp16.default.small.path=models_qwen3_vl_demo_checkpoint
qwen3_vl_demo.wint4_afp16.default.small.path=models_qwen3_vl_demo_checkpoint"
check 'the overview is there' equal "$(grep -c '"status": "failed"' $overview.json)" 7
check 'with all reasons' equal "$(for words in 'cut short' 'is NaN' 'File too large'; do
	grep -c "\"reason\": .*$words" $overview.json; done | tr '\n' ' ')" '3 3 1 '
build failures
check 'three failures' said '3 jobs failed, for 3 reasons; ninja tries them again'
check 'the shard' said 'cut/model.safetensors: '
check 'the weight' said 'odd/model.safetensors: byte '
check 'the file' said 'cannot write: File too large'
check 'logs are there' equal "$(sed -n 's/^ *log *//p' "$S/out" | sort -u | xargs ls 2>&1 >/dev/null)" ''
# The commands, pasted, fail for the same reasons, and do not when these are gone.
sed -n 's/^ *again *//p' "$S/out" >again
check 'each has a command' equal "$(grep -c . again)" 3
pasted=0
while read -r command; do eval "$command" >"$S/out" 2>&1 && pasted=$((pasted + 1)); done <again
check 'pasted, they fail' equal $pasted 0
mv build/bin/score-layers.whole build/bin/score-layers
cp $checkpoint/model.safetensors cut/
cp $checkpoint/model.safetensors odd/
grep '^ninja' again >cell
eval "$(cat cell)" >"$S/out" 2>&1
check 'with room, the command computes its cell' equal $? 0
build failures
check 'what is mended stands no longer' said 'nothing failed'
build
check 'and the rest is computed' equal $status 0

finish
