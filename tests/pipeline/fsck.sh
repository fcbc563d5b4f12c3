# What is damaged in a cache is found, named and made again, and nothing else is.
. tests/pipeline/lib

new_project fsck
grid="quant_pair=wint8_afp16,wfp8_afp8,wint4_aint8"
cell=qwen3_vl_demo.wfp8_afp8.default.small
configure $grid
build
check 'the grid' equal $status 0

fsck() {
	build/bin/fsck "$@" >"$S/out" 2>&1
	status=$?
}
# entry_of KIND: the cell's entry. object_of KIND: the object it leads to.
entry_of() { grep -l "\"cell\": \"$cell\"" cache/ac/*/*.json | xargs grep -l "\"kind\": \"$1\""; }
object_of() { ls cache/cas/*/"$(sed -n 's/.*"content": "\([0-9a-f]*\)".*/\1/p' "$(entry_of "$1")").$1"; }
# flip FILE BYTE: changes that byte of a file.
flip() {
	chmod u+w "$1"
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

fsck
check 'a whole cache is as written' equal $status 0
check 'and fsck says what it read' said 'all as written'
build fsck
check 'ninja fsck' equal $status 0

# --- one object ---
object=$(object_of calib)
flip "$object" $(($(wc -c <"$object") - 100))
fsck
check 'a changed byte is found' equal $status 1
check 'with its object' said "$object: byte 128"
check 'and its cell' said "    quantize-calibrate $cell"
check 'no other cell is lost' equal "$(grep -c '^    quantize\|^    score\|^    check\|^    choose' "$S/out")" 1
check 'the object is aside' test -s "cache/quarantine/${object##*/}"
build
check 'the next build makes exactly that again' equal "$status $(cut -d' ' -f1,2 "$S/trace" | grep -v '^render-report')" \
	"0 quantize-calibrate $cell"
check 'with the same content' test -s "$object"
fsck
check 'and then all is as written' equal $status 0

# --- a header, an object cut off, one gone, one in the place of another: seen by the quick run ---
other=$cell
scores=$(object_of scores)
calib=$(object_of calib)
cell=qwen3_vl_demo.wint4_aint8.default.small
cut=$(object_of recipe)
swapped=$(object_of scores)
third=$(cell=qwen3_vl_demo.wint8_afp16.default.small && object_of scores)
flip "$scores" 40
rm "$calib"
chmod u+w "$cut" "$swapped"
truncate -s -8 "$cut"
cp "$third" "$swapped"
fsck --quick
check 'four kinds of damage: found' equal $status 1
check 'one by its header' said "$scores: byte 120: header is damaged"
check 'one by its length' said "$cut: "
check 'one by its place' said "$swapped: content"
check 'one by its absence' said 'is not there'
build
check 'exactly those are made again' equal "$status $(grep -v '^render-report' "$S/trace" | sort | tr '\n' ';')" \
	"0 choose-recipe $cell;quantize-calibrate $other;score-layers $other;score-layers $cell;"
cell=$other

touch cache/cas/00stranger
mkdir -p cache/cas/00
echo >cache/cas/00/stranger
fsck
check 'a stranger is found' said 'cas/00/stranger: not the name of an object'
check 'and put aside' test -f cache/quarantine/stranger
check 'one at the wrong place, too' test -f cache/quarantine/00stranger

# --- entries and references ---
entry=$(entry_of recipe)
sed -i 's/"version\\":/"version\\" :/' "$entry"
fsck
check 'an entry with other ingredients is found' said 'its ingredients have another key'
check 'its cell is named' said "    choose-recipe $cell"
build
check 'that recipe is chosen again' equal "$status $(grep -v '^render-report' "$S/trace")" "0 choose-recipe $cell"
reference=$(ls build/ref/score-layers/$cell-*.ref)
echo '{' >"$reference"
fsck
check 'a damaged reference is found' equal "$status $(said "    score-layers $cell" && echo named)" '1 named'
build
check 'and comes back without computing' equal "$status $(ran score-layers)" '0 0'

# Whole ones that are not where they belong, or say something else than was sealed.
other=$(ls build/ref/score-layers/qwen3_vl_demo.wint4_aint8*.ref)
cp -p "$reference" "$S/reference"
cp "$other" "$reference"
fsck
check 'the reference of another job is found' equal "$status $(said "$reference: is of job" && echo named)" '1 named'
check 'and put aside' same_files "cache/quarantine/${reference##*/}" "$other"
build
check 'it comes back without computing' equal "$status $(cat "$S/trace" 2>/dev/null)" '0 '
check 'as it was' same_files "$reference" "$S/reference"
sed -i 's/"size": /"size": 1/' "$reference"
fsck
check 'a reference that was changed is found' said "$reference: damaged: its seal"
check 'its cell is named' said "    score-layers $cell"
build
check 'it comes back, too' equal "$status $(ran score-layers)" '0 0'
entry=$(entry_of scores)
sed -i '/"seal":/{s/"0/"1/;t;s/"\([1-9a-f]\)\([0-9a-f]*\)/"0\2/}' "$entry"
cp "$entry" "$S/entry"
fsck --quick
check 'an entry that was changed is found' said "$entry: damaged: its seal"
check 'it is put aside' same_files "$S/entry" "cache/quarantine/${entry##*/}"
check 'its cell is named' said "    score-layers $cell"
build
check 'those scores are computed again' equal "$status $(grep -v '^render-report' "$S/trace")" "0 score-layers $cell"
fsck
check 'and then all is as written' equal $status 0

# --- a second build folder on the same cache ---
first=$S
cp -a "$S" "$scratch/second"
rm -rf "$scratch/second/cache" "$scratch/second/build/leaf/cache-id"
ln -s "$first/cache" "$scratch/second/cache"
cd "$scratch/second" || exit 1
S=$scratch/second
build
check 'a second build on the cache' equal "$status $(ran score-layers)" '0 0'
object=$(object_of scores)
flip "$object" 200
cd "$first" || exit 1
S=$first
fsck
check 'the references of both are deleted' said '2 references deleted'
check 'also of the other build' equal "$(ls "$scratch"/second/build/ref/score-layers/$cell-*.ref 2>/dev/null)" ''

finish
