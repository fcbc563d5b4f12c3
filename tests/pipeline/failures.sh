# A cell that fails stops no other, is said with its reason, and runs again next time.
. tests/pipeline/lib

new_project failures
grid="quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8"
overview=tmp/qwen3_lm_sensitivity/qwen3_lm_sensitivity

configure $grid
check 'configure' equal $status 0
QUANTGRID_FAULT=compute:qwen3_vl_demo.wfp8_afp8.default.small
export QUANTGRID_FAULT
build -k 0
unset QUANTGRID_FAULT
check 'the build fails' differ $status 0
check 'the failed cell is named with its reason' said 'qwen3_vl_demo.wfp8_afp8.default.small: injected fault'
check 'its neighbours are reported' equal "$(ran render-report)" 2
check 'the overview is there' test -s $overview.json
check 'and names the failed cell with its reason' grep -q 'injected fault' $overview.md
build
check 'the next build succeeds' equal $status 0
check 'and calibrates and scores only what was missing' equal "$(ran_cells score-layers)" \
	'qwen3_vl_demo.wfp8_afp8.default.small'
check 'its report is there' test -s tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wfp8_afp8/default/small/per-layer-sensitivity.md
check 'the overview no longer names it' sh -c "! grep -q 'injected fault' $overview.md"
build
check 'and then there is nothing to do' idle

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
	rm -rf cache/ac cache/cas cache/tmp build/ref tmp
	QUANTGRID_FAULT=$point
	export QUANTGRID_FAULT
	build
	unset QUANTGRID_FAULT
	check "killed at $point: the build fails" differ $status 0
	build
	check "killed at $point: the next one succeeds" equal $status 0
	check "killed at $point: all is there" test -s tmp/qwen3_lm_sensitivity/qwen3_vl_demo/wint4_aint8/default/small/per-layer-sensitivity.json
done

# ninja report renders from what exists and never computes.
rm -rf tmp
rm -f cache/ac/*/*.json
build report
check 'ninja report computes nothing' equal "$(ran quantize-calibrate)$(ran score-layers)$(ran tokenize-calib)" 000

finish
