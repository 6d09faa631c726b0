# Completion of xray86 for bash. `make install` installs it; or source this file. It asks --help for commands and options.

# The options of a command: all of them, or only those that need an argument.
_xray86_options()
{
	"$1" "$2" --help 2>/dev/null | sed -n "s/^  \(--[a-z-]*\)${3-}.*/\1/p"
}

# Of `run`: the index of the word that begins the command, or that would; 0 if the snapshot is still to come.
_xray86_command_word()
{
	local takers snapshot= i
	takers=" $(_xray86_options "$1" run ' [^ ]' | tr '\n' ' ') "
	for ((i = 2; i <= COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) echo $((i + 1)) && return ;;
		-*) [[ $takers = *" ${COMP_WORDS[i]} "* && ${COMP_WORDS[i + 1]-} != = ]] && ((i++)) ;;
		*)
			[ -n "$snapshot" ] && echo "$i" && return
			snapshot=${COMP_WORDS[i]}
			;;
		esac
	done
	echo 0
}

_xray86()
{
	COMPREPLY=()
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} start

	if [ "$COMP_CWORD" = 1 ]; then
		COMPREPLY=($(compgen -W "$("$1" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]\+\) .*/\1/p') --help --version" -- "$current"))
		return
	fi
	if [ "$command" = run ]; then
		start=$(_xray86_command_word "$1")
		if [ "$start" -gt 0 ] && [ "$start" -lt "$COMP_CWORD" ]; then # the command's own words
			if declare -F _command_offset >/dev/null; then
				_command_offset "$start"
			else
				compopt -o filenames
				COMPREPLY=($(compgen -f -- "$current"))
			fi
			return
		fi
		if [ "$start" = "$COMP_CWORD" ] && [[ $current != -* ]]; then
			COMPREPLY=($(compgen -c -- "$current"))
			return
		fi
	fi
	case $previous in
	--acpi) COMPREPLY=($(compgen -W 'on off' -- "$current")) ;;
	--cpu) COMPREPLY=($(compgen -W 'x86-64 x86-64-la57 i686' -- "$current")) ;;
	--env) COMPREPLY=($(compgen -v -- "$current")) ;;
	--redirect) COMPREPLY=($(compgen -W 'context tags none' -- "$current")) ;;
	--code) COMPREPLY=($(compgen -W 'verified trusted product' -- "$current")) ;;
	--engine) COMPREPLY=($(compgen -W 'plain tagged' -- "$current")) ;;
	--root | --kernel-path) compopt -o filenames && COMPREPLY=($(compgen -d -- "$current")) ;;
	cache) COMPREPLY=($(compgen -W "list prune $(_xray86_options "$1" cache)" -- "$current")) ;;
	*)
		case $current in
		-*) COMPREPLY=($(compgen -W "$(_xray86_options "$1" "$command")" -- "$current")) ;;
		*) compopt -o filenames && COMPREPLY=($(compgen -f -- "$current")) ;;
		esac
		;;
	esac
}
complete -F _xray86 xray86
