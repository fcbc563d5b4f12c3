# The graph is in the language of Ninja 1.8, and does not lean on one Ninja: nothing newer is written, and others do the
# same with it: samurai where it is installed, and those that QUANTGRID_NINJAS names ("ninja-1.8.2 /opt/ninja").
. tests/pipeline/lib

new_project ninja_language
QUANTGRID_THREADS=1
export QUANTGRID_THREADS
configure quant_pair=wint8_afp16,wfp8_afp8 dataset.max_calib_samples=2 dataset.calib_seq_len=16 extract.materialize=true
check 'configure' equal $status 0
files='build.ninja build/sources.ninja build/bootstrap.ninja build/cells.ninja'

# newer FILE...: what is not of 1.8, with its place. Lines that go on are joined first; a comment is no language.
newer() {
	awk '
		function say(what) { print FILENAME ":" at ": " what ": " line }
		{
			if (held == "") at = FNR
			text = held $0
			# An odd number of $ at the end: the line goes on.
			n = match(text, /\$+$/) ? RLENGTH : 0
			if (n % 2) { held = substr(text, 1, length(text) - 1); next }
			held = ""
			line = text
			if (line ~ /^[ \t]*#/) next
			if (line ~ /\t/) say("a tab")
			bare = line
			gsub(/\$\$/, "", bare)
			if (bare ~ /\$\^/) say("$^ (1.14)")
			if (bare ~ /\$[^A-Za-z0-9_{: -]/) say("an escape")
			if (line ~ /^build /) {
				if (bare ~ / \|@ /) say("validations (1.11)")
				if (bare !~ /[^$]:/ ) say("an edge without a rule")
				block = "edge"
			} else if (line ~ /^rule /) block = "rule"
			else if (line ~ /^pool /) block = "pool"
			else if (line ~ /^(default|include|subninja) /) block = ""
			else if (line ~ /^[A-Za-z0-9_.-]+ *=/) {
				block = ""
				split(line, part, / *= */)
				split(part[2], number, ".")
				if (part[1] == "ninja_required_version" && (number[1] > 1 || number[2] + 0 > 8)) say("a required version")
			} else if (line ~ /^  *[A-Za-z0-9_.-]+ *=/) {
				name = line
				sub(/^ */, "", name)
				sub(/ *=.*/, "", name)
				if (name == "dyndep") say("dyndep (1.10)")
				if (block == "rule" && (" command depfile deps msvc_deps_prefix description generator in_newline restat rspfile " \
					"rspfile_content pool ") !~ (" " name " ")) say("a variable rules do not have")
				if (block == "pool" && name != "depth") say("a variable pools do not have")
			} else if (line != "") say("no statement")
		}' "$@"
}

# The check itself finds what it looks for.
bad() {
	printf "$1" >"$S/bad.ninja"
	[ "$(newer "$S/bad.ninja" | grep -c "$2")" = 1 ]
}
check 'validations are seen' bad 'build a: r b |@ c\n' 'validations'
check 'dyndep is seen' bad 'build a: r b\n  dyndep = d\n' 'dyndep'
check '$^ is seen' bad 'rule r\n  command = a $^ b\n' '1.14'
check 'on a line that goes on' bad 'build a: r $\n    b |@ c\n' 'validations'
check 'a newer version is seen' bad 'ninja_required_version = 1.10\n' 'version'
check 'unknown variables are seen' bad 'rule r\n  command = a\n  env = b\n' 'rules do not have'
check 'other statements are seen' bad 'env a = b\n' 'no statement'
for file in $files; do
	newer "$file" >"$S/newer"
	check "$file is of 1.8: $(head -n 3 "$S/newer")" test ! -s "$S/newer"
done
check 'the version it asks for' equal "$(sed -n 's/^ninja_required_version = //p' $files | sort -u)" 1.8

# Ninja compares paths as texts: there is one way to write each.
cut -c1-400 build/cells.ninja | grep '^build ' | grep -n '\./\|//' >"$S/odd"
check 'paths are written in one way' test ! -s "$S/odd"

# --- the same under other Ninjas ---
# Those of $QUANTGRID_NINJAS, paths or names, and samurai where it is installed. Each begins with the log of the one
# before, which it may not be able to read: then all is compiled again.
kept_compiler || skip 'a compiler has a path: programs may be compiled again'
cell=qwen3_vl_demo.wfp8_afp8.default.small
budget() { sed -i "s/^effective_bits: .*/effective_bits: $1/" conf/autoquant/gradient_default.yaml; }

# run NINJA ARGS...: as build, with another one.
run() {
	rm -f "$S/trace"
	"$@" >"$S/out" 2>&1
	status=$?
}
did() { [ ! -f "$S/trace" ] || sort "$S/trace"; }
nothing() { [ $status = 0 ] && [ ! -s "$S/trace" ] && { said 'no work to do' || said 'nothing to do'; }; }

# story NINJA NAME: a build, an edit, the way back, a cell that fails; what ran and what came of it goes to
# $S/story.NAME.
story() {
	rm -rf cache/ac cache/cas build/ref tmp
	run "$1"
	check "$1 builds it" equal $status 0
	{ did; results; } >"$S/story"
	run "$1"
	check "$1 then has nothing to do" nothing
	budget 11.0
	run "$1"
	check "$1 after an edit" equal $status 0
	{ did; results; } >>"$S/story"
	run "$1"
	check "$1 then has nothing to do" nothing
	budget 8.0
	run "$1"
	check "$1 on the way back" equal $status 0
	{ did; results; } >>"$S/story"
	rm -rf cache/ac/*/*.json build/ref/score-layers build/ref/group/score-layers* tmp
	QUANTGRID_FAULT=score-layers:$cell
	export QUANTGRID_FAULT
	run "$1" -k 0
	check "$1 says that a cell failed" differ $status 0
	did >>"$S/story"
	unset QUANTGRID_FAULT
	run "$1"
	check "$1 computes it then" equal $status 0
	{ did; results; } >>"$S/story"
	run "$1"
	check "$1 then has nothing to do" nothing
	sort "$S/story" >"$S/story.$2"
}

# What an edit leaves below build/ for ever is there for all of them.
budget 11.0
build
budget 8.0
build
check 'an edit and the way back' equal $status 0
story ninja expected
for other in ${QUANTGRID_NINJAS:-} samu; do
	if ! command -v "$other" >/dev/null 2>&1; then
		skip "there is no $other"
		continue
	fi
	echo "$other $("$other" --version)"
	story "$other" found
	check "$other does the same: $(diff "$S/story.expected" "$S/story.found" | head -n 5)" \
		same_files "$S/story.expected" "$S/story.found"
	# The first one takes over from it.
	build
	check "ninja after $other" equal "$status $(did | grep -v '^render-report')" '0 '
	build
	check "then has nothing to do" idle
done

finish
