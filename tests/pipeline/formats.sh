# Several formats compete for each layer: what is computed for how many budgets, what is shared, and what comes out.
. tests/pipeline/lib

new_project formats
two='autoquant.formats=[wfp4_afp16,wfp8_afp8]'
tmp=tmp/qwen3_lm_sensitivity/qwen3_vl_demo
mix=$tmp/wfp4_afp16+wfp8_afp8/default

# number FILE KEY: the number behind "KEY": in a file of ours.
number() { sed -n "s/^ *\"$2\": \([-+.e0-9]*\),\{0,1\}$/\1/p" "$1" | head -n 1; }
at_most() { awk "BEGIN { exit !($1 <= $2) }"; }

configure "$two" autoquant.effective_bits=4.5,5,6,7,8
check 'configure' equal $status 0
check 'five cells, two computations' said '5 cells, 2 distinct'
build
check 'the build' equal $status 0
check 'each format is calibrated once' equal "$(ran quantize-calibrate)" 2
check 'and scored once' equal "$(ran score-layers)" 2
check 'the search runs for every budget' equal "$(ran choose-recipe)" 5
check 'every budget is reported' equal "$(ran render-report)" 5
for bits in 4.5 5 6 7 8; do
	folder=$mix/small.effective_bits=$bits
	manifest=$folder/wfp4_afp16+wfp8_afp8_autoquant_lm_quant_manifest.json
	check "$bits: manifest" test -s "$manifest"
	check "$bits: the mix fits the budget" at_most "$(number "$manifest" effective_bits)" "$(number "$manifest" target_bits)"
	check "$bits: the mix was run for real" grep -q '"kl_per_token"' "$manifest"
	check "$bits: trade-off" test -s "$folder/pareto-curve.csv"
done
# More bits never leave more of the score.
last=
for bits in 4.5 5 6 7 8; do
	score=$(number "$mix/small.effective_bits=$bits/wfp4_afp16+wfp8_afp8_autoquant_lm_quant_manifest.json" score)
	[ -z "$last" ] || check "$bits: no more is left than with fewer bits" at_most "$score" "$last"
	last=$score
done
build
check 'then there is nothing to do' idle

configure "$two" autoquant.effective_bits=5,5.5
build
check 'another budget only searches, checks and reports' equal \
	"$(ran quantize-calibrate) $(ran score-layers) $(ran choose-recipe) $(ran render-report)" '0 0 1 1'
configure quant_pair=wfp8_afp8
build
check 'a format alone has the scores it had among others' equal "$(ran score-layers) $(ran render-report)" '0 1'

# Two budgets with one mix: it is run for real once.
configure 'autoquant.formats=[wint8_afp16,wfp8_afp16]' autoquant.effective_bits=8,8.001
build
check 'two budgets, one mix' equal "$(ran choose-recipe) $(ran check-recipe)" '2 1'

# What is left out of the search stays at 16 bits, and is scored all the same.
configure quant_pair=wint4_afp16 autoquant.effective_bits=5 'autoquant.exclude=[lm_head,layers.0.*]'
check 'patterns: configure' equal $status 0
build
check 'patterns: the build' equal $status 0
manifest=$tmp/wint4_afp16/default/small/wint4_afp16_autoquant_lm_quant_manifest.json
check 'patterns: five groups are left out' equal "$(number "$manifest" searched_groups)" 12
configure quant_pair=wint4_afp16 autoquant.effective_bits=5 'autoquant.include=["*down_proj"]'
build
check 'include: four groups are searched' equal "$(number "$manifest" searched_groups)" 4
check 'include: nothing is scored anew' equal "$(ran score-layers)" 0

configure quant_pair=wint4_afp16 autoquant.check_recipe=false
build
check 'without the check the mix is not run' equal "$status $(ran check-recipe)" '0 0'
check 'and its report says nothing of it' grep -q '"checked": null' "$manifest"

configure quant_pair=wint8_afp16,wfp8_afp8 autoquant=gradient_default,kl_div_default
build
check 'both methods beside each other' equal $status 0
check 'the overview compares them' grep -q 'two methods' tmp/qwen3_lm_sensitivity/qwen3_lm_sensitivity.md
finish
