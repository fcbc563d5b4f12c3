# Completion of ./configure for bash; README.md says how to enable it. The candidates come from ./configure --complete.
_quantgrid_configure() {
	local line word words script=${COMP_WORDS[0]} list
	[ -x "$script" ] && [ -f "${script%/*}/build.ninja.in" ] || return 0
	# bash cuts words at '=' as well: the line is cut at blanks alone, up to the cursor.
	line=${COMP_LINE:0:COMP_POINT}
	read -ra words <<<"$line"
	case $line in *[[:space:]]) words+=('') ;; esac
	word=${words[${#words[@]} - 1]}
	mapfile -t COMPREPLY < <("$script" --complete "${words[@]:1}")
	# What stands before the last '=' of the word is not part of what bash replaces.
	list=${COMP_WORDBREAKS//[^=]/}
	if [ -n "$list" ]; then
		case $word in *=*) COMPREPLY=("${COMPREPLY[@]#"${word%=*}="}") ;; esac
	fi
	# What ends in '=' or '.' goes on.
	if [ ${#COMPREPLY[@]} -eq 1 ]; then
		case ${COMPREPLY[0]} in *[=.]) compopt -o nospace ;; esac
	fi
}
complete -o default -F _quantgrid_configure ./configure configure
