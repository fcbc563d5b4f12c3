# A stage whose results changed must say so by its version: keys hold versions, and without another one old results would
# be served for new ones.
#
# tests/golden/versions.txt has, for each stage, its version and a fingerprint of what it makes of a small grid. When a
# result was meant to change: raise "version" in rules/STAGE.yaml, then QUANTGRID_REWRITE=1 tests/run versions.
# Fingerprints hold on every machine: whole numbers and texts are compared exactly, sums of fractions to half a
# per cent: other kernels of the product were seen to move the smallest of them, divergences, by a seventh of that.
. tests/pipeline/lib

golden=$root/tests/golden/versions.txt
new_project versions
configure quant_pair=wint8_afp16,wfp4_aint8 dataset.size_to_max_samples.small=8 extract.materialize=true \
	autoquant.device=cpu
check 'configure' equal $status 0
build
check 'the build' equal $status 0

version() { sed -n 's/^version: *\([0-9]*\).*/\1/p' "rules/$1.yaml"; }

# of_objects STAGE KIND: cells in the order of their names, which is that of their reference files.
of_objects() {
	for ref in build/ref/"$1"/*.ref; do
		object=$(sed -n 's/.*"content": "\(.*\)",/\1/p' "$ref")
		echo "object $(basename "$ref" | sed 's/-[0-9a-f]*\.ref$//')"
		"$root/build/tests/pipeline/fingerprint" "$2" cache/cas/*/"$object.$2"
	done
}

# Numbers are left out of reports, as is the class of the machine; rows may stand in another order.
of_reports() {
	find tmp -name "$1" -type f | LC_ALL=C sort | while read -r file; do
		echo "file ${file##*/} $(grep -v 'openblas\|numerics' "$file" |
			sed 's/[-+]\{0,1\}[0-9][0-9.]*\(e[-+]\{0,1\}[0-9]*\)\{0,1\}/#/g' | LC_ALL=C sort | cksum)"
	done
}

of_stage() {
	case $1 in
	tokenize-calib) of_objects $1 tokens ;;
	extract-lm) of_objects $1 lm ;;
	quantize-calibrate) of_objects $1 calib ;;
	score-layers) of_objects $1 scores ;;
	choose-recipe) of_objects $1 recipe ;;
	check-recipe) of_objects $1 check ;;
	render-report) of_reports '*.md'; of_reports '*.json' ;;
	materialize-lm) find tmp -path '*/language-model/*' -type f | LC_ALL=C sort | xargs cksum ;;
	esac
}

stages=$(cd rules && ls ./*.yaml | sed 's|^./||; s/\.yaml$//')
for stage in $stages; do
	echo "stage $stage $(version "$stage")"
	of_stage "$stage"
done >"$S/found"
[ -z "${QUANTGRID_REWRITE:-}" ] || cp "$S/found" "$golden"

# section FILE STAGE: what a file says of a stage.
section() { awk -v stage="$2" '$1 == "stage" { on = $2 == stage } on' "$1"; }

# The same but for the last digits: the two numbers at the end of "fractions" and "floats" are a sum of magnitudes and a
# sum, which may differ by half a per cent of the first.
close_to() {
	paste -d '\n' "$1" "$2" | awk '
		function far(a, b, scale) { return !(a - b <= scale / 200 && b - a <= scale / 200) }
		NR % 2 { expected = $0; n = split($0, e); next }
		$0 == expected { next }
		{
			if ($1 != e[1] || ($1 != "floats" && $1 != "fractions") || NF != n) exit 1
			for (i = 2; i <= NF - 2; i++) if ($i != e[i]) exit 1
			if (far($(NF - 1), e[n - 1], e[n - 1]) || far($NF, e[n], e[n - 1])) exit 1
		}'
}

for stage in $stages; do
	section "$golden" "$stage" >"$S/expected"
	section "$S/found" "$stage" >"$S/section"
	check "$stage: tests/golden/versions.txt is of another version: QUANTGRID_REWRITE=1 tests/run versions" \
		equal "$(head -n 1 "$S/expected")" "stage $stage $(version "$stage")"
	check "$stage: its results changed and its version did not (rules/$stage.yaml)" close_to "$S/expected" "$S/section"
	diff "$S/expected" "$S/section" | head -n 6
done

# What is looked for is found.
section "$golden" score-layers >"$S/expected"
awk '$1 == "floats" && !done { $NF = sprintf("%.6e", $NF + $(NF - 1) / 100); done = 1 } { print }' "$S/expected" >"$S/section"
check 'a sum that moved is seen' sh -c "! cmp -s '$S/expected' '$S/section'"
if close_to "$S/expected" "$S/section"; then seen=no; else seen=yes; fi
check 'and is too far away' equal $seen yes
awk '$1 == "floats" { $NF = sprintf("%.6e", $NF + $(NF - 1) / 1000) } { print }' "$S/expected" >"$S/section"
check 'last digits are not' close_to "$S/expected" "$S/section"

finish
